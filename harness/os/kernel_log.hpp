// The kernel's log (/dev/kmsg, Documentation/ABI/testing/dev-kmsg): writing a line, and reading it back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

struct KernelLine {
  int level = 0;               // 0 (emergency) to 7 (debug)
  std::int64_t number = 0;     // one more than the last line's; a gap: lines were dropped before they were read
  std::string text{};          // without the line end and without the further lines of a dictionary
  bool of_kernel = false;      // facility 0, which the kernel does not let a program write
  std::int64_t logged_ns = 0;  // since boot, by a clock of the log's own that nobody corrects
  std::string device{};        // of the dictionary: "+pci:0000:3b:00.0"; empty: it names none
};

/// As a read of the device gives it: "priority,number,µs,flags;text\n", then lines that begin with a blank. Nothing: it
/// is not that.
std::optional<KernelLine> parse_kernel_record(std::string_view record);

/// Follows the log.
class KernelLogReader {
 public:
  enum class From {
    end,    // what is logged from now on
    oldest  // all that the kernel still has
  };
  /// Error (unavailable): may not be read (sysctl kernel.dmesg_restrict, CAP_SYSLOG, no device in a container).
  static Result<KernelLogReader> open(From from = From::end);

  /// Readable when there is a line.
  [[nodiscard]] int descriptor() const { return fd_.get(); }
  /// The next line; nothing when there is none yet. Lines that the kernel dropped before they were read are passed
  /// over.
  Result<std::optional<KernelLine>> next();
  /// What was logged and not read yet is passed over.
  Status skip_to_end();

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
