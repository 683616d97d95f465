// The guard rails: what a plan must not do unless the command line says so. Pure, so that who plans, who
// runs a plan and every agent come to the same answer from the plan alone.
#pragma once

#include <functional>
#include <vector>

#include "harness/model/plan.hpp"

namespace grit {

/// What the guard rails ask about a fault; injectors/traits.hpp answers.
struct FaultTraits {
  bool takes_nic = false;
  bool destructive = false;
  bool runs_commands = false;
  bool changes_gpu_settings = false;
  std::int64_t memory_bytes = 0;  // that it takes from its node at most
};
using TraitsOf = std::function<FaultTraits(const PlannedFault&)>;

/// Nodes that may have a fault at the same time unless --max-victims says otherwise: all of the local cluster, which
/// are namespaces of one machine; 16 real nodes, so that a forgotten `on = "all"` cannot take a whole cluster.
int default_max_victims(const Topology& topology);

/// Memory that faults must leave free unless --free-memory says otherwise: 1 GiB, or 5 % of the machine where that is
/// less. Below that, the kernel's out-of-memory killer chooses victims of its own.
std::int64_t default_free_memory_bytes(std::int64_t total_bytes);

/// The most nodes on which a fault may be in force at one moment of a block. A fault whose moment is not known in
/// advance counts for the whole block.
int victims_at_once(const Plan& plan);

/// What the plan's faults and checks and what is allowed amount to: refused, or let pass by a flag.
std::vector<Guard> guard_rails(const Plan& plan, const TraitsOf& traits_of);

/// Error (usage): names everything that is refused, and the flag that overrides each.
Status check_guards(const std::vector<Guard>& guards);

}  // namespace grit
