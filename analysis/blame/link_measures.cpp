#include "analysis/blame/link_measures.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace grit {
namespace {

/// Retransmits added to both counts before they are divided, so that one more than none is only a third more.
constexpr double kFewRetransmits = 3;

double log_of(double fault, double baseline) {
  return fault > 0 && baseline > 0 ? std::log(fault / baseline) : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

const std::array<NamedMeasure, kLinkMeasures> kMeasures{
    {{"transfers", [](const LinkChange& link) { return log_of(link.baseline_bits_per_s, link.fault_bits_per_s); },
      [](const LinkChange& link) { return 1 / link.fault_bits_per_s - 1 / link.baseline_bits_per_s; }},
     {"round trips", [](const LinkChange& link) { return log_of(link.fault_latency_ns, link.baseline_latency_ns); },
      [](const LinkChange& link) { return link.fault_latency_ns - link.baseline_latency_ns; }},
     {"the longest round trips",
      [](const LinkChange& link) { return log_of(link.fault_worst_ns, link.baseline_worst_ns); },
      [](const LinkChange& link) { return link.fault_worst_ns - link.baseline_worst_ns; }},
     {"TCP retransmits",
      [](const LinkChange& link) {
        return std::log((link.fault_retransmits + kFewRetransmits) / (link.baseline_retransmits + kFewRetransmits));
      },
      [](const LinkChange& link) { return link.fault_retransmits - link.baseline_retransmits; }}}};

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  return values[std::clamp<std::size_t>(rank, 1, values.size()) - 1];
}

}  // namespace grit
