#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& partition();

}  // namespace grit
