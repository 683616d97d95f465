// A text file that is written piece by piece, for what is too large to be made in memory first.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// Written beside its place and moved there by commit(): a reader sees the old file or the whole new one.
class TextFile {
 public:
  /// Error (internal): it cannot be made there.
  static Result<TextFile> create(std::filesystem::path path);
  TextFile(TextFile&&) = default;
  TextFile& operator=(TextFile&&) = default;
  ~TextFile();

  /// A write that fails is told by commit().
  void add(std::string_view text);
  [[nodiscard]] bool failed() const { return !status_; }
  /// Error (internal): not all of it could be written; nothing is left then.
  Status commit();
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  TextFile() = default;
  void flush();
  std::filesystem::path path_{}, temporary_{};
  Fd fd_{};
  std::string buffer_{};
  std::uint64_t bytes_ = 0;
  Status status_{};
};

}  // namespace grit
