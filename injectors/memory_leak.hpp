#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& memory_leak();

}  // namespace grit
