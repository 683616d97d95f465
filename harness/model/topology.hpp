// The machines a run uses, as discovery found them.
#pragma once

#include <string>
#include <vector>

#include "harness/base/json.hpp"

namespace grit {

enum class NicRole { data, management, other };

struct Nic {
  std::string name;
  int ifindex = 0;
  std::string mac{};
  std::string driver{};               // "veth", "mlx5_core" ...; empty when the kernel names none
  std::int64_t speed_bits_per_s = 0;  // 0: not reported by the driver
  std::int64_t mtu_bytes = 0;
  bool up = false;
  std::vector<std::string> addresses{};  // "10.77.1.1/24", IPv4 and IPv6
  NicRole role = NicRole::other;
  std::string role_evidence{};  // why: "carries the default route", "carries the run directory's mount" ...
};

struct Node {
  int index = 0;
  std::string name{};
  std::vector<int> ranks{};
  int cores = 0;
  int numa_nodes = 0;
  std::int64_t memory_bytes = 0;
  std::string cpu_model{};
  std::string kernel{};
  std::vector<Nic> nics{};
};

struct Topology {
  std::vector<Node> nodes{};
  bool local_cluster = false;  // namespaces of one machine, made by grit
};

/// Error (usage): "node1 has no NIC called ib7: eth0 (data: ...), ...", or no data NIC where `nic` is "data".
[[nodiscard]] Failure no_such_nic(const Node& node, const std::string& nic);

Json to_json(const Node& node);
Result<Node> node_from_json(const Json& json);
Json to_json(const Topology& topology);
Result<Topology> topology_from_json(const Json& json);

}  // namespace grit
