// A file of the run directory, mapped to be read.
#pragma once

#include <string_view>

#include "harness/base/result.hpp"

namespace grit {

/// The first bytes of a file, mapped read-only: they lie in the page cache, not in this process's own memory, and the
/// kernel drops their pages as it needs room; a file larger than the machine's memory can be read.
///
/// If another program cuts the file short meanwhile, touching what is gone raises SIGBUS (mmap(2)); unless the process
/// handles that signal itself, it ends with a line saying so.
class MappedFile {
 public:
  MappedFile() = default;  // no bytes
  static Result<MappedFile> map(int fd, std::size_t bytes);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  [[nodiscard]] std::string_view bytes() const { return {static_cast<const char*>(base_), bytes_}; }

 private:
  void* base_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace grit
