// qdisc_drops: the queueing disciplines of the node's data NICs drop few packets, hold none back by a rate, and are of
// the kinds they were of.
//
// An interface's own counters know nothing of what is lost there. Another kind than before tells of somebody who shapes
// the traffic, also while there is none.
#include <fmt/format.h>
#include <linux/pkt_sched.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "harness/base/clock.hpp"
#include "harness/base/printable.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/chosen_nics.hpp"
#include "harness/os/netlink.hpp"
#include "harness/os/tc.hpp"

namespace grit {
namespace {

/// So few drops are no share.
constexpr std::int64_t kFewestDrops = 5;
/// These drop packets to tell their senders that the queue is long: so many times more is usual.
constexpr double kSignalling = 10;
constexpr std::array<std::string_view, 7> kSignallingKinds{"fq_codel", "codel", "cake", "fq_pie", "pie", "red", "sfb"};

/// With these an overlimit is a packet that had to wait for its rate; with others it may be a packet that was marked.
constexpr std::array<std::string_view, 5> kRateKinds{"tbf", "htb", "hfsc", "cbq", "cake"};

/// The qdiscs of one NIC.
struct NicQdiscs {
  std::string kinds{};  // of the root, and of what is below it: "mq of fq_codel"
  std::string root_kind{};
  TcCounters root{};
  std::int64_t dropped_by_leaves = 0, overlimits = 0;
};

NicQdiscs qdiscs_of(int ifindex, const std::vector<TcCounted>& all) {
  NicQdiscs found;
  std::set<std::uint32_t> parents;  // the major numbers of those that have qdiscs below them
  std::set<std::string> below;
  for (const TcCounted& one : all)
    if (one.ifindex == ifindex && one.parent != TC_H_ROOT) parents.insert(TC_H_MAJ(one.parent));
  for (const TcCounted& one : all) {
    if (one.ifindex != ifindex || one.parent == TC_H_INGRESS) continue;
    if (one.parent == TC_H_ROOT)
      found.root_kind = one.kind, found.root = one.counters;
    else
      below.insert(one.kind);
    if (std::find(kRateKinds.begin(), kRateKinds.end(), one.kind) != kRateKinds.end())
      found.overlimits += one.counters.overlimits;
    if (one.parent == TC_H_ROOT ? parents.empty() : !parents.contains(one.handle) || one.handle == 0)
      found.dropped_by_leaves += one.counters.drops;
  }
  found.kinds = found.root_kind;
  for (const std::string& kind : below) found.kinds += (kind == *below.begin() ? " of " : " and ") + kind;
  return found;
}

/// Which kinds there were, by as many bytes of their names as a figure holds.
class KindsBefore {
 public:
  KindsBefore(CheckMemory& memory, const std::string& nic) : memory_(memory), name_(nic + " kinds ") {}

  /// Empty: none are known.
  [[nodiscard]] std::string find() const {
    std::string kinds;
    for (std::size_t i = 0; i < kFigures; ++i)
      if (const auto figure = memory_.find(name_ + std::to_string(i)))
        for (std::size_t byte = 0; byte < sizeof *figure; ++byte)
          if (const auto letter = static_cast<char>(*figure >> (8 * byte) & 0xff); letter != 0) kinds += letter;
    return kinds;
  }
  void keep(const std::string& kinds) {
    for (std::size_t i = 0; i < kFigures; ++i) {
      std::uint64_t figure = 0;
      for (std::size_t byte = 0; byte < sizeof figure && i * sizeof figure + byte < kinds.size(); ++byte)
        figure |= std::uint64_t{static_cast<unsigned char>(kinds[i * sizeof figure + byte])} << (8 * byte);
      memory_.keep(name_ + std::to_string(i), static_cast<std::int64_t>(figure));
    }
  }
  static std::string shortened(const std::string& kinds) { return kinds.substr(0, kFigures * sizeof(std::int64_t)); }

