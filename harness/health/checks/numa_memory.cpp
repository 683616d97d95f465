// numa_memory: programs get memory on the NUMA node they run on, and the kernel does not move it about under them.
#include <fmt/format.h>

#include "harness/base/files.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/counter_window.hpp"
#include "harness/health/checks/numa_nodes_of.hpp"
#include "harness/os/cgroup_files.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxFile_bytes = 1 << 20;
/// Fewer pages than these in a window are start-up, not a state.
constexpr std::int64_t kLeastPages = 10'000;

Outcome first_reading(const char* subject) {
  return {.severity = Severity::ok, .subject = subject, .detail = "first reading"};
}

/// Pages that were given on another node than asked for (numastat(8), numa_miss).
Outcome of_misses(const CheckInput& input, const std::string& vmstat) {
  const std::int64_t hits = cgroup_files::value_of(vmstat, "numa_hit"),
                     misses = cgroup_files::value_of(vmstat, "numa_miss");
  const auto window = counter_window(input.memory, "miss", {hits, misses}, input.params.integer("window"));
  if (!window) return first_reading("allocations");
  const std::int64_t missed = window->grown[1], all = window->grown[0] + missed;
  const double share = all > 0 ? static_cast<double>(missed) / static_cast<double>(all) : 0;
  const Severity severity =
      missed >= kLeastPages ? judge_at_least(share, input.params.number("misses"), 0) : Severity::ok;
  return {.severity = severity,
          .subject = "allocations",
          .value = share,
          .unit = "share",
          .detail = fmt::format("{} of {} pages came from another NUMA node than was asked for", missed, all),
          .hint = is_alarm(severity) ? "a node's memory is full: numastat -m" : ""};
}

/// Pages that NUMA balancing moved (sysctl kernel.numa_balancing).
Outcome of_balancing(const CheckInput& input, const std::string& vmstat) {
  const auto setting = read_file(input.proc / "sys/kernel/numa_balancing", kMaxFile_bytes);
  const bool on = setting && cgroup_files::number(*setting) != 0;
  const auto window = counter_window(input.memory, "moved", {cgroup_files::value_of(vmstat, "numa_pages_migrated")},
                                     input.params.integer("window"));
  if (!window) return first_reading("balancing");
  const double rate = static_cast<double>(window->grown[0]) / (static_cast<double>(window->elapsed_ns) / kNsPerS);
  const Severity severity = on ? judge_at_least(rate, input.params.number("moves"), 0) : Severity::ok;
  return {.severity = severity,
          .subject = "balancing",
          .value = rate,
          .unit = "1/s",
          .detail = fmt::format("NUMA balancing is {} and moved {:.0f} pages a second", on ? "on" : "off", rate),
          .hint = is_alarm(severity) ? "bind the ranks and turn it off: sysctl kernel.numa_balancing=0" : ""};
}

Result<std::vector<Outcome>> read(const CheckInput& input) {
  if (cpus_by_numa_node(input.sys).size() < 2) return std::vector{not_here("one NUMA node")};
  GRIT_TRY(const std::string vmstat, read_file(input.proc / "vmstat", kMaxFile_bytes));
  if (vmstat.find("numa_hit") == std::string::npos)
    return unavailable_error((input.proc / "vmstat").string() + " does not count memory by NUMA node");
  return std::vector{of_misses(input, vmstat), of_balancing(input, vmstat)};
}

std::vector<ParamSpec> params() {
  return {
      {"misses", Unit::fraction, 0.01, "of pages, given on another node: warning (grit's own choice)", {}, 0.0, 1.0},
      {"moves",
       Unit::number,
       1000.0,
       "pages a second moved by NUMA balancing: warning (grit's own choice)",
       {},
       0.0,
       {}},
      window_param(5 * kNsPerS)};
}

}  // namespace

const Check& numa_memory() {
  static const Check check{.info = {.name = "numa_memory",
                                    .summary = "Memory comes from the NUMA node that was asked for and stays there",
                                    .params = params(),
                                    .counts = true,
                                    .of_machine = true,
                                    .period_ns = 5 * kNsPerS,
                                    .untripped = "it takes a machine with two NUMA nodes",
                                    .proven = "a program larger than its NUMA node, in a virtual machine"},
                           .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit
