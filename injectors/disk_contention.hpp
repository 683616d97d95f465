#pragma once

#include "injectors/injector.hpp"

namespace grit {

const Injector& disk_contention();

}  // namespace grit
