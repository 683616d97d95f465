// How many descriptors this process may have.
#pragma once

#include <cstddef>

#include "harness/base/result.hpp"

namespace grit {

/// Raises the soft limit of open files (RLIMIT_NOFILE) to the hard one. Error (unavailable): fewer than `needed` remain
/// allowed; says how to allow more.
Status allow_open_files(std::size_t needed);

}  // namespace grit
