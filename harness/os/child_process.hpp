// A program of somebody else's, whatever it does: hangs, crashes, prints without end, leaves processes behind.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// What a shell says of a program that it cannot run (POSIX.1-2017, Shell Command Language, 2.8.2).
inline constexpr int kCannotRun = 126, kNotFound = 127;

/// Of a line for a shell that a scenario gives; grit's own choice.
inline constexpr std::size_t kMaxCommand_bytes = 4096;
/// Not longer than that, and without any control character.
bool is_one_line(std::string_view text);

struct ChildCommand {
  std::vector<std::string> argv{};         // the first is its path: it is not looked for
  std::vector<std::string> environment{};  // "NAME=value"; it has nothing else
  /// When this descriptor becomes readable, or its other end is closed, everything is killed at once. -1: there is
  /// none.
  int stop_fd = -1;
  std::string directory = "/";
};

enum class ChildEnd {
  exited,
  signalled,
  timed_out,  // it was killed
  flooded,    // killed, for it printed more than 1 MiB
  stopped,    // killed, since stop_fd said so
  stuck       // it or one that it started was killed and lives: it waits in the kernel, for a disk or a server
};

struct ChildResult {
  ChildEnd end = ChildEnd::exited;
  int status = 0;               // exited: its exit status; signalled: the signal
  std::string output{};         // standard output, the first 8 KiB
  std::string errors{};         // standard error, the first 1 KiB
  std::int64_t cpu_ns = 0;      // its own and of those it waited for; 0 when it did not end in time
  bool left_processes = false;  // it ended and left others, which were killed and have ended
  pid_t stuck_pid = -1;         // one that lives
};

/// Runs it in a session of its own, without standard input, with every signal as by default and no descriptor
/// of ours. After `limit_ns` every process of its session, of whatever process group, gets a SIGTERM, and half a second
/// later a SIGKILL; the call returns a quarter of a second after that, and only where one of them is not given a CPU to
/// die on up to 2 s later. Everything that it started is
/// killed when it has ended, also what went into a session of its own, for which this process becomes a child subreaper
/// (prctl(2)) and takes every other child of its own for a leftover: only for a process that has no children but by
/// this function. When this process is killed meanwhile, so is every process of the session; what left the session then
/// goes to the next subreaper.
///
/// run_in_shell() is for the commands of a fault, which may leave something running, have the user's environment, and
/// are run by threads of a process with children of its own.
///
/// Error (internal): it cannot be started, and why.
Result<ChildResult> run_child(const ChildCommand& command, std::int64_t limit_ns);

/// For a program of the site's: of grit's own environment what tells it whose it is and the time zone, and nothing of a
/// launcher or a library, since a program that calls srun or mpirun would act on the job. In the locale C, for the sake
/// of what it prints.
std::vector<std::string> plain_environment();

class Sentinel;

/// A program beside this process, as run_child() starts one, that says nothing to anybody: what it prints is thrown
/// away. It is killed with what else is in its session when this object goes, or this process does; itself also when
/// this thread does.
class CompanionProgram {
 public:
  /// Error (internal): it cannot be started, and why.
  static Result<CompanionProgram> start(const ChildCommand& command);
  CompanionProgram(CompanionProgram&& other) noexcept;
  CompanionProgram& operator=(CompanionProgram&& other) noexcept;
  ~CompanionProgram();

  /// How it ended: "ended with exit status 1"; empty: it runs.
  std::string end();

 private:
  explicit CompanionProgram(pid_t pid);

  pid_t pid_;
  std::unique_ptr<Sentinel> sentinel_;
  std::string end_{};
};

/// After one that was stuck: kills what is left of it once more, which takes a tenth of a second at most, and returns a
/// process that still lives; -1: all have ended, and another can be started.
pid_t still_stuck();

}  // namespace grit
