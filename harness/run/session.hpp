// One execution of a plan by the ranks of an MPI job: discovery, agents, steps, run directory.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "harness/model/plan.hpp"
#include "harness/run/job.hpp"

namespace grit {

/// The nodes of the job as discovered there, on rank 0; no nodes elsewhere, where the plan brings what is needed of
/// them. Collective; an error is every rank's. run_directory tells discovery which NIC carries it; it need not exist.
Result<Topology> discover_topology(const Job& job, const std::filesystem::path& run_directory);

/// In the run directory, when a fault, the workload or an agent could not be had on some node: why, in words.
inline constexpr const char* kRefusedFile = "refused.txt";

/// Runs the plan. Collective. The run directory exists on node 0 and holds plan.json; steps, events, clock.json and
/// env/ are written there by node 0. Its recorder listens at `port`; 0: at free ones. When it returns, on every rank
/// alike, agents have ended and all faults are off. Error: what is missing on which node (unavailable), or what failed.
/// `begun` is called, on each rank, when all that may refuse to start has started, before the first step.
Status run_session(const Job& job, const Plan& plan, const std::filesystem::path& run_directory, int port,
                   const std::function<void()>& begun);

}  // namespace grit
