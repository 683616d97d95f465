#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& command();

}  // namespace grit
