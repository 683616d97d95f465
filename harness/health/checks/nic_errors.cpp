// nic_errors: the error counters of the node's data NICs did not grow since the last reading.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/chosen_nics.hpp"
#include "harness/os/netlink.hpp"

namespace grit {
namespace {

/// "rx_crc_errors +12" for every counter of the NIC that grew; remembers them all.
std::vector<std::string> growth(const std::string& nic, const LinkErrors& errors, CheckMemory& memory) {
  std::vector<std::string> grown;
  for (std::size_t i = 0; i < LinkErrors::kNames.size(); ++i) {
    const auto more = memory.growth(fmt::format("{} {}", nic, LinkErrors::kNames[i]), errors.counts[i]);
    if (more.value_or(0) > 0) grown.push_back(fmt::format("{} +{}", LinkErrors::kNames[i], *more));
  }
  return grown;
}

Outcome outcome_of(const std::string& nic, const LinkErrors& errors, CheckMemory& memory) {
  const std::vector<std::string> grown = growth(nic, errors, memory);
  if (grown.empty()) return {.severity = Severity::ok, .subject = nic, .detail = "no new errors"};
  return {.severity = Severity::critical,
          .subject = nic,
          .detail = fmt::format("{}", fmt::join(grown, ", ")),
          .hint = fmt::format("ethtool -S {}", nic)};
}

Result<std::vector<Outcome>> read(const CheckInput& input) {
  GRIT_TRY(const std::vector<Nic> nics, chosen_nics(input.node, input.params));
  if (nics.empty()) return std::vector{not_here("no data NIC")};
  GRIT_TRY(Netlink netlink, Netlink::open());
  std::vector<Outcome> outcomes;
  for (const Nic& nic : nics) {
    GRIT_TRY(const auto link, netlink.find_link(nic.name));
    if (link)
      outcomes.push_back(outcome_of(nic.name, link->errors, input.memory));
    else
      outcomes.push_back({.severity = Severity::critical, .subject = nic.name, .detail = "is gone"});
  }
  return outcomes;
}

}  // namespace

const Check& nic_errors() {
  static const Check check{
      .info = {.name = "nic_errors",
               .summary = "Data NICs count no receive or transmit errors",
               .params = {nic_param()},
               .of_links = true,
               .counts = true,
               .period_ns = kNsPerS / 2,
               .unproven = "no fault here makes a NIC count errors; seen with a VXLAN that nobody can reach"},
      .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit
