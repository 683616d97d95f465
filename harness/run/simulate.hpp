// A measured run played for a larger job, into a run directory like any other.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "analysis/simulate/upward.hpp"

namespace grit {

struct Simulation {
  std::filesystem::path run{};  // the directory of a finished run
  AxisValues sizes{};           // of the larger mesh; dp must be given, other axes may be, as they were measured
  std::optional<std::uint64_t> seed{};  // of what is drawn; empty: the run's
  std::filesystem::path out{};          // empty: runs/<scenario>/<UTC time>-<seed>-dp<N>
  std::vector<std::string> command_line{};
  std::function<void(double share)> progress{};  // called now and then, 0 .. 1
};

struct Simulated {
  std::filesystem::path directory{};
  Prediction prediction{};
};

/// Reads the run, plays it, and writes plan.json, steps.npy, events.jsonl and the rest of a run directory, beside
/// prediction.json; then judges it as every run (finish_run()). Memory grows with the measured run and with the ranks
/// of the larger job. Spans are written up to four million of them, else none; steps up to twenty million. Until all of
/// it is written the directory is called "<out>.unfinished": that is what is left of it when grit is killed, and
/// nothing when it fails. Error (usage): no such run, one that did not come to its end or was simulated itself, another
/// axis than dp that differs, a directory of either name that is there already, or as of Upward::fit(); (unavailable):
/// the directory cannot be written to.
Result<Simulated> simulate(const Simulation& simulation);

}  // namespace grit
