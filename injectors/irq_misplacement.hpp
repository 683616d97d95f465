#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& irq_misplacement();

}  // namespace grit
