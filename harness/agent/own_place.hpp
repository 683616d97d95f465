// Where an agent runs on its node: not where a rank is bound, and with all its memory at hand.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// The agent was bound like the rank that started it. It, and with it the workers that faults fork from it, may run on
/// the node's CPUs to which no rank is bound; on all when the ranks have them all. Its memory is taken from wherever
/// there is some. Of ranks that have ended nothing is known: they take no CPU.
Status leave_ranks_their_cpus(const std::vector<int>& rank_pids);

/// Moves this process out of the job: to the top of every control group hierarchy that is mounted here. Where it may
/// not it stays. Only for who takes nothing worth limiting.
void leave_control_groups();

/// Why, when the job ends at once, nobody could take the agent's faults off then, or their undo records go with it: the
/// agent's heir (harness/agent/heir.hpp) is in a control group that a batch system or a container engine empties, or
/// the journal lies on a container's own file system. In words, with what closes the gap; empty: neither. `cgroups` is
/// the text of the heir's /proc/PID/cgroup.
std::vector<std::string> ends_with_the_job(std::string_view cgroups, const std::filesystem::path& journal_directory);

/// Its code and data stay in memory, and what it will have: reverting is code that has not run before, and the file
/// system that grit lies on may be the one that a fault has cut off. Not inherited by what is forked (mlockall(2)).
/// Error (unavailable): the user may not lock so much; says which limit.
Status keep_in_memory();

}  // namespace grit
