// pressure: for what share of the time tasks waited for a CPU, memory, storage or interrupts.
#include <fmt/format.h>

#include <array>

#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/counter_window.hpp"
#include "harness/os/memory.hpp"

namespace grit {
namespace {

/// A line of a file in /proc/pressure, and the parameter that limits it. Of the CPUs nobody but "some" says anything:
/// the kernel has nothing but zeros in the other line of the whole machine (psi.rst).
struct Line {
  const char* resource;
  bool full;
  const char* limit;
};
constexpr std::array<Line, 6> kLines{{{"cpu", false, "cpu_some"},
                                      {"memory", false, "memory_some"},
                                      {"memory", true, "memory_full"},
                                      {"io", false, "io_some"},
                                      {"io", true, "io_full"},
                                      {"irq", true, "irq_full"}}};

const char* hint_of(std::string_view resource) {
  if (resource == "cpu") return "who runs: ps -eo pid,psr,pcpu,comm --sort=-pcpu";
  if (resource == "memory") return "who has memory: ps -eo pid,rss,comm --sort=-rss; who is limited: memory.max";
  if (resource == "io") return "which disk: iostat -x 1; who waits: ps -eo pid,stat,comm | grep ' D'";
  return "which interrupts: watch -d cat /proc/interrupts";
}

/// Memory pressure of this size for so long is what systemd-oomd kills for.
Severity grave_memory(double share, const CheckInput& input) {
  const double limit = input.params.number("memory_full_critical");
  if (limit <= 0) return Severity::ok;
  const std::int64_t long_ns = held_ns(input.memory, "memory full", share >= limit);
  return share >= limit && long_ns >= input.params.integer("critical_after") ? Severity::critical : Severity::ok;
}

Outcome outcome_of(const Line& line, const Stall& stall, const CheckInput& input) {
  const std::string subject = fmt::format("{} {}", line.resource, line.full ? "full" : "some");
  const auto window = counter_window(input.memory, subject, {stall.total_ns}, input.params.integer("window"));
  if (!window) return {.severity = Severity::ok, .subject = subject, .detail = "first reading"};
  const double share = static_cast<double>(window->grown.front()) / static_cast<double>(window->elapsed_ns);
  Severity severity = judge_at_least(share, input.params.number(line.limit), 0);
  if (subject == "memory full") severity = std::max(severity, grave_memory(share, input));
  return {.severity = severity,
          .subject = subject,
          .value = share,
          .unit = "share",
          .detail = fmt::format("{} waited for {:.1f} % of the last {:.1f} s", line.full ? "all tasks" : "some task",
                                100 * share, static_cast<double>(window->elapsed_ns) / kNsPerS),
          .hint = is_alarm(severity) ? hint_of(line.resource) : ""};
}

Result<std::vector<Outcome>> read(const CheckInput& input) {
  std::vector<Outcome> outcomes;
  GRIT_CHECK(read_stalls("cpu", input.proc));  // a kernel that does not say it of the CPUs says nothing
  for (const Line& line : kLines) {
    const auto stalls = read_stalls(line.resource, input.proc);
    if (stalls && !line.full) outcomes.push_back(outcome_of(line, stalls->some, input));
    if (stalls && line.full && stalls->full) outcomes.push_back(outcome_of(line, *stalls->full, input));
    const bool optional = line.full;  // interrupts are only accounted for by some kernels
    if (!stalls && !optional)
      outcomes.push_back({.subject = fmt::format("{} some", line.resource), .detail = stalls.error().message});
  }
  return outcomes;
}

ParamSpec share_param(const char* name, double share, const char* help) {
  return {name, Unit::fraction, share, help, {}, 0.0, 1.0};
}

std::vector<ParamSpec> params() {
  return {share_param("cpu_some", 0.5, "of the time some task waited for a CPU: warning (grit's own choice)"),
          share_param("memory_some", 0.1, "of the time some task waited for memory: warning (grit's own choice)"),
          share_param("memory_full", 0.05, "of the time all tasks waited for memory: warning (grit's own choice)"),
          share_param("memory_full_critical", 0.6,
                      "the same, for `critical_after`: critical (systemd-oomd's default limit, oomd.conf(5))"),
          {"critical_after", Unit::time_ns, 30 * kNsPerS,
           "how long that must last (systemd-oomd's default duration, oomd.conf(5))"},
          share_param("io_some", 0, "of the time some task waited for storage: warning; 0: off (grit's own choice)"),
          share_param("io_full", 0.2, "of the time all tasks waited for storage: warning (grit's own choice)"),
          share_param("irq_full", 0.1, "of the time interrupts kept a CPU from its task: warning (grit's own choice)"),
          window_param(5 * kNsPerS)};
}

}  // namespace

const Check& pressure() {
  static const Check check{
      .info = {.name = "pressure",
               .summary = "Tasks seldom wait for a CPU, memory, storage or interrupts (pressure stall information)",
               .params = params(),
               .counts = true,
               .of_machine = true,
               .period_ns = 2 * kNsPerS,
               .trips = "cpu_contention",
               .proven = "more processes than CPUs"},
      .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit
