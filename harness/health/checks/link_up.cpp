// link_up: the node's data NICs are up, have a carrier and still have the addresses they had before the run.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/chosen_nics.hpp"
#include "harness/os/netlink.hpp"

namespace grit {
namespace {

std::vector<std::string> missing_addresses(const Nic& before, const std::vector<Address>& now) {
  std::vector<std::string> missing;
  for (const std::string& address : before.addresses) {
    const bool there = std::any_of(now.begin(), now.end(), [&](const Address& one) {
      return fmt::format("{}/{}", one.local, one.prefix) == address;
    });
    if (!there) missing.push_back(address);
  }
  return missing;
}

/// What is wrong with one NIC; empty when nothing is.
Result<std::string> find_fault(Netlink& netlink, const Nic& nic) {
  GRIT_TRY(const auto link, netlink.find_link(nic.name));
  if (!link) return std::string("is gone");
  if (!link->up()) return std::string("is down");
  if (!link->carrier) return std::string("has no carrier");
  GRIT_TRY(const auto addresses, netlink.addresses(link->ifindex));
  const auto missing = missing_addresses(nic, addresses);
  if (missing.empty()) return std::string();
  return fmt::format("has lost {}", fmt::join(missing, ", "));
}

Result<std::vector<Outcome>> read(const CheckInput& input) {
  GRIT_TRY(const std::vector<Nic> nics, chosen_nics(input.node, input.params));
  if (nics.empty()) return std::vector{not_here("no data NIC")};
  GRIT_TRY(Netlink netlink, Netlink::open());
  std::vector<Outcome> outcomes;
  for (const Nic& nic : nics) {
    GRIT_TRY(const std::string fault, find_fault(netlink, nic));
    if (fault.empty())
      outcomes.push_back(
          {.severity = Severity::ok, .subject = nic.name, .detail = "is up, with carrier and addresses"});
    else
      outcomes.push_back({.severity = Severity::critical,
                          .subject = nic.name,
                          .detail = fault,
                          .hint = fmt::format("ip addr show dev {}", nic.name)});
  }
  return outcomes;
}

}  // namespace

const Check& link_up() {
  static const Check check{.info = {.name = "link_up",
                                    .summary = "Data NICs are up, have a carrier and still have their addresses",
                                    .params = {nic_param()},
                                    .of_links = true,
                                    .period_ns = kNsPerS / 2,
                                    .trips = "link_down",
                                    .proven = "the other end of a link set down"},
                           .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit
