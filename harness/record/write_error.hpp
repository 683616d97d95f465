// Why something cannot be written, in words that say what to do about it.
#pragma once

#include <string_view>

#include "harness/base/result.hpp"

namespace grit {

/// "WHAT: the disk is full; free some space ...", by errno. Error (unavailable) when the machine is the cause (no
/// space, quota, read-only, no permission, size limit), internal otherwise.
[[nodiscard]] Failure write_error(std::string_view what, int error_number);

}  // namespace grit
