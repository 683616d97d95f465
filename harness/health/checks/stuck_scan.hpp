// Tasks that wait where no signal reaches them, and do not come out of it.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "harness/health/check_memory.hpp"
#include "harness/os/proc_stat.hpp"

namespace grit {

struct TaskPlace {
  std::filesystem::path directory{};  // /proc/PID or /proc/PID/task/TID
  int pid = 0;
};

struct StuckTask {
  TaskPlace place{};
  ProcStat stat{};
  std::int64_t stuck_ns = 0;  // at least so long
};

/// Looks at tasks in turn, as many as its time allows, and at those that waited at the last look always.
class StuckScan {
 public:
  /// Those in uninterruptible sleep (state D) that have not run since they were first seen so: a task that is merely
  /// busy with a disk wakes up in between. As the kernel's own rule (kernel/hung_task.c), not those that somebody
  /// froze, a paused container's. `list` gives all tasks when a round begins; at most `cpu_ns` of this thread's time is
  /// used.
  std::vector<StuckTask> look(CheckMemory& memory, const std::function<std::vector<TaskPlace>()>& list,
                              std::int64_t cpu_ns);

  [[nodiscard]] std::size_t looked_at() const { return looked_at_; }  // the last time
  [[nodiscard]] std::size_t tasks() const { return tasks_; }          // of a round

 private:
  void look_at(CheckMemory& memory, const TaskPlace& place, std::vector<StuckTask>& stuck);

  std::vector<TaskPlace> waiting_{};  // in state D at the last look
  std::vector<TaskPlace> left_{};     // of this round, the next one last
  std::size_t looked_at_ = 0, tasks_ = 0;
};

/// The function of the kernel it waits in; empty: the kernel does not say.
std::string waits_in(const TaskPlace& place);

}  // namespace grit
