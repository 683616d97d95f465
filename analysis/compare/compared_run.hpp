// What a comparison needs to know of one run, read from its directory.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "analysis/compare/machine_load.hpp"
#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/model/phases.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"

namespace grit {

/// How often chance alone is taken for a difference, of step times, of a rank from its peers or of a machine's load.
constexpr double kAlpha = 0.05;

struct ComparedBlock {
  int index = 0;
  double mean_ns = 0;  // of a step, as in analysis/records/block_times.hpp
  double median_ns = 0;
  LoadRange load{};  // what the machines went through in it
};

/// Of one rank, over the measured steps of the baseline blocks.
struct RankPhases {
  int rank = 0;
  int node = 0;
  std::array<double, kStepPhases.size()> mean_ns{};
};

struct ComparedRun {
  std::filesystem::path directory{};  // as given
  std::string started_utc{};          // "20261123T081500Z"; empty: not known
  Plan plan{};
  std::vector<ComparedBlock> baseline{};  // whole ones, in order
  std::vector<ComparedBlock> fault{};
  std::vector<RankPhases> phases{};    // by rank
  std::map<int, Json> environments{};  // env/nodeN.json by node, with what plan.json and run.json know of it
  MachineLoads loads{};                // in the baseline blocks
  std::vector<std::string> remarks{};  // what is odd about it

  [[nodiscard]] std::string name() const { return directory.string(); }
};

/// A run with fewer whole baseline blocks has no spread.
constexpr std::size_t kFewestBaselineBlocks = 2;

/// Error (usage): not a run directory, a steps.npy or plan.json that is none, or too few whole baseline blocks. A run
/// that was cut off counts with the blocks it has; a missing or broken env/nodeN.json is a remark.
Result<ComparedRun> read_compared_run(const std::filesystem::path& directory);

/// The places of all runs, the old ones before the new ones, in the order in which they began; of runs of which some
/// beginning is not known, the order as given.
std::vector<std::size_t> in_order_of_time(std::span<const ComparedRun> before, std::span<const ComparedRun> after);

/// Gives the hosts of `run` the numbers that hosts of the same names have in `reference`, since a batch system hands
/// out the same machines in any order: in `phases` (ranks go with their host, by their place on it), `environments` and
/// `loads`.
/// Hosts that the reference does not have take the numbers that are left. How many hosts both have; with none, or where
/// names are not unique, nothing is changed.
std::size_t match_hosts(ComparedRun& run, const Topology& reference);

/// What makes step times of two plans differ by itself: workload and its parameters, nodes and ranks, what is emulated,
/// local cluster or real nodes. Each as "workload parameter scale: 0.02 against 0.05"; empty: comparable.
std::vector<std::string> incomparable(const Plan& before, const Plan& after);

/// What differs but leaves the baseline blocks comparable: scenario, faults, lengths of blocks.
std::vector<std::string> other_differences(const Plan& before, const Plan& after);

}  // namespace grit
