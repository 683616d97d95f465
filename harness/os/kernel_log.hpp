// The kernel's log (/dev/kmsg, Documentation/ABI/testing/dev-kmsg): writing a line, and reading it back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

struct KernelLine {
  int level = 0;  // 0 (emergency) to 7 (debug)
  std::int64_t number = 0;
  std::string text{};  // without the line end and without the further lines of a dictionary
};

/// Follows the log from when it is opened.
class KernelLogReader {
 public:
  /// Error (unavailable): may not be read (sysctl kernel.dmesg_restrict, CAP_SYSLOG, no device in a container).
  static Result<KernelLogReader> open();

  /// Readable when there is a line.
  [[nodiscard]] int descriptor() const { return fd_.get(); }
  /// The next line; nothing when there is none yet. Lines that the kernel dropped before they were read are passed
  /// over.
  Result<std::optional<KernelLine>> next();

 private:
  explicit KernelLogReader(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

class KernelLog {
 public:
  /// Reads from here on. Error (unavailable): may not be written or read; says why and what would help.
  static Result<KernelLog> open();

  /// One line; `level` is 0 (emergency) to 7 (debug). Error: the kernel did not take it.
  Status write(int level, const std::string& line);
  /// The number that the kernel gave the first line since the last call that is just this one; nothing when there is
  /// none.
  Result<std::optional<std::int64_t>> find(const std::string& line);

 private:
  KernelLog(Fd writer, KernelLogReader reader) : writer_(std::move(writer)), reader_(std::move(reader)) {}
  Fd writer_;
  KernelLogReader reader_;
};

}  // namespace grit
