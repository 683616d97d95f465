#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/blame/link_candidates.hpp"
#include "analysis/blame/link_measures.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

/// Of a single link against all others: so many times as much slower, and so many times as long a stall. A transfer
/// that is slow holds up others at both of its ends, but none for longer than it takes itself.
constexpr double kLinkAlone = 4;

}  // namespace

std::optional<LinkCandidate> find_link(const std::vector<LinkChange>& links, std::size_t index, double noise_log) {
  const LinkMeasure measure = kMeasures[index].log, increase = kMeasures[index].increase;
  const auto slowest = std::max_element(
      links.begin(), links.end(), [&](const LinkChange& x, const LinkChange& y) { return measure(x) < measure(y); });
  std::vector<double> others;
  double most_increase = 0;
  for (const LinkChange& link : links)
    if (&link != &*slowest) {
      others.push_back(measure(link));
      most_increase = std::max(most_increase, increase(link));
    }
  const double low = measure(*slowest);
  // A single figure against the very slowest of the others: rarer events happen by chance.
  const double most = others.empty() ? 0 : std::max(quantile(others, 1.0), 0.0), apart = low - most;
  const bool alone =
      std::expm1(low) >= kLinkAlone * std::expm1(most) && increase(*slowest) >= kLinkAlone * most_increase;
  if (low < 2 * kSlow_log || apart < 2 * std::max(kApart_log, noise_log) || !alone) return std::nullopt;
  return LinkCandidate{{.a = slowest->a, .b = slowest->b}, apart};
}

std::optional<LinkFinding> find_stalled_link(const std::vector<LinkChange>& links) {
  std::size_t blocks = links.front().fault_longest_ns.size();
  double without_ns = 0;
  for (const LinkChange& link : links) {
    blocks = std::min(blocks, link.fault_longest_ns.size());
    for (const double longest_ns : link.baseline_longest_ns) without_ns = std::max(without_ns, longest_ns);
  }
  if (blocks < 2 || links.size() < 3) return std::nullopt;
  const LinkChange* stalled = nullptr;
  double times = 0, shortest_ns = 0, of_others_ns = without_ns;
  for (std::size_t block = 0; block < blocks; ++block) {
    const auto longest_ns = [&](const LinkChange& link) { return link.fault_longest_ns[block]; };
    const auto most = std::max_element(links.begin(), links.end(), [&](const LinkChange& x, const LinkChange& y) {
      return longest_ns(x) < longest_ns(y);
    });
    if (stalled != nullptr && stalled != &*most) return std::nullopt;
    stalled = &*most;
    double next_ns = without_ns;
    for (const LinkChange& link : links)
      if (&link != stalled) next_ns = std::max(next_ns, longest_ns(link));
    const double of_block = longest_ns(*stalled) / next_ns;
    times = block == 0 ? of_block : std::min(times, of_block);
    shortest_ns = block == 0 ? longest_ns(*stalled) : std::min(shortest_ns, longest_ns(*stalled));
    of_others_ns = std::max(of_others_ns, next_ns);
  }
  if (times < kLinkAlone) return std::nullopt;
  return LinkFinding{
      .a = stalled->a,
      .b = stalled->b,
      .times = times,
      .text = fmt::format("in each block with the fault this link alone stalled, for {} and more (others, "
                          "and without the fault: {} at most)",
                          format_duration(shortest_ns), format_duration(of_others_ns))};
}

}  // namespace grit
