#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& process_pause();

}  // namespace grit
