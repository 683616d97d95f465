// Which ranks of a node a fault's parameter `rank` means; for all faults that act on processes or in a rank's shared
// memory.
#pragma once

#include <string>
#include <vector>

#include "harness/model/params.hpp"
#include "harness/os/process.hpp"
#include "harness/record/segment.hpp"
#include "injectors/injector.hpp"

namespace grit {

/// The parameter itself: "0" is the node's first rank; "all".
ParamSpec rank_param(std::string default_value = "all");

/// The processes meant. Error (usage): there is no such rank on the node, or it has ended.
Result<std::vector<ProcessIdentity>> chosen_ranks(const Target& target);

Json to_json(const std::vector<ProcessIdentity>& processes);
Result<std::vector<ProcessIdentity>> processes_from_json(const Json& list);

/// The shared memory of a rank's node, and its own slot there; `slot` points into `segment`.
struct RankMemory {
  Segment segment;
  RankSlot* slot;
};
/// Empty: that process has ended, and what was set there with it.
Result<std::optional<RankMemory>> rank_memory(const ProcessIdentity& rank);

}  // namespace grit
