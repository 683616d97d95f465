// link_up: the node's data NICs are up, have a carrier and still have the addresses they had before the run.
#include "harness/health/link_up.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/health/chosen_nics.hpp"

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
  if (!link) return nic.name + " is gone";
  if (!link->up()) return nic.name + " is down";
  if (!link->carrier) return nic.name + " has no carrier";
  GRIT_TRY(const auto addresses, netlink.addresses(link->ifindex));
  const auto missing = missing_addresses(nic, addresses);
  if (missing.empty()) return std::string();
  return fmt::format("{} has lost {}", nic.name, fmt::join(missing, ", "));
}

class LinkUp final : public Check {
 public:
  [[nodiscard]] const CheckInfo& info() const override {
    static const CheckInfo info{.name = "link_up",
                                .summary = "Data NICs are up, have a carrier and still have their addresses",
                                .params = {nic_param()},
                                .of_links = true};
    return info;
  }

  [[nodiscard]] Status fits(const Node& node, const Params& params) const override {
    return has_named_nic(node, params);
  }

  [[nodiscard]] Result<CheckOutcome> run(const Node& node, const Params& params, CheckMemory& /*memory*/,
                                         Netlink& netlink) const override {
    GRIT_TRY(const std::vector<Nic> nics, chosen_nics(node, params));
    std::vector<std::string> names, faults;
    for (const Nic& nic : nics) {
      names.push_back(nic.name);
      GRIT_TRY(std::string fault, find_fault(netlink, nic));
      if (!fault.empty()) faults.push_back(std::move(fault));
    }
    if (faults.empty())
      return CheckOutcome{true, fmt::format("{} up with carrier and addresses", fmt::join(names, ", "))};
    return CheckOutcome{false, fmt::format("{}", fmt::join(faults, "; "))};
  }
};

}  // namespace

const Check& link_up() {
  static const LinkUp check;
  return check;
}

}  // namespace grit
