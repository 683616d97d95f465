// The series of a source, over time: what rules select from, and what rates are made of.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "harness/health/openmetrics/text.hpp"

namespace grit {

/// The name whose value says that the process which exports was started anew, and counts from 0 again.
inline constexpr const char* kProcessStart = "process_start_time_seconds";

struct MetricSeries {
  struct Point {
    std::int64_t t_ns = 0;
    double value = 0;
  };
  std::vector<Point> points{};  // by time; the last one is the newest
  bool current = false;         // it was there at the last reading
  std::string untimely{};       // by its own timestamp, why it says nothing of now; empty: it does
};

class SeriesStore {
 public:
  using Key = std::pair<std::string, MetricLabels>;

  /// What was said at `now_ns`, by one clock for all readings; when it is before the last one, all is counted anew, as
  /// a series is whose own timestamp is before its last one. `realtime_ns`, `max_age_ns`: for samples with timestamps
  /// of their own. `window_ns`: the longest that a rule looks back.
  void take(const Exposition& read, std::int64_t now_ns, std::int64_t realtime_ns, std::int64_t max_age_ns,
            std::int64_t window_ns);
  /// The value that this series had at `t_ns` in the last reading of another process, before the first take(). `t_ns`
  /// is of the sample's own clock where it has a timestamp.
  void put_back(const MetricSample& sample, std::int64_t t_ns, double value);
  void clear() { *this = {}; }

  [[nodiscard]] const std::map<Key, MetricSeries>& series() const { return series_; }

 private:
  void add(const MetricSample& sample, const Exposition& read, std::int64_t now_ns, bool has_siblings);
  bool has_restarted(const Exposition& read);

  std::map<Key, MetricSeries> series_{};
  std::int64_t last_ns_ = 0;  // the last one's `now_ns`; 0: there was none
  double process_start_ = 0;
};

}  // namespace grit
