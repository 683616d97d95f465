// How often something was counted within a minute, whatever the time between two readings is.
#pragma once

#include <string>

#include "harness/health/check_memory.hpp"

namespace grit {

/// What came within the minute that is under way, from the first of it on; of readings further apart than a minute, the
/// average. 0 at the first reading, and when the counter was started anew. Keeps its figures under the counter's name.
double count_per_minute(CheckMemory& memory, const std::string& counter, std::int64_t now);

}  // namespace grit
