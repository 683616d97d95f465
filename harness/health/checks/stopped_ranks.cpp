// stopped_ranks: the node's ranks can run: nobody has stopped them, and none of their threads waits in the kernel
// without end.
#include <fmt/format.h>

#include <algorithm>

#include "harness/base/printable.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/numbered_entries.hpp"
#include "harness/health/checks/ranks_here.hpp"
#include "harness/health/checks/stuck_scan.hpp"

namespace grit {
namespace {

constexpr std::int64_t kMostCpu_ns = 3 * kNsPerMs;  // for their threads; the rest of many is looked at the next time
constexpr std::size_t kMostRanks = 60;              // are named

/// Of the main threads, which are looked at each time, is said by their state; here the others.
std::vector<TaskPlace> threads_of(const CheckInput& input) {
  std::vector<TaskPlace> places;
  for (const int pid : input.rank_pids) {
    const auto tasks = input.proc / std::to_string(pid) / "task";
    for (const int tid : numbered_entries(tasks)) places.push_back({tasks / std::to_string(tid), pid});
  }
  return places;
}

Outcome outcome_of(const CheckInput& input, const RankHere& rank, const std::vector<StuckTask>& stuck) {
  const auto stat = read_task_stat(input.proc / std::to_string(rank.pid));
  if (!stat || stat->state == 'Z' || stat->state == 'X') return {.subject = rank.name, .detail = "has ended"};
  const std::string hint =
      fmt::format("pid {}: cat /proc/{}/status; who sent it a signal, or traces it?", rank.pid, rank.pid);
  if (stat->state == 'T') return {Severity::critical, rank.name, {}, {}, "is stopped (state T)", hint};
  if (stat->state == 't') return {Severity::critical, rank.name, {}, {}, "is stopped by a debugger (state t)", hint};
  const auto longest = std::max_element(stuck.begin(), stuck.end(), [&](const StuckTask& a, const StuckTask& b) {
    const auto length_ns = [&](const StuckTask& one) { return one.place.pid == rank.pid ? one.stuck_ns : 0; };
    return length_ns(a) < length_ns(b);
  });
  if (longest == stuck.end() || longest->place.pid != rank.pid)
    return {.severity = Severity::ok, .subject = rank.name, .detail = "can run"};
  const auto limit = [&](const char* name) { return static_cast<double>(input.params.integer(name)); };
  const std::string where = waits_in(longest->place);
  return {.severity = judge_at_least(static_cast<double>(longest->stuck_ns), limit("warning"), limit("critical")),
          .subject = rank.name,
          .value = static_cast<double>(longest->stuck_ns) / kNsPerS,
          .unit = "s",
          .detail = fmt::format("its thread {} waits in the kernel (state D) for at least {:.1f} s{}{}",
                                printable(longest->stat.name), static_cast<double>(longest->stuck_ns) / kNsPerS,
                                where.empty() ? "" : ", in ", where),
          .hint = fmt::format("cat {}/stack (root) says for what", longest->place.directory.string())};
}

Result<std::vector<Outcome>> read(StuckScan& scan, const CheckInput& input) {
  if (input.rank_pids.empty()) return std::vector{not_here("no ranks: there are some in a run only")};
  const auto stuck = scan.look(
      input.memory, [&] { return threads_of(input); }, kMostCpu_ns);
  std::vector<RankHere> ranks = ranks_here(input);
  if (ranks.size() > kMostRanks) ranks.resize(kMostRanks);
  std::vector<Outcome> outcomes;
  for (const RankHere& rank : ranks) outcomes.push_back(outcome_of(input, rank, stuck));
  return outcomes;
}

std::vector<ParamSpec> params() {
  return {{"warning", Unit::time_ns, 5 * kNsPerS, "a thread in state D without running: warning (grit's own choice)"},
          {"critical", Unit::time_ns, 120 * kNsPerS,
           "the same: critical (the kernel's own default, "
           "kernel.hung_task_timeout_secs). A rank that is stopped always is"}};
}

}  // namespace

const Check& stopped_ranks() {
  static const Check check{
      .info = {.name = "stopped_ranks",
               .summary = "The ranks can run: not stopped, no thread that waits in the kernel without end",
               .params = params(),
               .period_ns = kNsPerS / 2,
               .trips = "process_pause",
               .proven = "a process that is stopped"},
      .make = keeping<StuckScan>(read)};
  return check;
}

}  // namespace grit
