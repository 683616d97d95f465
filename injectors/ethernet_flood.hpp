// Injector "ethernet_flood": see ethernet_flood.cpp.
#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& ethernet_flood();

}  // namespace grit
