// Ranks that may use so much CPU time in each period and are stopped (SIGSTOP) for the rest of it: what a kernel's CPU
// quota does, for those who may not set one.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "harness/os/process.hpp"
#include "injectors/injector.hpp"
#include "injectors/worker.hpp"

namespace grit {

/// What faults touch that stop ranks: one would set going what another has stopped.
constexpr const char* kRanksStopped = "the stop signals of the ranks";

/// Counters: "stops", "throttled_ns" (how long ranks were seen stopped). A worker that is killed may leave ranks
/// stopped: continue_all() is the undo.
Result<std::unique_ptr<Fault>> make_stop_cycle(const std::vector<ProcessIdentity>& ranks, std::int64_t quota_ns,
                                               std::int64_t period_ns);
/// A process that sets these ranks going should the agent die: who would start another agent is a thread of a rank, and
/// is stopped with it. Made before they are stopped, ended when they run.
Result<Worker> make_guardian(const std::vector<ProcessIdentity>& ranks);
/// Error (unavailable): why these ranks cannot be stopped and set going.
Status check_stoppable(const std::vector<ProcessIdentity>& ranks);
/// SIGCONT, to those that live; how many do.
Result<std::size_t> continue_all(const std::vector<ProcessIdentity>& ranks);

}  // namespace grit