 private:
  static constexpr std::size_t kFigures = 8;
  CheckMemory& memory_;
  std::string name_;
};

/// Those who are not asked for it in a network that is fast.
bool harms_on_purpose(const std::string& kinds) { return kinds.find("netem") != std::string::npos; }

struct Growth {
  std::int64_t drops = 0, packets = 0;
  double overlimits_per_s = 0;
};

Growth growth_of(const std::string& nic, const NicQdiscs& now, CheckMemory& memory) {
  const auto more = [&](const char* what, std::int64_t value) {
    return memory.growth(fmt::format("{} {}", nic, what), value).value_or(0);
  };
  Growth growth{.drops = std::max(more("root drops", now.root.drops), more("leaf drops", now.dropped_by_leaves)),
                .packets = more("packets", now.root.sent_packets)};
  const std::int64_t overlimits = more("overlimits", now.overlimits);
  // At the end of a block a reading comes milliseconds after the one before it.
  const std::int64_t elapsed_ns = std::max(kNsPerS, memory.elapsed_ns().value_or(0));
  growth.overlimits_per_s =
      static_cast<double>(overlimits) * static_cast<double>(kNsPerS) / static_cast<double>(elapsed_ns);
  return growth;
}

Outcome outcome_of(const std::string& nic, const NicQdiscs& now, const CheckInput& input) {
  KindsBefore before(input.memory, nic);
  const std::string was = before.find(), is = KindsBefore::shortened(now.kinds);
  if (was.empty()) before.keep(is);
  const Growth growth = growth_of(nic, now, input.memory);
  const std::int64_t all = growth.drops + growth.packets;
  const double share = all > 0 ? static_cast<double>(growth.drops) / static_cast<double>(all) : 0;
  const bool signals = std::any_of(kSignallingKinds.begin(), kSignallingKinds.end(),
                                   [&](std::string_view kind) { return now.kinds.find(kind) != std::string::npos; });
  const double limit = input.params.number("drops") * (signals ? kSignalling : 1);

  Outcome outcome{.severity = Severity::ok, .subject = nic, .value = share, .unit = "share", .detail = printable(is)};
  const auto alarm = [&](const std::string& what) {
    outcome.severity = Severity::warning;
    outcome.detail += "; " + what;
    outcome.hint = fmt::format("tc -s qdisc show dev {}: who put it there?", nic);
  };
  if (!was.empty() && was != is)
    alarm(fmt::format("was {}", printable(was)));
  else if (harms_on_purpose(is))
    alarm("delays or loses packets on purpose");
  if (growth.drops >= kFewestDrops && judge_at_least(share, limit, 0) != Severity::ok)
    alarm(fmt::format("dropped {} of {} packets", growth.drops, all));
  if (judge_at_least(growth.overlimits_per_s, input.params.number("overlimits"), 0) != Severity::ok)
    alarm(fmt::format("held {:.0f} packets a second back for their rate", growth.overlimits_per_s));
  return outcome;
}

Result<std::vector<Outcome>> read(const CheckInput& input) {
  GRIT_TRY(const std::vector<Nic> nics, chosen_nics_and_lower(input.node, input.params));
  if (nics.empty()) return std::vector{not_here("no data NIC")};
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(Tc tc, Tc::open());
  GRIT_TRY(const std::vector<TcCounted> qdiscs, tc.counted());
  std::vector<Outcome> outcomes;
  for (const Nic& nic : nics) {
    GRIT_TRY(const auto link, netlink.find_link(nic.name));
    if (!link)
      outcomes.push_back({.subject = nic.name, .detail = "is gone"});
    else if (const NicQdiscs now = qdiscs_of(link->ifindex, qdiscs); now.kinds.empty() || now.kinds == "noop")
      outcomes.push_back({.severity = Severity::ok, .subject = nic.name, .detail = "has no qdisc: it was never up"});
    else
      outcomes.push_back(outcome_of(nic.name, now, input));
  }
  return outcomes;
}

}  // namespace

const Check& qdisc_drops() {
  static const Check check{
      .info = {.name = "qdisc_drops",
               .summary = "The qdiscs of data NICs drop few packets, hold none back, and are those they were",
               .params = {nic_param(),
                          {"drops", Unit::fraction, 0.001,
                           "share of packets dropped that alarms, of at least 5; ten times as much where the qdisc "
                           "drops as a signal, as fq_codel does (grit's own choice)"},
                          {"overlimits",
                           Unit::number,
                           1,
                           "packets a second that had to wait for their rate (grit's own choice)",
                           {},
                           0.0,
                           {}}},
               .of_links = true,
               .counts = true,
               .trips = "link_rate",
               .proven = "a token bucket in place of a NIC's own queue"},
      .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit
