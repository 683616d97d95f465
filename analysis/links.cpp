#include "analysis/links.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <utility>

namespace grit {
namespace {

/// Below, a link counts as it was: a fifth slower, in natural logarithms. A shared machine's links differ by less.
constexpr double kSlow_log = 0.18;
/// By how much more than others' a node's links must have become slower.
constexpr double kApart_log = 0.18;

struct Sums {
  double latency_ns = 0, worst_ns = 0, transfer_s_per_bit = 0;
  int latencies = 0, transfers = 0;
};

std::optional<double> number_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

void add(Sums& sums, const Json& entry) {
  const auto latency = entry.find("latency_ns");
  if (latency != entry.end() && latency->is_object()) {
    const auto median = number_at(*latency, "median"), worst = number_at(*latency, "max");
    if (median && worst && *median > 0 && *worst > 0)
      sums.latency_ns += *median, sums.worst_ns += *worst, ++sums.latencies;
  }
  if (const auto rate = number_at(entry, "bits_per_s"); rate && *rate > 0)
    sums.transfer_s_per_bit += 1 / *rate, ++sums.transfers;
}

using Measure = double (*)(const LinkChange&);  // logarithm of the slowdown
double log_of(double fault, double baseline) { return fault > 0 && baseline > 0 ? std::log(fault / baseline) : 0; }
double transfers(const LinkChange& link) { return log_of(link.baseline_bits_per_s, link.fault_bits_per_s); }
double round_trips(const LinkChange& link) { return log_of(link.fault_latency_ns, link.baseline_latency_ns); }
double longest(const LinkChange& link) { return log_of(link.fault_worst_ns, link.baseline_worst_ns); }
constexpr std::array<std::pair<const char*, Measure>, 3> kMeasures{
    {{"transfers", transfers}, {"round trips", round_trips}, {"the longest round trips", longest}}};

/// Nearest rank.
double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  return values[std::clamp<std::size_t>(rank, 1, values.size()) - 1];
}

/// By one measure. `apart`: how much further from the others than it must be; to choose between measures.
struct OneFinding {
  LinkFinding finding{};
  double apart = 0;
};

std::optional<OneFinding> find_node(const std::vector<LinkChange>& links, Measure measure, double noise_log) {
  std::set<int> nodes;
  for (const LinkChange& link : links) nodes.insert({link.a, link.b});
  std::optional<OneFinding> best;
  for (const int node : nodes) {
    std::vector<double> own, others;
    for (const LinkChange& link : links) (link.a == node || link.b == node ? own : others).push_back(measure(link));
    if (own.size() < 2 || others.empty()) continue;  // one link has two ends
    const double low = quantile(own, 0.25), apart = low - quantile(others, 0.75);
    if (low < kSlow_log || apart < std::max(kApart_log, noise_log) || (best && best->apart >= apart)) continue;
    best = OneFinding{{.node = node, .slowdown = std::exp(low)}, apart};
  }
  return best;
}

std::optional<OneFinding> find_link(const std::vector<LinkChange>& links, Measure measure, double noise_log) {
  const auto slowest = std::max_element(
      links.begin(), links.end(), [&](const LinkChange& x, const LinkChange& y) { return measure(x) < measure(y); });
  std::vector<double> others;
  for (const LinkChange& link : links)
    if (&link != &*slowest) others.push_back(measure(link));
  const double low = measure(*slowest);
  // A single figure against the very slowest of the others: rarer events happen by chance.
  const double apart = others.empty() ? low : low - quantile(others, 1.0);
  if (low < 2 * kSlow_log || apart < 2 * std::max(kApart_log, noise_log)) return std::nullopt;
  return OneFinding{{.a = slowest->a, .b = slowest->b, .slowdown = std::exp(low)}, apart};
}

/// Does every block with the faults say so by itself? A few long stalls, which may hit any link, fall into one of them
/// and make its average; what is wrong with a link is wrong in all.
bool holds_in_each_block(const std::vector<LinkChange>& links, const LinkFinding& finding, std::size_t measure) {
  std::size_t blocks = links.front().fault_log.size();
  for (const LinkChange& link : links) blocks = std::min(blocks, link.fault_log.size());
  for (std::size_t block = 0; block < blocks; ++block) {
    std::vector<double> own, others;
    for (const LinkChange& link : links) {
      const bool is_own = finding.node >= 0 ? link.a == finding.node || link.b == finding.node
                                            : link.a == finding.a && link.b == finding.b;
      (is_own ? own : others).push_back(link.fault_log[block][measure]);
    }
    if (own.empty() || others.empty()) continue;
    const bool is_node = finding.node >= 0;
    if (quantile(own, is_node ? 0.25 : 0.0) <= quantile(others, is_node ? 0.75 : 1.0)) return false;
  }
  return true;
}

LinkChange change_between(const Sums& baseline, const Sums& fault) {
  LinkChange change;
  const auto mean = [](double sum, int count) { return count > 0 ? sum / count : 0; };
  change.baseline_latency_ns = mean(baseline.latency_ns, baseline.latencies);
  change.fault_latency_ns = mean(fault.latency_ns, fault.latencies);
  change.baseline_worst_ns = mean(baseline.worst_ns, baseline.latencies);
  change.fault_worst_ns = mean(fault.worst_ns, fault.latencies);
  if (baseline.transfers > 0) change.baseline_bits_per_s = baseline.transfers / baseline.transfer_s_per_bit;
  if (fault.transfers > 0) change.fault_bits_per_s = fault.transfers / fault.transfer_s_per_bit;
  return change;
}

bool same_place(const LinkFinding& x, const LinkFinding& y) {
  const auto touches = [](const LinkFinding& link, int node) { return link.a == node || link.b == node; };
  if (x.node >= 0 && y.node >= 0) return x.node == y.node;
  if (x.node >= 0) return touches(y, x.node);
  if (y.node >= 0) return touches(x, y.node);
  return x.a == y.a && x.b == y.b;
}

}  // namespace

