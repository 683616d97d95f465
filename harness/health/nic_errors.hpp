#pragma once

#include "harness/health/check.hpp"

namespace grit {

const Check& nic_errors();

}  // namespace grit
