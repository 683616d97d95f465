#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& link_delay();

}  // namespace grit
