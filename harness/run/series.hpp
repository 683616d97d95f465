// A series of trials: a scenario with `search` or `drive`. Every trial is an ordinary run in DIRECTORY/trials/NNN; what
// is decided is in DIRECTORY/series.json, on disk before a trial begins and after it has ended
// (harness/model/series.hpp).
//
// Only rank 0 has Lua and decides, between trials, when no fault is in force. The other ranks are told by a broadcast
// whether another trial comes.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/run/execution.hpp"
#include "harness/run/job.hpp"
#include "harness/scenario/load.hpp"

namespace grit {

struct SeriesSetup {
  LoadedScenario loaded{};  // with the options as on the command line
  Overrides sets{};
  std::uint64_t seed = 1;
  Allowed allowed{};
  Topology topology{};
  std::filesystem::path directory{};  // empty: runs/<scenario>/<UTC time>-<seed>
  std::vector<std::string> command_line{};
  bool json = false;
  int port = 0;                     // as Execution::port, of every trial
  std::optional<Series> earlier{};  // a series that goes on in `directory`
};

/// Is it a series, and not one run?
constexpr bool is_series(const SearchSpec& search) { return search.kind != SearchSpec::Kind::none; }

/// Trial after trial on the local cluster; prints a line for each and the verdict. Returns the exit code.
/// A trial that cannot be run ends the series with its error; Ctrl-C ends it with what is known.
Result<int> run_series_on_local_cluster(const SeriesSetup& setup);

/// The same by the ranks of the job; collective, `setup` is rank 0's. The same exit code or kind of error on every
/// rank.
Result<int> run_series_under_mpi(const Job& job, const SeriesSetup& setup);

/// What is to be made of a trial that was cut off with nothing to say why.
enum class CutOff { ask, happened, repeat };

/// Reads DIRECTORY/series.json and settles the trial during which the series was cut off: by the files of its run, when
/// they say how it ended; by this machine's boot id, when it has restarted since (that is a node lost); else, in an
/// escalation, as `cut_off` says, and in any other search the trial is run again. Error (usage): not a series; or it
/// cannot be told and `cut_off` is `ask`.
Result<Series> take_up_series(const std::filesystem::path& directory, CutOff cut_off);

}  // namespace grit
