// Room on a file system, and files on it that have no name: the kernel takes them away with their last descriptor.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

struct DiskSpace {
  std::int64_t total_bytes = 0;
  std::int64_t available_bytes = 0;  // to this user
};

Result<DiskSpace> disk_space(const std::string& directory);

/// Why what is written there reaches no disk (tmpfs and the like); nothing when it does.
std::optional<std::string> why_no_disk(const std::string& directory);

/// A file without a name (open(2), O_TMPFILE) for reading and writing; `direct`: past the page cache. Error
/// (unavailable): says why, and what would help.
Result<Fd> open_unnamed_file(const std::string& directory, bool direct);

}  // namespace grit
