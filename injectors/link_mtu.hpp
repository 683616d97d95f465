#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& link_mtu();

}  // namespace grit
