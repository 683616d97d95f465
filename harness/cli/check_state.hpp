// What `grit check --state FILE` keeps from call to call: what the node was, and what its checks counted.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/model/topology.hpp"

namespace grit {

struct CheckState {
  std::optional<Node> node{};    // none: written by a version that kept none
  std::string boot{};            // of which `t_ns` and the counters are
  std::int64_t t_ns = 0;         // CLOCK_MONOTONIC
  Json checks = Json::object();  // CheckMemory::to_json() by label
};

/// Of an earlier call on this node. Nothing: there is no file, or an empty one. Error (usage): there is one that cannot
/// be read, is none of grit check, is of a newer grit or of another node; it must then not be written to.
Result<std::optional<CheckState>> read_check_state(const std::filesystem::path& file, const std::string& node);
Status write_check_state(const std::filesystem::path& file, const CheckState& state);

/// The node as it should be: as it is `now`, but with what it had before and what nobody takes away without a reason.
/// A NIC that was a data NIC stays one when it is gone, down or without its addresses, and so does one that management
/// traffic went over; a bond's port that is down stays one that was up. Of one that is still there the MTU and driver
/// are the earlier ones, and the highest speed. An address may be another one, as DHCP and privacy extensions make
/// them, as long as there is one of its family. A NIC is the same by its PCI and hardware addresses, else by its name,
/// which a reboot may change; one that is gone and whose name another one has got is called "was-eth0".
Node expected_node(const Node& before, const Node& now);

/// Is one of the node's NICs, by name, not what is expected of it?
bool contradicts(const Node& expected, const Node& now, const std::string& nic);

}  // namespace grit
