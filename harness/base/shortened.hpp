// What somebody typed, in a message about it.
#pragma once

#include <string>
#include <string_view>

namespace grit {

/// The text itself up to 60 bytes; else its first 60, whole characters of UTF-8, and how long it is:
/// "AAAA... (1048576 bytes)". Messages that repeat a value from the command line or from a scenario use it, so that
/// they can be read whatever was typed. Paths are not shortened: one must be able to find the file.
std::string shortened(std::string_view text);

}  // namespace grit
