#include "analysis/blame/resource_class.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "harness/base/units.hpp"

namespace grit {
namespace {

constexpr double kMost = 0.5;   // of the growth
constexpr double kClearly = 2;  // times as much
constexpr double kCpuPerFault_ns = 200e3;
enum PhaseIndex : std::size_t { input, forward, backward, optimizer, checkpoint, other };

double factor(const WorkGrowth& growth, std::size_t phase) {
  return growth.baseline_ns[phase] > 0 ? growth.phase_ns[phase] / growth.baseline_ns[phase] : 0;
}

/// Rule 2, for input: nothing where neither storage nor its want shows.
std::optional<ResourceClass> of_input(const Usage& usage, double most_ns) {
  const double storage_ns = std::max(usage.blocked_ns, usage.io_stall_ns);
  if (storage_ns < most_ns) return std::nullopt;
  const std::string numbers = fmt::format("{} more a step waiting for storage", format_duration(storage_ns));
  if (usage.run_wait_ns < most_ns || storage_ns >= kClearly * usage.run_wait_ns)
    return ResourceClass{"storage", numbers};
  if (usage.run_wait_ns >= kClearly * storage_ns) return std::nullopt;
  return ResourceClass{"unknown", fmt::format("{}, and {} for a CPU", numbers, format_duration(usage.run_wait_ns))};
}

ResourceClass of_cpu_time(const WorkGrowth& growth, const std::string& numbers) {
  const std::size_t phase = growth.phase();
  const bool streams = phase == optimizer || (phase == backward && growth.accelerator);
  if (streams) return {"memory", numbers + ": work that streams through memory took longer on the CPU"};
  if (phase == forward || phase == backward) {
    if (factor(growth, optimizer) > std::max(factor(growth, forward), factor(growth, backward)))
      return {"memory", numbers + ": the work took longer on the CPU, what streams through memory the most"};
    return {"compute", numbers + ": the work took longer on the CPU"};
  }
  return {"unknown", numbers + ": the work took longer on the CPU"};
}

}  // namespace

std::size_t WorkGrowth::phase() const {
  return static_cast<std::size_t>(std::max_element(phase_ns.begin(), phase_ns.end()) - phase_ns.begin());
}

double WorkGrowth::total_ns() const { return std::accumulate(phase_ns.begin(), phase_ns.end(), 0.0); }

ResourceClass classify_wait(const Usage& usage, std::optional<OthersUsage> others) {
  std::string why = format_duration(usage.run_wait_ns) + " more a step waiting for a CPU";
  if (!others) return {"compute", why};
  const double faults = std::max(others->page_faults, 0.0), cpu_ns = std::max(others->cpu_ns, 0.0);
  why += fmt::format(", while other processes of the machine took {} more CPU time and {:.0f} more page faults",
                     format_duration(cpu_ns), faults);
  const double least_ns = std::max(kMost * usage.run_wait_ns, 1.0);
  return {kCpuPerFault_ns * faults >= std::max(cpu_ns, least_ns) ? "memory" : "compute", why};
}

ResourceClass classify(const WorkGrowth& growth) {
  const std::size_t phase = growth.phase();
  const double most_ns = kMost * growth.total_ns();
  // Time in which it was stopped inside of a collective is not in the phases.
  if (growth.usage && growth.usage->stopped_ns > 0 && growth.usage->stopped_ns >= most_ns)
    return {"compute", fmt::format("{} a step stopped by a signal", format_duration(growth.usage->stopped_ns))};
  if (phase == checkpoint) return {"storage", "writing checkpoints took longer"};
  if (!growth.usage) {
    if (phase == forward || phase == backward) return {"compute", "what the kernel counted is not known"};
    return {"unknown", "what the kernel counted is not known"};
  }
  const Usage& usage = *growth.usage;
  if (phase == input)
    if (auto found = of_input(usage, most_ns)) return *found;
  if (usage.major_faults >= 1)
    return {"memory", fmt::format("{:.1f} more page faults a step that needed storage", usage.major_faults)};
  if (usage.memory_stall_ns >= most_ns)
    return {"memory",
            fmt::format("{} more a step in which tasks waited for memory", format_duration(usage.memory_stall_ns))};
  if (usage.run_wait_ns >= most_ns) return classify_wait(usage, growth.others);
  const std::string numbers =
      fmt::format("{} more CPU time and {} more waiting for a CPU a step", format_duration(std::max(usage.cpu_ns, 0.0)),
                  format_duration(std::max(usage.run_wait_ns, 0.0)));
  if (usage.cpu_ns >= most_ns) return of_cpu_time(growth, numbers);
  if (phase == forward || phase == backward)
    return {"compute", numbers + (growth.accelerator ? ": the accelerator took longer" : ": it was kept from running")};
  return {"unknown", numbers};
}

}  // namespace grit
