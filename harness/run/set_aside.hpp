// A run that was cut off makes room for itself.
#pragma once

#include <filesystem>

#include "harness/base/result.hpp"

namespace grit {

/// Renames the directory to "<its name>.cut-off-1" (2, 3 ...), out of the way of the same run once more; what there is
/// of it is kept. Nothing, when there is none. Error (internal): it cannot be renamed.
Status set_aside(const std::filesystem::path& directory);

/// Is it one that set_aside() has renamed? By its name.
bool is_set_aside(const std::filesystem::path& directory);

}  // namespace grit
