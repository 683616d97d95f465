// The kernels of the CUDA module, as the host does them.
#pragma once

#include <map>
#include <string>

#include "tests/fakes/cuda/runtime/link.hpp"

namespace grit::fake {

/// By name, as grit_fake_add_kernel() has it.
std::map<std::string, HostKernel> host_kernels();

}  // namespace grit::fake