double LinkChange::slowdown() const {
  double most = 0;
  for (const auto& [name, measure] : kMeasures) most = std::max(most, measure(*this));
  return std::exp(most);
}

std::vector<LinkChange> link_changes(const Json& links) {
  const auto list = links.is_object() ? links.find("links") : links.end();
  if (!links.is_object() || list == links.end() || !list->is_array()) return {};
  struct OfLink {
    std::map<double, Sums> baselines{}, faults{};  // by block
    Sums baseline{}, fault{};
  };
  std::map<std::pair<int, int>, OfLink> sums;
  for (const Json& entry : *list) {
    if (!entry.is_object()) continue;
    const auto a = number_at(entry, "a"), b = number_at(entry, "b");
    const auto kind = entry.find("kind");
    if (!a || !b || *a < 0 || *a >= *b || kind == entry.end() || !kind->is_string()) continue;
    OfLink& link = sums[{static_cast<int>(*a), static_cast<int>(*b)}];
    if (*kind == "link_baseline") {
      add(link.baseline, entry);
      add(link.baselines[number_at(entry, "block").value_or(0)], entry);
    }
    if (*kind == "link_fault") {
      add(link.fault, entry);
      add(link.faults[number_at(entry, "block").value_or(0)], entry);
    }
  }
  std::vector<LinkChange> changes;
  for (const auto& [ends, link] : sums) {
    if (link.baseline.latencies == 0 || link.fault.latencies == 0) continue;
    LinkChange change = change_between(link.baseline, link.fault);
    change.a = ends.first, change.b = ends.second;
    for (const auto& [block, one] : link.baselines) {
      const LinkChange other = change_between(link.baselines.begin()->second, one);
      for (std::size_t i = 0; i < kMeasures.size(); ++i)
        change.noise_log[i] = std::max(change.noise_log[i], std::abs(kMeasures[i].second(other)));
    }
    for (const auto& [block, one] : link.faults) {
      const LinkChange of_block = change_between(link.baseline, one);
      auto& logs = change.fault_log.emplace_back();
      for (std::size_t i = 0; i < kMeasures.size(); ++i) logs[i] = kMeasures[i].second(of_block);
    }
    changes.push_back(change);
  }
  return changes;
}

std::optional<LinkFinding> judge_links(const std::vector<LinkChange>& links) {
  if (links.empty()) return std::nullopt;
  std::optional<OneFinding> best;
  bool all_alike = false, nothing = true;
  for (std::size_t i = 0; i < kMeasures.size(); ++i) {
    const auto& [name, measure] = kMeasures[i];
    std::vector<double> values;
    for (const LinkChange& link : links) values.push_back(measure(link));
    all_alike = all_alike || quantile(values, 0.0) >= kSlow_log;
    nothing = nothing && quantile(values, 1.0) < kSlow_log;
    double noise_log = 0;
    for (const LinkChange& link : links) noise_log = std::max(noise_log, link.noise_log[i]);
    auto found = find_node(links, measure, noise_log);
    if (!found) found = find_link(links, measure, noise_log);
    if (!found || !holds_in_each_block(links, found->finding, i)) continue;
    found->finding.measure = name;
    if (best && !same_place(best->finding, found->finding)) return std::nullopt;  // they contradict each other
    const bool better = !best || (found->finding.node >= 0) > (best->finding.node >= 0) ||
                        ((found->finding.node >= 0) == (best->finding.node >= 0) && found->apart > best->apart);
    if (better) best = found;
  }
  if (best) return best->finding;
  if (all_alike) return LinkFinding{.all_alike = true};
  if (nothing) return LinkFinding{.nothing = true};
  return std::nullopt;
}

}  // namespace grit
