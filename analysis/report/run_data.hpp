// What the report's plots and tables show, computed once from a run's records and events.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/report/operations.hpp"
#include "analysis/report/page/html.hpp"
#include "harness/model/phases.hpp"

namespace grit {

/// One step of the whole job. Seconds count from the start of the run's first step.
struct StepPoint {
  std::uint32_t step = 0;
  std::uint32_t block = 0;
  BlockKind kind = BlockKind::baseline;
  bool measured = true;  // not one of the settling steps, and all ranks left a record
  double start_s = 0;    // of the first rank to start
  double end_s = 0;      // of the last rank to end
  double mean_ns = 0;    // over ranks, of end - start on each rank's own clock
  double max_ns = 0;
  std::uint32_t slowest_rank = 0;
};

struct BlockSummary {
  int index = 0;
  int pair = -1;
  BlockKind kind = BlockKind::baseline;
  double start_s = 0;
  double end_s = 0;
  int steps = 0;  // all of them
  int measured =
      0;  // the steps that mean and median are of; 0 when records are missing, or all steps were for settling
  double mean_ns = 0;  // over the measured steps, as in analysis/records/block_times.hpp
  double median_ns = 0;
  double max_ns = 0;  // slowest step, over all steps of the block
};

/// One fault in force, from its "applied" to its "reverted" event.
struct FaultWindow {
  int fault = 0;  // PlannedFault::id
  int block = 0;
  BlockKind kind = BlockKind::fault;  // of the block; in link_fault there are no steps
  std::string label{};                // "link_flap on node1 eth0"
  double start_s = 0;
  double end_s = 0;
  bool reverted = false;  // no "reverted" event: end_s is the end of the block, or of the records
};

/// Both blocks of a pair, in the statistic the verdict is of.
struct PairPoint {
  int pair = 0;
  double baseline_ns = 0;
  double fault_ns = 0;
  [[nodiscard]] double effect() const { return fault_ns / baseline_ns - 1; }
};

/// Mean phase durations of one rank over the measured steps of one kind of block; "other" is what is left of the step.
struct PhaseRow {
  std::uint32_t rank = 0;
  std::uint32_t node = 0;
  BlockKind kind = BlockKind::baseline;
  int steps = 0;
  std::array<double, kPhaseNames.size()> mean_ns{};
  [[nodiscard]] double total_ns() const;
};

/// Turns a time on one node's CLOCK_MONOTONIC into time since the run's first step. Nodes' clocks are lined up by the
/// median difference between the times at which one of their ranks and one of the first node's left the same steps'
/// last collectives (of some hundred steps, evenly spread over the run): good enough to look at, not to judge by.
/// Namespaces of one machine share a clock and are left alone. Records of nodes that the plan does not have count for
/// nothing.
class TimeAxis {
 public:
  TimeAxis() = default;
  TimeAxis(const Plan& plan, std::span<const StepRecord> steps);
  [[nodiscard]] std::int64_t since_start_ns(std::uint32_t node, std::int64_t t_ns) const {
    return t_ns - (node < offset_ns_.size() ? offset_ns_[node] : 0) - origin_ns_;
  }
  [[nodiscard]] double seconds(int node, std::int64_t t_ns) const;

 private:
  std::int64_t origin_ns_ = 0;             // on the reference node's clock
  std::vector<std::int64_t> offset_ns_{};  // by node
};

struct RunData {
  TimeAxis axis{};
  std::vector<StepPoint> steps{};
  std::vector<BlockSummary> blocks{};  // those with step records
  std::vector<FaultWindow> windows{};
  std::vector<PairPoint> pairs{};  // those with both blocks measured
  std::vector<PhaseRow> phases{};
  std::vector<OperationRow> operations{};
  int ranks = 0;                   // that left records and are in the topology
  std::string statistic = "mean";  // of the pairs: the verdict's, or the mean
};

/// A few passes over the records; memory grows with the number of steps and that of ranks, not with that of records.
/// Records that fit neither plan nor topology count for nothing.
RunData summarize(const ReportInput& input);

/// At most `limit` of the steps: of every stretch of neighbours the slowest and the fastest one, so that no stall is
/// lost.
std::vector<StepPoint> thin_out(const std::vector<StepPoint>& steps, std::size_t limit);

std::string node_name(const Plan& plan, int node);

/// "link_flap on node1 eth0"; "fault 3" when the plan has none of this id.
std::string fault_label(const Plan& plan, int fault);

/// A text of a JSON object, or the default when it is missing or of another type. Events come from disk.
std::string text_or(const Json& object, const char* key, std::string otherwise);

}  // namespace grit
