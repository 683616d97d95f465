#include "harness/health/openmetrics/series.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>

namespace grit {
namespace {

constexpr std::size_t kMaxSeries = 8192;  // twice what one reading may have: labels that change from time to time

bool ends_with(std::string_view name, std::string_view end) {
  return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
}

bool is_counter(const std::string& name, const Exposition& read) {
  if (read.counters.count(name) != 0) return true;
  return ends_with(name, "_total") || ends_with(name, "_count") || ends_with(name, "_sum") ||
         ends_with(name, "_bucket");
}

}  // namespace

bool SeriesStore::has_restarted(const Exposition& read) {
  for (const MetricSample& sample : read.samples) {
    if (sample.name != kProcessStart) continue;
    const bool differs = last_ns_ != 0 && sample.value != process_start_;
    process_start_ = sample.value;
    return differs;
  }
  return false;
}

void SeriesStore::take(const Exposition& read, std::int64_t now_ns, std::int64_t realtime_ns, std::int64_t max_age_ns,
                       std::int64_t window_ns) {
  if (has_restarted(read) || series_.size() > kMaxSeries || now_ns < last_ns_) series_.clear();
  std::set<std::string> had;
  for (auto& [key, series] : series_) {
    if (series.current) had.insert(key.first);
    series.current = false;
  }
  for (const MetricSample& sample : read.samples) {
    add(sample, read, now_ns, had.count(sample.name) != 0);
    MetricSeries& series = series_[{sample.name, sample.labels}];
    const std::int64_t age_ns = sample.time_ns ? realtime_ns - *sample.time_ns : 0;
    series.untimely = age_ns > max_age_ns    ? "its last sample is too old"
                      : age_ns < -max_age_ns ? "its last sample is of the future"
                                             : "";
  }
  for (auto& [key, series] : series_) {
    // The last one before the window is kept, however old: there is no other to count from.
    auto& points = series.points;
    const std::int64_t start_ns = points.back().t_ns - window_ns;
    const auto first = std::find_if(points.begin(), points.end(), [&](const auto& one) { return one.t_ns > start_ns; });
    if (first != points.begin()) points.erase(points.begin(), std::prev(first));
  }
  last_ns_ = now_ns;
}

void SeriesStore::put_back(const MetricSample& sample, std::int64_t t_ns, double value) {
  MetricSeries& series = series_[{sample.name, sample.labels}];
  series.points = {{t_ns, value}};
  series.current = true;
  if (!sample.time_ns) last_ns_ = t_ns;
  if (sample.name == kProcessStart) process_start_ = value;
}

/// A counter that appears beside others of its name, which were there before, was 0 until then: the first Xid of a GPU.
void SeriesStore::add(const MetricSample& sample, const Exposition& read, std::int64_t now_ns, bool has_siblings) {
  const auto [found, is_new] = series_.try_emplace({sample.name, sample.labels});
  MetricSeries& series = found->second;
  series.current = true;
  const std::int64_t t_ns = sample.time_ns.value_or(now_ns);
  if (is_new && has_siblings && !sample.time_ns && is_counter(sample.name, read))
    series.points.push_back({last_ns_, 0});
  if (!series.points.empty() && series.points.back().t_ns > t_ns) series.points.clear();
  if (!series.points.empty() && series.points.back().t_ns == t_ns)
    series.points.back().value = sample.value;  // the same sample again, or the series twice in one text
  else
    series.points.push_back({t_ns, sample.value});
}

}  // namespace grit
