// What the guard rails ask about planned faults, answered from the injectors themselves.
#pragma once

#include "harness/model/guard_rails.hpp"

namespace grit {

/// A fault that this grit does not know has none; FaultWindows::check_available() refuses it.
FaultTraits fault_traits(const Topology& topology, const PlannedFault& fault);

/// guard_rails() with these, whatever the plan itself says in Plan::guards.
std::vector<Guard> guard_rails(const Plan& plan);

}  // namespace grit
