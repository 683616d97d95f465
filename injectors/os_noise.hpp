#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& os_noise();

}  // namespace grit
