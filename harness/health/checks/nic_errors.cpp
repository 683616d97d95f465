// nic_errors: the error counters of the node's data NICs did not grow since the last reading, and few packets were
// dropped.
//
// These are the counters that every interface has (IFLA_STATS64). What only its driver counts, by queue and priority,
// is nic_queues' business: asking for that takes too long to be done as often.
#include "harness/health/checks/nic_errors.hpp"

#include <fmt/format.h>

#include <algorithm>

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

std::string rate_text(std::string_view what, std::int64_t count) { return fmt::format("{} +{}", what, count); }

}  // namespace

Outcome judge_link_counters(const std::string& nic, const Link& link, const Params& params, CheckMemory& memory) {
  NicCounters counters(memory, nic);
  std::vector<std::string> errors, drops;
  for (std::size_t i = 0; i < LinkErrors::kNames.size(); ++i)
    if (const auto more = counters.growth(LinkErrors::kNames[i], link.errors.counts[i]); more > 0)
      errors.push_back(rate_text(LinkErrors::kNames[i], more));
  std::int64_t dropped = 0;
  for (const auto& [name, value] : {std::pair{"rx_dropped", link.traffic.rx_dropped},
                                    {"tx_dropped", link.traffic.tx_dropped},
                                    {"rx_missed_errors", link.traffic.rx_missed}}) {
    const std::int64_t more = counters.growth(name, value);
    if (more > 0) drops.push_back(rate_text(name, more));
    dropped += more;
  }
  const double elapsed_s = static_cast<double>(memory.elapsed_ns().value_or(0)) / static_cast<double>(kNsPerS);
  const double drops_per_s = elapsed_s > 0 ? static_cast<double>(dropped) / elapsed_s : 0;
  Outcome outcome{.severity = Severity::ok, .subject = nic, .value = drops_per_s, .unit = "1/s"};
  const std::string hint = fmt::format("ethtool -S {0}; tc -s qdisc show dev {0}", nic);
  if (counters.all_ones() >= 2) {
    outcome.severity = Severity::critical;
    outcome.detail = fmt::format("{} of its counters read all ones: the device does not answer", counters.all_ones());
    outcome.hint = "lspci: is it still on its bus? The kernel's log says since when";
  } else if (!errors.empty()) {
    errors.insert(errors.end(), drops.begin(), drops.end());
    outcome.severity = Severity::critical;
    outcome.detail = first_few(std::move(errors));
    outcome.hint = hint;
  } else if (const double limit = params.number("drops"); dropped >= kFewestDrops) {
    outcome.severity = judge_at_least(drops_per_s, limit, 0);
    outcome.detail = first_few(std::move(drops));
    if (outcome.severity != Severity::ok) outcome.hint = hint;
  } else {
    outcome.detail = memory.is_first() ? "first reading" : "no new errors";
  }
  return outcome;
}

namespace {

Result<std::vector<Outcome>> read(const CheckInput& input) {
  GRIT_TRY(const std::vector<Nic> nics, chosen_nics(input.node, input.params));
  if (nics.empty()) return std::vector{not_here("no data NIC")};
  GRIT_TRY(Netlink netlink, Netlink::open());
  std::vector<Outcome> outcomes;
  for (const Nic& nic : nics) {
    GRIT_TRY(const auto link, netlink.find_link(nic.name));
    if (link)
      outcomes.push_back(judge_link_counters(nic.name, *link, input.params, input.memory));
    else
      outcomes.push_back({.severity = Severity::critical, .subject = nic.name, .detail = "is gone"});
  }
  return outcomes;
}

}  // namespace

const Check& nic_errors() {
  static const Check check{
      .info = {.name = "nic_errors",
               .summary = "Data NICs count no receive or transmit errors, and drop few packets",
               .params = {nic_param(),
                          {"drops",
                           Unit::number,
                           10,
                           "packets dropped or missed a second that alarm, of at least 10 (NetworkDropsRate of "
                           "Kubernetes' monitoring mixins); any error is critical",
                           {},
                           0.0,
                           {}}},
               .of_links = true,
               .counts = true,
               .period_ns = kNsPerS / 2,
               .unproven = "no fault here makes a NIC count errors; seen with a VXLAN that nobody can reach"},
      .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit
