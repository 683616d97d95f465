// Files that only one user can have written: what an undo journal must be before anything in it is acted upon, and a
// lock before it is taken for one.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// Makes a directory and its missing parents, mode 0700, and syncs them to disk. One that exists is left as it is.
/// Error (unavailable): it cannot be made; says what to do.
Status make_private_directory(const std::filesystem::path& directory);

/// Error (usage): not a directory (or a symlink), owned by neither `owner` nor root, or writable by others.
Result<Fd> open_private_directory(const std::filesystem::path& directory, uid_t owner);

/// Opens an existing file of the directory. Never follows a symlink, never blocks.
/// Error (usage): it is not a regular file with one name, not owned by `owner`, or writable by others. `path` is for
/// messages.
Result<Fd> open_private_file(const Fd& directory, const std::filesystem::path& path, int flags, uid_t owner);

/// All that a descriptor has from its start. Error: more than max_bytes, or it cannot be read.
Result<std::string> read_all(int fd, std::size_t max_bytes);

}  // namespace grit
