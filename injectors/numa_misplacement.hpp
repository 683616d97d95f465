#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& numa_misplacement();

}  // namespace grit
