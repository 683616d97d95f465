// stuck_tasks: no process of the machine waits in the kernel without end, for a disk, a file server or a driver.
#include <fmt/format.h>

#include "harness/base/printable.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/numbered_entries.hpp"
#include "harness/health/checks/stuck_scan.hpp"

namespace grit {
namespace {

constexpr std::int64_t kMostCpu_ns = 8 * kNsPerMs;  // the rest of many processes is looked at the next time
constexpr std::size_t kMostNamed = 50;

std::vector<TaskPlace> processes_in(const std::filesystem::path& proc) {
  std::vector<TaskPlace> places;
  for (const int pid : numbered_entries(proc)) places.push_back({proc / std::to_string(pid), pid});
  return places;
}

Outcome outcome_of(const StuckTask& task, Severity severity) {
  const std::string where = waits_in(task.place);
  return {.severity = severity,
          .subject = fmt::format("{}[{}]", printable(task.stat.name), task.place.pid),
          .value = static_cast<double>(task.stuck_ns) / kNsPerS,
          .unit = "s",
          .detail = fmt::format("waits in the kernel (state D) for at least {} s{}{}", task.stuck_ns / kNsPerS,
                                where.empty() ? "" : ", in ", where),
          .hint = fmt::format("cat /proc/{}/stack (root) says for what", task.place.pid)};
}

Result<std::vector<Outcome>> read(StuckScan& scan, const CheckInput& input) {
  if (!std::filesystem::exists(input.proc / "self"))
    return unavailable_error(fmt::format("{} shows no processes: mount procfs there", input.proc.string()));
  const auto stuck = scan.look(
      input.memory, [&] { return processes_in(input.proc); }, kMostCpu_ns);
  std::vector<Outcome> outcomes;
  for (const StuckTask& task : stuck) {
    const auto limit = [&](const char* name) { return static_cast<double>(input.params.integer(name)); };
    const Severity severity = judge_at_least(static_cast<double>(task.stuck_ns), limit("warning"), limit("critical"));
    if (is_alarm(severity) && outcomes.size() < kMostNamed) outcomes.push_back(outcome_of(task, severity));
  }
  outcomes.push_back({.severity = Severity::ok,
                      .detail = fmt::format("{} of {} processes looked at", scan.looked_at(), scan.tasks())});
  return outcomes;
}

std::vector<ParamSpec> params() {
  return {{"warning", Unit::time_ns, 30 * kNsPerS, "in state D without running: warning (grit's own choice)"},
          {"critical", Unit::time_ns, 120 * kNsPerS,
           "in state D without running: critical (the kernel's own default, "
           "kernel.hung_task_timeout_secs)"}};
}

}  // namespace

const Check& stuck_tasks() {
  static const Check check{
      .info = {.name = "stuck_tasks",
               .summary = "No process waits in the kernel without end (uninterruptible sleep, state D)",
               .params = params(),
               .of_machine = true,
               .period_ns = 2 * kNsPerS,
               .untripped = "no fault here makes a process wait so",
               .proven = "a process whose vfork(2) child sleeps"},
      .make = keeping<StuckScan>(read)};
  return check;
}

}  // namespace grit
