// What the machines of a run went through beside the job, in its baseline blocks: from "usage" events
// (harness/model/event.hpp).
#pragma once

#include <array>
#include <cstddef>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "harness/base/json.hpp"
#include "harness/model/plan.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

struct LoadKind {
  std::string_view key;    // in JSON
  std::string_view words;  // "CPUs that other processes kept busy"
  bool is_share;           // of time; else a number, or a frequency
  double least;            // a difference below this is not worth a word
};
/// A difference of a twentieth of a CPU, or of a hundredth of the time, can be a hundredth of a step.
inline constexpr std::array kLoadKinds{
    LoadKind{"others_cpus", "CPUs that other processes kept busy", false, 0.05},
    LoadKind{"steal_cpus", "CPUs that other machines of the same host took (steal)", false, 0.05},
    LoadKind{"cpu_wait", "share of their time that ranks waited for a CPU", true, 0.01},
    LoadKind{"cpu_stall", "share of the time that somebody waited for a CPU (pressure)", true, 0.01},
    LoadKind{"memory_stall", "share of the time that somebody waited for memory (pressure)", true, 0.01},
    LoadKind{"io_stall", "share of the time that somebody waited for storage (pressure)", true, 0.01},
    LoadKind{"clock_hz", "clock of the CPUs", false, 2e7}};
inline constexpr std::size_t kClock = 6;  // of which less is more load

/// By kLoadKinds, of a block or a mean over the baseline blocks; NaN: not known.
using MachineLoad = std::array<double, kLoadKinds.size()>;
inline constexpr double kUnknownLoad = std::numeric_limits<double>::quiet_NaN();
constexpr MachineLoad unknown_load() {
  MachineLoad load{};
  load.fill(kUnknownLoad);
  return load;
}

/// "0.31", "4.2 %", "2.9 GHz"; "not known".
std::string load_text(std::size_t kind, double value);

Json to_json(const MachineLoad& load);  // what is known, by key

/// By the first node of each machine: all nodes of a local cluster are one, as are containers of one host.
using MachineLoads = std::map<int, MachineLoad>;

/// By block, of `blocks` (Block::index). Never fails: what was not recorded is not known.
std::map<int, MachineLoads> machine_loads(const Plan& plan, std::span<const int> blocks, const JsonLines& events);

/// The mean over the blocks.
MachineLoads mean_loads(const std::map<int, MachineLoads>& blocks);

/// Of the machines that know it: the mean, the least and the most.
struct LoadRange {
  MachineLoad mean = unknown_load();
  MachineLoad least = unknown_load();
  MachineLoad most = unknown_load();
};
LoadRange load_range(const MachineLoads& machines);

}  // namespace grit
