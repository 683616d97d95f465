// One command of the user's in a shell, with a time limit.
#pragma once

#include <cstdint>
#include <string>

#include "harness/base/result.hpp"

namespace grit {

struct ShellResult {
  int status = 0;        // its exit status, or 128 + the signal that ended it
  std::string output{};  // standard output and standard error, the first 4 KiB
};

/// /bin/sh -c COMMAND, in a process group of its own, without standard input. When the time is up the whole group is
/// killed: error (internal). The shell dies with the thread that asked for it.
Result<ShellResult> run_in_shell(const std::string& command, std::int64_t limit_ns);

}  // namespace grit
