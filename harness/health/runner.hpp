// Health checks as their users see them: a process that has them read, which neither waits for them nor falls with
// them.
//
// The runner is a child of the process that asks (a node's observer, `grit check`). It reads no check itself: those
// that only look at files of the kernel share one reader process, each of the others (CheckPlace::own) has its own. A
// reader that takes longer than the check's limit, or crashes, is ended, the check is unknown, and another reader
// takes over; what its checks counted from is lost. All run at normal priority on the CPUs of the process that asks,
// which for an observer are not the ranks'.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "harness/base/fd.hpp"
#include "harness/health/check.hpp"

namespace grit {

/// What is to be read, and where.
struct CheckJob {
  Node node{};
  std::vector<Node> peers{};     // CheckInput::peers
  std::vector<int> rank_pids{};  // CheckInput::rank_pids
  std::vector<ScenarioPlugin> checks{};
  std::vector<CheckMemory> memories{};  // of an earlier call, one for each check; empty: none
  bool wants_memory = false;            // CheckReading::memory is asked for: it is to be kept for another call
  /// What a check's name stands for; tests have checks of their own.
  const Check* (*find)(std::string_view) = find_check;
};

struct CheckReading {
  std::size_t place = 0;  // in CheckJob::checks
  std::int64_t tag = 0;   // as it was asked for
  std::vector<Outcome> outcomes{};
  std::int64_t began_ns = 0, ended_ns = 0;  // CLOCK_MONOTONIC
  std::int64_t cpu_ns = 0;  // of its process for it, and of programs that it has run and that have ended
  CheckMemory memory{};     // afterwards, with CheckJob::wants_memory
};

/// At most so many outcomes of a reading are taken, and so many bytes of each text.
inline constexpr std::size_t kMostOutcomes = 64, kMostText_bytes = 300;

class CheckRunner {
 public:
  /// Forks it. Call while the process has one thread: another may hold a lock that the child could wait for for ever.
  static Result<CheckRunner> start(CheckJob job);

  CheckRunner(CheckRunner&& other) noexcept;
  CheckRunner& operator=(CheckRunner&& other) noexcept;
  CheckRunner(const CheckRunner&) = delete;
  CheckRunner& operator=(const CheckRunner&) = delete;
  /// Lets it end its readers and what they have started; kills it when that takes more than a moment.
  ~CheckRunner();

  /// Readable when there is something to receive(). -1: the runner is gone.
  [[nodiscard]] int descriptor() const { return line_.get(); }

  /// Asks for a reading of this check, which is answered once, by receive(). Nothing while one is under way: false.
  /// `anew`: what it counted from is forgotten first. `tag` comes back with it.
  bool ask(std::size_t place, std::int64_t tag, bool anew = false);
  [[nodiscard]] bool is_asked(std::size_t place) const { return asked_.at(place).has_value(); }
  /// The next answer. When the runner is gone all that was asked is answered: unknown.
  std::optional<CheckReading> receive();

 private:
  CheckRunner(pid_t pid, Fd line, std::size_t checks) : pid_(pid), line_(std::move(line)), asked_(checks) {}
  void end();
  std::optional<CheckReading> answer_unasked();

  pid_t pid_ = -1;
  Fd line_{};
  std::vector<std::optional<std::int64_t>> asked_{};  // the tag of what is under way
};

}  // namespace grit
