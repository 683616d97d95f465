#pragma once

#include "harness/health/check.hpp"

namespace grit {

const Check& link_up();

}  // namespace grit
