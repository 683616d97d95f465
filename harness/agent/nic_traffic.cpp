#include "harness/agent/nic_traffic.hpp"

#include <algorithm>
#include <set>

namespace grit {

NicBytes read_nic_bytes(Netlink& netlink, const Node& node) {
  NicBytes all;
  for (const Nic& nic : node.nics) {
    if (nic.role == NicRole::other) continue;
    if (const auto link = netlink.find_link(nic.name); link && *link)
      all[nic.name] = (*link)->traffic.rx_bytes + (*link)->traffic.tx_bytes;
  }
  return all;
}

namespace {

/// Itself, what it stands on, or what stands on it.
bool has_rdma(const Node& node, const std::string& device) {
  return std::any_of(node.nics.begin(), node.nics.end(),
                     [&](const Nic& nic) { return nic.rdma && are_one(node, nic.name, device); });
}

}  // namespace

std::vector<IdleNic> idle_nics(const Plan& plan, int node, const NicBytes& before, const NicBytes& after) {
  constexpr std::int64_t kLeastTraffic_bytes = 1'000'000;
  constexpr std::int64_t kIdleShare = 100;  // one in so many bytes
  NicBytes carried;
  std::int64_t all_bytes = 0;
  for (const auto& [nic, bytes] : after)
    if (const auto then = before.find(nic); then != before.end() && bytes >= then->second)
      all_bytes += carried[nic] = bytes - then->second;
  if (all_bytes < kLeastTraffic_bytes) return {};
  const Node& here = plan.topology.nodes.at(static_cast<std::size_t>(node));
  std::set<std::string> devices;
  for (const PlannedFault& fault : plan.faults)
    if (fault.node == node && !has_rdma(here, fault.device)) devices.insert(fault.device);
  std::vector<IdleNic> idle;
  for (const auto& [nic, bytes] : carried)
    if (devices.contains(nic) && bytes < all_bytes / kIdleShare) idle.push_back({nic, bytes, all_bytes});
  return idle;
}

}  // namespace grit
