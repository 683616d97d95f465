#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "harness/cluster/discovery.hpp"
#include "harness/cluster/job_nics.hpp"
#include "harness/cluster/layout.hpp"
#include "harness/cluster/local.hpp"
#include "harness/cluster/nic_roles.hpp"
#include "harness/cluster/node_gpus.hpp"
#include "harness/cluster/switch.hpp"

namespace grit {
namespace {

constexpr std::int64_t kVethSpeed_bits_per_s =
    10'000'000'000;  // what the kernel's veth driver reports, whatever it carries
constexpr std::int64_t kVethMtu_bytes = 1500;
constexpr std::int64_t kMemoryOfNode_bytes = std::int64_t{512} << 20;

Nic local_nic(const char* name, int ifindex, std::string mac, std::vector<std::string> addresses) {
  Nic nic;
  nic.name = name;
  nic.ifindex = ifindex;
  nic.mac = std::move(mac);
  nic.driver = "veth";
  nic.duplex = "full";  // as that driver says, too
  nic.speed_bits_per_s = kVethSpeed_bits_per_s;
  nic.mtu_bytes = kVethMtu_bytes;
  nic.up = true;
  nic.addresses = std::move(addresses);
  return nic;
}

Node local_node(const Node& machine, int index, int ranks) {
  Node node = machine;
  node.index = index;
  node.name = layout::node_name(index);
  node.ranks.clear();
  for (int rank = index * ranks; rank < (index + 1) * ranks; ++rank) node.ranks.push_back(rank);
  std::vector<std::string> data{layout::data_address(index) + "/24"};
  if (ipv6_available()) data.push_back(layout::data_address_v6(index) + "/64");
  node.nics = {local_nic(layout::kDataNic, layout::kDataIfindex, layout::data_mac(index), std::move(data)),
               local_nic(layout::kManagementNic, layout::kManagementIfindex, layout::management_mac(index),
                         {layout::management_address(index) + "/24"})};
  // The rules of discovery, with what the launch line will say.
  RoleHints hints;
  hints.environment["OMPI_MCA_oob_tcp_if_include"] = layout::kManagementNetwork;
  hints.environment["OMPI_MCA_btl_tcp_if_include"] = layout::kDataNetwork;
  assign_roles(node.nics, hints);
  mark_job_nics(node.nics, hints.environment);
  return node;
}

}  // namespace

int default_local_nodes() {
  const Node machine = describe_machine();
  const auto by_memory = static_cast<int>(std::min<std::int64_t>(machine.memory_bytes / kMemoryOfNode_bytes, 8));
  return std::clamp(std::min(2 * machine.cores, by_memory), kMinLocalNodes, 8);
}

Topology local_topology(int nodes, int ranks_per_node) {
  Node machine = describe_machine();
  describe_gpus(machine);  // its nodes share them
  Topology topology;
  topology.local_cluster = true;
  for (int index = 0; index < nodes; ++index) topology.nodes.push_back(local_node(machine, index, ranks_per_node));
  return topology;
}

bool in_local_cluster() {
  const char* value = std::getenv("GRIT_LOCAL_CLUSTER");
  return value != nullptr && std::string_view(value) == "1";
}

}  // namespace grit
