// What the kernel counted for each rank, and for its node, during a block: from "usage" events
// (harness/model/event.hpp).
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "harness/base/json.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

/// Over one block, or a step of it. Of a rank; the stalls are of its node.
struct Usage {
  double cpu_ns = 0;
  double run_wait_ns = 0;  // runnable, waiting for a CPU (schedstat)
  double minor_faults = 0, major_faults = 0;
  double stopped_ns = 0;                        // found stopped by a signal, sampled
  double blocked_ns = 0;                        // found waiting for storage, sampled
  double machine_faults = 0;                    // page faults of all processes of the machine
  double machine_cpu_ns = 0;                    // busy CPUs of the machine, added up; 0: not known
  double memory_stall_ns = 0, io_stall_ns = 0;  // pressure stall information, "some", of the whole machine

  Usage operator-(const Usage& other) const;
  Usage operator/(double divisor) const;
};

inline constexpr std::array kUsageCounters{
    &Usage::cpu_ns,     &Usage::run_wait_ns,    &Usage::minor_faults,   &Usage::major_faults,    &Usage::stopped_ns,
    &Usage::blocked_ns, &Usage::machine_faults, &Usage::machine_cpu_ns, &Usage::memory_stall_ns, &Usage::io_stall_ns};

/// Of processes that are no ranks, on one machine.
struct OthersUsage {
  double cpu_ns = 0, page_faults = 0;
};

class BlockUsage {
 public:
  /// Never fails: what is not as documented, or has no two edges, is not there.
  explicit BlockUsage(const JsonLines& events);
  /// Of the whole block. Empty: not known.
  [[nodiscard]] std::optional<Usage> of(int block, int rank) const;
  /// Whose kernel counted for this rank; ranks of several nodes (containers of one host) may have the same. Empty: not
  /// known.
  [[nodiscard]] std::string machine_of(int rank) const;

 private:
  void take(const Json& event);
  using Place = std::pair<std::int64_t, std::int64_t>;  // block, rank
  std::map<Place, Usage> begin_{}, end_{};
  std::map<std::int64_t, std::string> machine_{};  // by rank
};

}  // namespace grit
