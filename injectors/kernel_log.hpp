#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& kernel_log();

}  // namespace grit
