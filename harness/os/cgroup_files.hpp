// Where control groups are mounted and how their files are read and written.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "harness/os/cgroup.hpp"

namespace grit::cgroup_files {

/// The group of a process in the hierarchy that has the cpu controller (version 1) or in the unified one (version 2).
/// Error (unavailable): it is not mounted here.
Result<std::string> group_of(CgroupVersion version, pid_t pid);
/// Its directory, by mountinfo (proc_pid_mountinfo(5)). Error (unavailable): it is not mounted here.
Result<std::filesystem::path> directory_of(CgroupVersion version, const std::string& group);

/// The directories of the control groups that a process is in, in the hierarchy with this controller (version 1) or in
/// the unified one (version 2): its own, then each above it up to the top of what is mounted here. A limit of any of
/// them holds for the process. `cgroup` and `mountinfo` are the contents of /proc/PID/cgroup and /proc/self/mountinfo.
/// Empty: not mounted here.
std::vector<std::filesystem::path> own_and_above(CgroupVersion version, std::string_view controller,
                                                 const std::string& cgroup, const std::string& mountinfo);

/// Moves the calling process into the control groups that `pid` is in, in every hierarchy in which it is in another one
/// and that is mounted here. Best effort: one that does not let it in (no right, a threaded group of version 2) is
/// passed over. /proc and what is mounted must show both processes' groups alike.
void follow_into_groups_of(pid_t pid);

Status write_setting(const std::filesystem::path& file, std::string_view value);
/// A word between blanks.
bool has_word(std::string_view text, std::string_view word);
/// At the start of a text; 0: there is none.
std::int64_t number(std::string_view text);
/// Of the line "KEY VALUE"; 0: there is none.
std::int64_t value_of(std::string_view text, std::string_view key);

}  // namespace grit::cgroup_files
