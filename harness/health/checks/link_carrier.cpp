// link_carrier: how often, and for how long altogether, the node's data NICs were without a carrier.
//
// The kernel counts how often a carrier was lost, and not for how long. That is told from reading to reading: a link
// that has no carrier in two readings and did not get one in between was without it all the while; any other loss may
// have lasted nearly nothing, or nearly from one reading to the next. The limits are held against what is sure.
#include <fmt/format.h>

#include <algorithm>

#include "harness/base/units.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/chosen_nics.hpp"
#include "harness/health/checks/recent_sum.hpp"
#include "harness/os/netlink.hpp"

namespace grit {
namespace {

/// Since the last reading.
struct Loss {
  std::int64_t times = 0;
  std::int64_t least_ns = 0, most_ns = 0;  // without a carrier
};

/// Of one interface, as its last reading left it.
class CarrierMemory {
 public:
  CarrierMemory(CheckMemory& memory, std::string nic) : memory_(memory), nic_(std::move(nic)) {}

  /// What was lost since then; remembers what is now. A first reading without a carrier counts as one loss.
  Loss take(const Link& link) {
    const auto had = memory_.find(name("has carrier"));
    const bool same = memory_.find(name("ifindex")).value_or(link.ifindex) == link.ifindex;
    const bool has = link.up() && link.carrier;
    if (!same) memory_.forget(name("carrier_down_count"));  // it was made anew, and counts from 0
    const std::int64_t counted = memory_.growth(name("carrier_down_count"), link.carrier_down_count).value_or(0);
    memory_.keep(name("has carrier"), has ? 1 : 0);
    memory_.keep(name("ifindex"), link.ifindex);
    if (!had) return {.times = has ? 0 : 1};
    const bool seen = (*had != 0 && !has) || !same;
    const std::int64_t times = std::max<std::int64_t>(counted, seen ? 1 : 0);
    const std::int64_t all_ns = memory_.elapsed_ns().value_or(0);
    if (*had != 0 && times == 0) return {};
    const bool throughout = *had == 0 && !has && times == 0;
    return {times, throughout ? all_ns : 0, all_ns};
  }

  /// The outage that lasts, or that ended since the last reading; for the surely shortest time it took.
  std::int64_t outage_ns(const Loss& loss, bool has_carrier) {
    const std::int64_t before = loss.times > 0 ? 0 : memory_.find(name("outage")).value_or(0);
    memory_.keep(name("outage"), has_carrier ? 0 : before + loss.least_ns);
    return before + loss.least_ns;
  }

  RecentSum recent(std::string_view what, std::int64_t within_ns) { return {memory_, name(what), within_ns}; }

 private:
  [[nodiscard]] std::string name(std::string_view what) const { return fmt::format("{} {}", nic_, what); }

  CheckMemory& memory_;
  std::string nic_;
};

double seconds(std::int64_t ns) { return static_cast<double>(ns) / static_cast<double>(kNsPerS); }

std::string describe(const Link& link, std::int64_t times, std::int64_t least_ns, std::int64_t most_ns) {
  std::string now = "has a carrier";
  if (!link.up())
    now = "is down";
  else if (!link.carrier)
    now = "has no carrier";
  if (times == 0) return now;
  return fmt::format("{}; was without it {} {}, for {:.1f} to {:.1f} s altogether", now, times,
                     times == 1 ? "time" : "times", seconds(least_ns), seconds(most_ns));
}

Outcome outcome_of(const std::string& nic, const Link& link, const CheckInput& input) {
  const std::int64_t within_ns = input.params.integer("within");
  CarrierMemory memory(input.memory, nic);
  const Loss loss = memory.take(link);
  RecentSum times = memory.recent("losses", within_ns), least = memory.recent("least", within_ns),
            most = memory.recent("most", within_ns);
  times.add(loss.times);
  least.add(loss.least_ns);
  most.add(loss.most_ns);
  const std::int64_t outage_ns = memory.outage_ns(loss, link.up() && link.carrier);
  const double down_s = seconds(input.params.boolean("per_outage") ? outage_ns : least.sum());
  const auto limit_s = [&](const char* name) { return seconds(input.params.integer(name)); };
  const auto limit = [&](const char* name) { return static_cast<double>(input.params.integer(name)); };
  const Severity by_time = judge_at_least(down_s, limit_s("down_warning"), limit_s("down_critical"));
  const Severity by_times =
      judge_at_least(static_cast<double>(times.sum()), limit("flaps_warning"), limit("flaps_critical"));
  Outcome outcome{.severity = std::max(by_time, by_times),
                  .subject = nic,
                  .value = down_s,
                  .unit = "s",
                  .detail = describe(link, times.sum(), least.sum(), most.sum())};
  if (outcome.severity != Severity::ok)
    outcome.hint = link.up() ? "the cable, its modules and the switch's port; ethtool reports the link's partner"
                             : fmt::format("it was set down: ip link set {} up", nic);
  return outcome;
}

Result<std::vector<Outcome>> read(const CheckInput& input) {
  GRIT_TRY(const std::vector<Nic> nics, chosen_nics_and_lower(input.node, input.params));
  return look_at_links(nics, [&](const Nic& nic, const Link& link) { return outcome_of(nic.name, link, input); });
}

std::vector<ParamSpec> params() {
  return {nic_param(),
          {"within",
           Unit::time_ns,
           600 * kNsPerS,
           "how long a loss counts, within one block (grit's own choice)",
           {},
           1.0 * kNsPerS,
           {}},
          {"flaps_warning", Unit::count, 1,
           "this many losses of the carrier alarm (NVSentinel's nic-health-monitor: any flap is an event)"},
          {"flaps_critical", Unit::count, 0, "this many are critical; off, for nobody publishes a limit"},
          {"down_warning", Unit::time_ns, 100 * kNsPerMs,
           "surely without a carrier for so long altogether (grit's own choice)"},
          {"down_critical", Unit::time_ns, 7 * kNsPerS,
           "what ends NCCL jobs on InfiniBand by the account of Databricks; altogether, as their gpu-monitor counts"},
          {"per_outage", Unit::boolean, false,
           "hold the two times against each outage by itself, as checks do that wait for one long outage"}};
}

}  // namespace

const Check& link_carrier() {
  static const Check check{
      .info = {.name = "link_carrier",
               .summary = "Data NICs did not lose their carrier: how often, and for how long altogether",
               .params = params(),
               .of_links = true,
               .counts = true,
               .period_ns = kNsPerS / 2,
               .trips = "link_flap",
               .proven = "the other end of a link set down and up between two readings"},
      .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit
