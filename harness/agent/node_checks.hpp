// The health checks of a plan on one node, for its observer: when each is read, and what is told of it.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "harness/agent/check_log.hpp"
#include "harness/health/runner.hpp"
#include "harness/model/plan.hpp"

namespace grit {

/// The runner of the node's checks; none when there is none to be read. Call while the process has one thread.
Result<std::optional<CheckRunner>> start_checks(const Plan& plan, int node, std::vector<int> rank_pids);

class NodeChecks {
 public:
  /// The plan is kept by the caller. `emit` takes the events. Without a runner that could be started the checks are
  /// unknown, and the run goes on.
  NodeChecks(const Plan& plan, int node, Result<std::optional<CheckRunner>> runner, std::function<void(Json)> emit);

  /// Readable when answers wait; -1: nobody will answer.
  [[nodiscard]] int descriptor() const { return runner_ ? runner_->descriptor() : -1; }
  /// When turn() is next to be called, were there no answer.
  [[nodiscard]] std::int64_t next_ns() const;

  /// All that the checks count begins with the block; those that count (CheckInfo::counts) are read for it.
  void begin_block(int block);
  /// Takes the answers and, in a block, asks for what is due.
  void turn(std::int64_t now_ns);
  /// Those that count are read once more, for at most kLastReadings_ns: one that hangs holds up nobody.
  void end_block();

 private:
  struct Planned {
    CheckLog::Name name{};
    std::int64_t period_ns = 0, due_ns = 0;
    bool anew = false;            // its next reading is the first of the block
    bool is_own = true;           // false: another node of the local cluster reads it for the machine
    bool in_faults_only = false;  // its parameter `blocks`
    bool is_read = false;         // in this block
  };
  /// A tag of CheckRunner::ask(): the block, and whether the reading only says what is counted from.
  static std::int64_t tag_of(int block, bool is_start) {
    return 2 * static_cast<std::int64_t>(block) + (is_start ? 1 : 0);
  }
  [[nodiscard]] bool is_read_in(const Planned& check, int block) const;
  void ask(std::size_t place, bool is_start);
  void take_answers();
  void read_once_more();
  void tell_why_none();

  const Plan& plan_;
  std::optional<CheckRunner> runner_{};
  std::string why_none_{};  // why there is no runner, though there are checks
  CheckLog log_;
  std::vector<Planned> checks_{};
  std::optional<int> block_{};  // in which the ranks are
};

}  // namespace grit
