// Entries of a directory that are numbers: the processes in /proc, the threads in /proc/PID/task, "cpu7" ...
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace grit {

/// The numbers behind `prefix`, ascending; entries that are something else left out. None where there is no such
/// directory.
std::vector<int> numbered_entries(const std::filesystem::path& directory, std::string_view prefix = "");

}  // namespace grit
