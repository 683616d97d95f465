// What was short when a rank's own work took longer: compute, memory or storage, by where its time went.
//
// The kernel splits a thread's time into running, waiting for a CPU (schedstat,
// Documentation/scheduler/sched-stats.rst) and not wanting one. Of the growth of a rank's own work, in this order:
//   1. Half or more of it is stopped time (state T): compute; somebody keeps the process from running.
//   2. In checkpoint: storage. In input: storage when ranks, or who loads their data, were found waiting for it (state
//      D), or the machine's pressure stall information for io (Documentation/accounting/psi.rst) accounts for half of
//      the growth. But when they waited for CPUs for half of it as well: what they waited for twice as long as for the
//      other, else "unknown". Processes that load data ahead wait for either one beside the other.
//   3. Page faults that need storage, or a memory stall (psi) of half of the growth: memory.
//   4. Half or more of it is waiting for a CPU: compute; other work on its cores. But memory, when what others of the
//      machine do there is faulting pages in: one for every 200 µs of their CPU time, or more often. (Measured in a
//      virtual machine: who touches pages once faults every 30 .. 40 µs, who computes every 17 ms.) Not when
//      the faults are too few to make up half of what was waited for, at 200 µs each: nobody took the CPUs, and the
//      ranks wait for each other, or for their own data loaders, on too few of them.
//   5. Half or more of it is time on a CPU: the same instructions took longer. In phases that stream through memory
//      (optimizer; the gradients that backward writes, when an accelerator computes) memory, since they do an
//      operation a few bytes and are bound by the memory's rate (S. Williams et al., Roofline, CACM 52, 2009). Where
//      the CPU computes, memory when the optimizer grew by the larger factor, compute when forward did.
//   6. None of these: forward and backward wait for an accelerator, or the process was kept from running otherwise
//      (cgroup quota): compute. Another phase: "unknown".
// Without usage events only 2 and 6 can be told.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "analysis/facts/block_usage.hpp"
#include "analysis/records/own_work.hpp"

namespace grit {

/// Of one rank, or of the middle of several; from baseline to fault blocks, a step.
struct WorkGrowth {
  std::array<double, kOwnPhases.size()> phase_ns{};     // growth
  std::array<double, kOwnPhases.size()> baseline_ns{};  // before it
  std::optional<Usage> usage{};                         // growth; empty: not known
  std::optional<OthersUsage> others{};                  // growth of what others took of the machine; likewise
  bool accelerator = false;                             // forward and backward are not the CPU's
  [[nodiscard]] std::size_t phase() const;              // the one that grew most
  [[nodiscard]] double total_ns() const;
};

struct ResourceClass {
  std::string resource = "unknown";  // one of kResources, or "unknown"
  std::string why{};                 // in words, with the numbers
};

ResourceClass classify(const WorkGrowth& growth);
/// Rule 4 alone, when waiting for CPUs is known to be what it comes from.
ResourceClass classify_wait(const Usage& usage, std::optional<OthersUsage> others);

}  // namespace grit
