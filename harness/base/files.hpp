// Whole-file reads and durable writes.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// The whole of a regular, /proc or /sys file. Error: cannot be opened or read, or larger than max_bytes.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes = std::size_t{1} << 30);

/// open(2) for a file that is to be written where others may have been before: neither it nor its directory may be a
/// symbolic link, and it must be a regular file with one name. Without a descriptor, errno says why: ELOOP, a link;
/// EPERM, no such file; else as open(2).
Fd open_plain_file(const std::filesystem::path& path, int flags, unsigned mode = 0644);

/// Replaces a file so that a reader sees the old or the new bytes, never a part: temporary file, fsync, rename, fsync
/// of the directory. `mode`: its permissions, whatever the umask; none: 0644 less the umask. Error: no space,
/// read-only, no permission; the old file is then untouched.
Status write_file_durably(const std::filesystem::path& path, std::string_view bytes, std::optional<unsigned> mode = {});

/// Writes all bytes to a descriptor, going on after EINTR and short writes.
Status write_all(int fd, std::string_view bytes);

/// Flushes a directory's entries to disk, so that files just made in it survive a crash.
Status sync_directory(const std::filesystem::path& directory);

}  // namespace grit
