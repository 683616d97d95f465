#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& link_rate();

}  // namespace grit
