#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& cpu_contention();

}  // namespace grit
