// Which CPUs of a node a fault's parameter `cores` means; for all faults that put work on CPUs.
#pragma once

#include "harness/os/cpus.hpp"
#include "injectors/injector.hpp"

namespace grit {

/// The parameter itself: "rank", "all" or a list.
ParamSpec cores_param();

/// The CPUs meant. Error (usage): there are no such ones here.
Result<Cpus> chosen_cores(const Target& target);

}  // namespace grit
