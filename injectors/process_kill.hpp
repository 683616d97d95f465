#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& process_kill();

}  // namespace grit
