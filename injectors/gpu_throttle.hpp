#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& gpu_throttle();

}  // namespace grit
