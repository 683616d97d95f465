// The machines a run uses, as discovery found them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.hpp"

namespace grit {

enum class NicRole { data, management, other };

/// The RDMA port behind a NIC.
struct RdmaPort {
  std::string device{};  // "mlx5_0"
  int port = 1;
  std::string link_layer{};  // "Ethernet" (RoCE) or "InfiniBand"
};

struct Nic {
  std::string name;
  int ifindex = 0;
  std::string mac{};
  std::string driver{};               // "veth", "mlx5_core" ...; empty when the kernel names none
  std::string firmware{};             // as the driver says it: "28.39.1002 (MT_0000000838)"; empty: it says none
  std::string duplex{};               // "full" or "half"; empty: not reported by the driver
  std::int64_t speed_bits_per_s = 0;  // 0: not reported by the driver
  std::int64_t mtu_bytes = 0;
  bool up = false;
  std::vector<std::string> addresses{};  // "10.77.1.1/24", IPv4 and IPv6
  NicRole role = NicRole::other;
  std::string role_evidence{};     // why: "carries the default route", "carries the mount of the run directory ..." ...
  std::string pci{};               // "0000:81:00.0"; of a bond that of its first port; empty: no PCI device
  int numa_node = -1;              // next to which the PCI device is; -1: not known
  std::optional<RdmaPort> rdma{};  // none: no RDMA device
  std::vector<std::string> lower{};  // what it is stacked on: a bond's ports, the device of a VLAN
  std::string chosen_by{};  // a data NIC that the job is told to use: "UCX_NET_DEVICES=mlx5_2:1"; empty: nobody
                            // says
};

/// A GPU. A figure that the driver does not tell is 0.
struct NodeGpu {
  int index = 0;                                     // the driver's number, as nvidia-smi has it
  std::string uuid{};                                // "GPU-6f1c..."
  std::string name{};                                // "NVIDIA H100 80GB HBM3"
  std::string pci{};                                 // "0000:81:00.0"
  int numa_node = -1;                                // next to which it is; -1: not known
  int pcie_generation = 0, max_pcie_generation = 0;  // now, which is less while it idles; at most, of GPU and slot
  int pcie_lanes = 0, max_pcie_lanes = 0;
  int nvlinks = 0;            // that are up
  bool mig = false;           // it is divided into instances (MIG)
  std::string nearest_nic{};  // the rail with the longest way in common from the root complex on, else of its NUMA
                              // node, else the first; empty: no rail has a PCI address
};

struct Node {
  int index = 0;
  std::string name{};
  std::vector<int> ranks{};
  int cores = 0;
  int numa_nodes = 0;
  std::int64_t memory_bytes = 0;
  std::string cpu_model{};
  std::string microcode{};  // of its first CPU: "0x2b000461"; empty: the kernel shows none
  std::string kernel{};
  std::vector<Nic> nics{};      // those that somebody uses or could: no container's veth, no idle virtual function
  std::vector<NodeGpu> gpus{};  // that answer
  std::string gpu_driver{};     // its version; empty: none is loaded
  std::string gpu_problem{};    // why it does not tell of its GPUs, or what is wrong with one; empty: nothing, or none
};

struct Topology {
  std::vector<Node> nodes{};
  bool local_cluster = false;  // namespaces of one machine, made by grit
};

/// On all nodes.
std::uint32_t rank_count(const Topology& topology);

/// "eth0 (data: is up ...), eno1 (management: carries the default route)", for errors.
std::string describe_nics(const Node& node);

/// Rails: the node's data NICs in the order of their PCI addresses; those without one come last, as they were found.
std::vector<const Nic*> rails(const Node& node);

/// Does one of a node's interfaces stand on the other, directly or by way of others (a VLAN on a bond on its ports)?
bool stands_on(const Node& node, const std::string& upper, const std::string& lower);
/// The same interface, or one stands on the other: what is done to one can be done to both.
bool are_one(const Node& node, const std::string& nic, const std::string& other);

/// What a parameter `nic` names: "data", the data NIC that the job is told to use, else the first rail; "all", every
/// rail; "rail:1", the second one; anything else, the NIC of that name, whatever its role (the guard rails see to
/// that). At least one. Error (usage): there is none; lists the node's NICs with their roles.
Result<std::vector<const Nic*>> choose_nics(const Node& node, const std::string& nic);

Json to_json(const NodeGpu& gpu);
Result<NodeGpu> node_gpu_from_json(const Json& json);
Json to_json(const Node& node);
Result<Node> node_from_json(const Json& json);
Json to_json(const Topology& topology);
Result<Topology> topology_from_json(const Json& json);

}  // namespace grit
