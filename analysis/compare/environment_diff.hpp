// How the machines of two days differ, by env/nodeN.json, the most suspicious difference first.
//
// The order is a judgement, not a measurement: first what changes all that is below it (another machine, another
// kernel), then what sits in a step's path and changes unnoticed with an update (drivers, firmware), then what sets the
// pace of compute and network (clock, kernel settings, NIC settings), then limits, libraries, variables, and last what
// nobody knows to matter. Within a kind, what is different on fewer nodes comes first when a step waits for the
// slowest: one odd node is enough.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "harness/base/json.hpp"

namespace grit {

struct EnvironmentDifference {
  std::size_t suspicion = 0;  // place of its kind in the order; 0 is the most suspicious
  std::string kind{};         // "kernel", "NIC setting" ...
  std::string why{};          // why a difference of this kind is where it is in the order
  std::string what{};         // "nics.eth0.mtu_bytes"
  std::string before{};       // values, each once; "absent" for a device or variable that was not there
  std::string after{};
  std::vector<int> nodes{};  // on which it is the same difference
  bool all_nodes = false;
  bool separates = true;  // no value is found on both sides: false when it varied between the runs of one side, too
};

/// The environments of one run: node -> env/nodeN.json.
using Environments = std::map<int, Json>;

struct EnvironmentComparison {
  std::vector<EnvironmentDifference> differences{};
  std::vector<std::string> unknown{};  // facts that only one side recorded (another version of grit)
  int nodes = 0;                       // that both sides describe
};

/// Left out: what differs always (job and process numbers, ports, virtual NICs of other containers), and memory sizes
/// that differ by less than 1 %. Never fails: a value of an unexpected type is compared as text.
EnvironmentComparison compare_environments(std::span<const Environments> before, std::span<const Environments> after);

Json to_json(const EnvironmentComparison& environment);

}  // namespace grit
