// What an exporter says: the text formats of Prometheus (0.0.4) and OpenMetrics (1.0), read by one parser.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

using MetricLabels = std::map<std::string, std::string>;

struct MetricSample {
  std::string name{};
  MetricLabels labels{};
  double value = 0;                       // may be infinite, or not a number
  std::optional<std::int64_t> time_ns{};  // since the epoch, where the exporter says when it was read
};

struct Exposition {
  std::vector<MetricSample> samples{};  // of the names that were asked for; of one series that comes twice, both
  std::set<std::string> counters{};     // names of samples that are counters by their TYPE
};

/// The samples of these names. `is_openmetrics`: its Content-Type says so; a text that ends with "# EOF" is, too, and
/// one of that type that does not is cut off; so is any other text without a line feed at its end (Prometheus,
/// "Exposition formats": the last line must end with one), whose last value may be half a number. A line that cannot be
/// read is passed over. Error (unavailable): there are more than 10 of these or one in a hundred, so that it is
/// something else than metrics (names the first one's number, never what is in it: the file may be anything); or it is
/// cut off, or has more than 200,000 lines or 4,096 samples of these names.
Result<Exposition> parse_exposition(std::string_view text, const std::set<std::string>& names,
                                    bool is_openmetrics = false);

}  // namespace grit
