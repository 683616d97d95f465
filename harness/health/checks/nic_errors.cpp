// nic_errors: the error counters of the node's data NICs did not grow since the last reading, and few packets were
// dropped.
//
// One error is a frame that has to be sent again, and cables that are well have some: only a stream of them is
// critical.
//
// These are the counters that every interface has (IFLA_STATS64). What only its driver counts, by queue and priority,
// is nic_queues' business: asking for that takes too long to be done as often.
#include "harness/health/checks/nic_errors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "harness/base/clock.hpp"
#include "harness/health/check.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/chosen_nics.hpp"
#include "harness/health/checks/first_few.hpp"

namespace grit {
namespace {

/// So few drops are no rate: a reading may be half a second.
constexpr std::int64_t kFewestDrops = 10;

/// What is read from a device that does not answer any more: all bits are set (in counters of 32 and 64 bits).
bool is_all_ones(std::int64_t value) { return value == -1 || value == std::int64_t{0xffffffff}; }

/// Of the counters of one NIC; remembers them.
class NicCounters {
 public:
  NicCounters(CheckMemory& memory, std::string nic) : memory_(memory), nic_(std::move(nic)) {}

  /// By how much it grew; 0 at its first reading, after it was started anew, and while it cannot be read.
  std::int64_t growth(std::string_view counter, std::int64_t value) {
    const std::string name = fmt::format("{} {}", nic_, counter);
    if (is_all_ones(value)) {
      if (const auto last = memory_.find(name); last && *last >= 0) ++all_ones_;
      return 0;
    }
    return memory_.growth(name, value).value_or(0);
  }
  [[nodiscard]] std::int64_t all_ones() const { return all_ones_; }

 private:
  CheckMemory& memory_;
  std::string nic_;
  std::int64_t all_ones_ = 0;
};

/// Packets for which the host had no room: counted as receive errors, while neither they nor the cable were bad
/// (rtnl_link_stats64 in linux/if_link.h).
constexpr std::array<std::string_view, 2> kOverruns{"rx_over_errors", "rx_fifo_errors"};

/// What came since the last reading, by counter: those that grew.
struct Growth {
  std::vector<std::pair<std::string_view, std::int64_t>> errors{}, drops{};

  [[nodiscard]] std::int64_t dropped() const {
    std::int64_t sum = 0;
    for (const auto& [name, more] : drops) sum += more;
    return sum;
  }
  /// Of the counter that grew most: there are also sums among them.
  [[nodiscard]] std::int64_t most_errors() const {
    std::int64_t most = 0;
    for (const auto& [name, more] : errors) most = std::max(most, more);
    return most;
  }
  [[nodiscard]] std::string text() const {
    std::vector<std::string> found;
    for (const auto* list : {&errors, &drops})
      for (const auto& [name, more] : *list) found.push_back(fmt::format("{} +{}", name, more));
    return first_few(std::move(found));
  }
};

Growth growth_of(const Link& link, NicCounters& counters) {
  Growth growth;
  for (const auto& [name, value] : {std::pair{"rx_dropped", link.traffic.rx_dropped},
                                    {"tx_dropped", link.traffic.tx_dropped},
                                    {"rx_missed_errors", link.traffic.rx_missed}})
    if (const std::int64_t more = counters.growth(name, value); more > 0) growth.drops.emplace_back(name, more);
  std::int64_t all_received = 0, overruns = 0;
  for (std::size_t i = 0; i < LinkErrors::kNames.size(); ++i) {
    const std::string_view name = LinkErrors::kNames[i];
    const std::int64_t more = counters.growth(name, link.errors.counts[i]);
    if (more <= 0) continue;
    if (std::find(kOverruns.begin(), kOverruns.end(), name) != kOverruns.end())
      growth.drops.emplace_back(name, more), overruns += more;
    else if (name == "rx_errors")
      all_received = more;
    else
      growth.errors.emplace_back(name, more);
  }
  // The sum has the overruns in it where the driver adds them.
  if (all_received > overruns)
    growth.errors.insert(growth.errors.begin(),
                         {overruns > 0 ? "rx_errors besides overruns" : "rx_errors", all_received - overruns});
  return growth;
}

}  // namespace

Outcome judge_link_counters(const std::string& nic, const Link& link, const Params& params, CheckMemory& memory) {
  NicCounters counters(memory, nic);
  const Growth growth = growth_of(link, counters);
  // At the end of a block a reading comes milliseconds after the one before it.
  const double elapsed_s =
      std::max(1.0, static_cast<double>(memory.elapsed_ns().value_or(0)) / static_cast<double>(kNsPerS));
  const double drops_per_s = static_cast<double>(growth.dropped()) / elapsed_s;
  const double errors_per_s = static_cast<double>(growth.most_errors()) / elapsed_s;
  Outcome outcome{.severity = Severity::ok, .subject = nic, .value = drops_per_s, .unit = "1/s"};
  if (counters.all_ones() >= 2) {
    outcome.severity = Severity::critical;
    outcome.detail = fmt::format("{} of its counters read all ones: the device does not answer", counters.all_ones());
    outcome.hint = "lspci: is it still on its bus? The kernel's log says since when";
    return outcome;
  }
  if (!growth.errors.empty())
    outcome.severity = std::max(Severity::warning, judge_at_least(errors_per_s, 0, params.number("errors")));
  else if (growth.dropped() >= kFewestDrops)
    outcome.severity = judge_at_least(drops_per_s, params.number("drops"), 0);
  outcome.detail = growth.text();
  if (outcome.detail.empty()) outcome.detail = memory.is_first() ? "first reading" : "no new errors";
  if (outcome.severity != Severity::ok) outcome.hint = fmt::format("ethtool -S {0}; tc -s qdisc show dev {0}", nic);
  return outcome;
}

namespace {

Result<std::vector<Outcome>> read(const CheckInput& input) {
  GRIT_TRY(const std::vector<Nic> nics, chosen_nics(input.node, input.params));
  return look_at_links(nics, [&](const Nic& nic, const Link& link) {
    return judge_link_counters(nic.name, link, input.params, input.memory);
  });
}

}  // namespace

const Check& nic_errors() {
  static const Check check{
      .info =
          {.name = "nic_errors",
           .summary = "Data NICs count no receive or transmit errors, and drop few packets",
           .params = {nic_param(),
                      {"drops",
                       Unit::number,
                       10,
                       "packets dropped, missed or overrun a second that alarm, of at least 10 (NetworkDropsRate of "
                       "Kubernetes' monitoring mixins)",
                       {},
                       0.0,
                       {}},
                      {"errors",
                       Unit::number,
                       10,
                       "errors of one kind a second, over a second at least, that are critical; any is a warning "
                       "(grit's own choice)",
                       {},
                       0.0,
                       {}}},
           .of_links = true,
           .counts = true,
           .period_ns = kNsPerS / 2,
           .untripped = "no fault here makes a NIC count errors",
           .proven = "a VXLAN that nobody can reach"},
      .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit
