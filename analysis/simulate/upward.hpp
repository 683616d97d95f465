// A measured run for a larger job: what a step would take there and what the fault would cost, with intervals.
//
// The interval is of all that the run leaves open: which pairs of blocks there were (drawn anew with replacement), how
// further ranks differ (their spread is known from few: s² n / χ²), what they do, and latency and bandwidth of the link
// (fitted to blocks drawn anew). Each of some hundred repetitions plays the larger job again. Percentiles, as wide as
// t's with so many pairs, since the bootstrap of few is too narrow (B. Efron and R. J. Tibshirani, An introduction to
// the bootstrap, 1993, ch. 12 and 13).
//
// What stays as it was: the batch of a rank, hence its work (weak scaling); what it holds and writes, also where a
// sharded state would become smaller; the number of nodes with a fault.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/simulate/larger_mesh.hpp"
#include "analysis/simulate/upward_play.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

/// Up to so many times the measured ranks predictions were held against real runs: 8 and 16 nodes from 4, by
/// tests/bench/simulate_upward.py. docs/architecture.md has the errors.
constexpr int kValidatedFactor = 4;

/// 95 % interval.
struct Predicted {
  double value = 0, low = 0, high = 0;
};

struct Prediction {
  int dp_measured = 0, dp = 0, ranks_measured = 0, ranks = 0;
  int pairs = 0;                          // that count
  double measured_step_ns = 0;            // median over baseline blocks of the mean time of a step
  Predicted step_ns{};                    // the same of the larger job
  std::optional<double> measured_cost{};  // of the fault: 0.10 is 10 % slower; empty: there are no pairs
  std::optional<Predicted> cost{};        // of the larger job
  std::optional<Predicted> cost_ns{};     // of a step
  double replay_error = 0;                // of the measured job played again, against what was measured; a share
  double spread = 0;                      // of ranks that do the same work, standard deviation as a share
  double autocorrelation = 0, common_share = 0;
  int stretch = 1;  // steps drawn together
  LinkModel link{};
  int repetitions = 0;
  std::vector<std::string> warnings{};
};
Json to_json(const Prediction& prediction);

/// What there is of a run.
struct MeasuredFiles {
  const Plan& plan;
  std::span<const StepRecord> records;
  std::span<const CollectiveRecord> spans;
  const JsonLines& events;
  const Json& clock;
};

class Upward {
 public:
  /// `files` is kept by the caller. Error (usage): as of LargerMesh::grow(), MeasuredRun::read() and WorkModel::fit(),
  /// or it has no whole baseline block.
  static Result<Upward> fit(const MeasuredFiles& files, int dp, std::uint64_t seed);
  Upward(Upward&&) noexcept;
  Upward& operator=(Upward&&) = delete;
  ~Upward();

  [[nodiscard]] const LargerMesh& mesh() const;
  [[nodiscard]] const MeasuredRun& run() const;

  /// A block as it was played: when it began and ended in the larger job.
  struct PlayedBlock {
    int block = 0;
    double begin_ns = 0, end_ns = 0;
  };
  /// What is wanted of the larger job.
  struct Takes {
    UpwardPlay::Take step{};
    UpwardPlay::TakeSpan span{};  // may be empty
  };
  using Progress = std::function<void(double share)>;
  /// Plays every block that was measured, one after the other as far apart as they were, from begin_ns on. Once.
  Result<std::vector<PlayedBlock>> play(double begin_ns, const Takes& takes, const Progress& progress);
  /// So many steps of all ranks play() has to tell, and so many spans.
  [[nodiscard]] std::uint64_t steps() const;
  [[nodiscard]] std::uint64_t spans() const;
  /// What it shows, after play().
  [[nodiscard]] Result<Prediction> predict(const Progress& progress) const;

 private:
  struct Private;
  explicit Upward(std::unique_ptr<Private> all);
  std::unique_ptr<Private> private_;
};

}  // namespace grit
