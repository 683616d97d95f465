#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& rank_delay();

}  // namespace grit
