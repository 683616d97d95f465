// Where control groups are mounted and how their files are read and written; for harness/os/cgroup.cpp.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "harness/os/cgroup.hpp"

namespace grit::cgroup_files {

/// The group of a process in the hierarchy that has the cpu controller (version 1) or in the unified one (version 2).
/// Error (unavailable): it is not mounted here.
Result<std::string> group_of(CgroupVersion version, pid_t pid);
/// Its directory, by mountinfo (proc_pid_mountinfo(5)). Error (unavailable): it is not mounted here.
Result<std::filesystem::path> directory_of(CgroupVersion version, const std::string& group);

Status write_setting(const std::filesystem::path& file, std::string_view value);
/// A word between blanks.
bool has_word(std::string_view text, std::string_view word);
/// At the start of a text; 0: there is none.
std::int64_t number(std::string_view text);
/// Of the line "KEY VALUE"; 0: there is none.
std::int64_t value_of(std::string_view text, std::string_view key);

}  // namespace grit::cgroup_files
