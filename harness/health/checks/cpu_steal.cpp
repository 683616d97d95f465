// cpu_steal: how much of the time its CPUs wanted to run was given to other virtual machines of the same host.
#include <fmt/format.h>

#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/counter_window.hpp"
#include "harness/os/cpus.hpp"

namespace grit {
namespace {

/// Times are counted in ticks, mostly of 10 ms: fewer than these in a window are too few to say a share by.
constexpr std::int64_t kLeastSteal_ns = 50 * kNsPerMs;
constexpr std::size_t kMostCpus = 32;  // are named

struct Share {
  double share = 0;
  std::int64_t elapsed_ns = 0;
};

std::optional<Share> stolen(const CheckInput& input, const std::string& name, const CpuTimes& times) {
  const auto window = counter_window(input.memory, name, {times.steal_ns, times.busy_ns + times.idle_ns},
                                     input.params.integer("window"));
  if (!window) return std::nullopt;
  const std::int64_t steal_ns = window->grown[0], all_ns = window->grown[1];
  const bool can_tell = steal_ns >= kLeastSteal_ns && all_ns > 0;
  return Share{can_tell ? static_cast<double>(steal_ns) / static_cast<double>(all_ns) : 0, window->elapsed_ns};
}

std::string words_of(const Share& share) {
  return fmt::format("{:.1f} % of the last {:.1f} s went to other machines of the host", 100 * share.share,
                     static_cast<double>(share.elapsed_ns) / kNsPerS);
}

constexpr const char* kHint = "the host runs more than it has CPUs for: give this machine CPUs of its own";

Outcome of_all(const CheckInput& input, const CpuTimes& all) {
  const auto share = stolen(input, "all", all);
  if (!share) return {.severity = Severity::ok, .detail = "first reading"};
  const double critical = input.params.number("critical");
  const bool is_grave = critical > 0 && share->share >= critical;
  const bool lasts = held_ns(input.memory, "all", is_grave) >= input.params.integer("critical_after");
  const Severity severity =
      is_grave && lasts ? Severity::critical : judge_at_least(share->share, input.params.number("warning"), 0);
  return {.severity = severity,
          .value = share->share,
          .unit = "share",
          .detail = words_of(*share),
          .hint = is_alarm(severity) ? kHint : ""};
}

Result<std::vector<Outcome>> read(const CheckInput& input) {
  GRIT_TRY(const CpuTimes all, read_cpu_times(input.proc));
  GRIT_TRY(const auto by_cpu, read_times_by_cpu(input.proc));
  std::vector<Outcome> outcomes{of_all(input, all)};
  for (const auto& [cpu, times] : by_cpu) {
    const std::string name = fmt::format("cpu{}", cpu);
    const auto share = stolen(input, name, times);
    if (!share || judge_at_least(share->share, input.params.number("one_cpu"), 0) == Severity::ok) continue;
    outcomes.push_back({.severity = Severity::warning,
                        .subject = name,
                        .value = share->share,
                        .unit = "share",
                        .detail = words_of(*share),
                        .hint = kHint});
    if (outcomes.size() > kMostCpus) break;
  }
  return outcomes;
}

std::vector<ParamSpec> params() {
  return {{"warning", Unit::fraction, 0.02, "of all CPUs' time: warning (grit's own choice)", {}, 0.0, 1.0},
          {"critical",
           Unit::fraction,
           0.1,
           "of all CPUs' time for `critical_after`: critical (the limit of the rule HostCpuStealNoisyNeighbor, Awesome "
           "Prometheus alerts)",
           {},
           0.0,
           1.0},
          {"critical_after", Unit::time_ns, 10 * kNsPerS, "how long that must last (grit's own choice)"},
          {"one_cpu", Unit::fraction, 0.1, "of one CPU's time: warning (grit's own choice)", {}, 0.0, 1.0},
          window_param(5 * kNsPerS)};
}

}  // namespace

const Check& cpu_steal() {
  static const Check check{
      .info = {.name = "cpu_steal",
               .summary = "The host gives this virtual machine the CPU time it wants (none is stolen)",
               .params = params(),
               .counts = true,
               .of_machine = true,
               .untripped = "it takes another busy machine on the same host",
               .unproven = "trees of files"},
      .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit
