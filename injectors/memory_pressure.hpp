#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& memory_pressure();

}  // namespace grit
