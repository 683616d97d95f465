// What every rank of a run did in every step, as something that can be played again with other numbers: stretches of
// its own work, operations that it began, and where it waited for which of them.
//
// An operation among n ranks is over when the last of them has begun it, the one before it in its group is over (groups
// keep one order, as a stream does), and its transfer has passed:
//   over = max(latest entry, end of the one before) + transfer.
// A rank that waits for it goes on then, or a little later (its lag: ranks do not see the end at the same moment). So
// the measured times are what playing the measured numbers gives, and other numbers give another step.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/model/collective_record.hpp"
#include "harness/model/mesh_groups.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"

namespace grit {

/// Do blocks of this kind tell how ranks work and operations go, without a fault or under it? Not while a job warms up
/// or comes to itself again.
constexpr bool shows_work(BlockKind kind) {
  return kind == BlockKind::baseline || kind == BlockKind::sham || kind == BlockKind::fault;
}

/// One operation as one rank had it. Nanoseconds.
struct PlayedOperation {
  std::uint16_t axis = 0;     // place in MeasuredRun::axes()
  std::uint16_t ordinal = 0;  // among those of its group in this step
  CollectiveOperation kind = CollectiveOperation::all_reduce;
  DataType type = DataType::fp32;
  std::int64_t bytes = 0;  // CollectiveRecord::bytes
  double transfer_ns = 0;  // the same on all ranks of the group
  double lag_ns = 0;       // of this rank, which waited; else 0
};

/// Works, then begins an operation or waits for it.
struct PlayedAction {
  double work_ns = 0;
  std::uint16_t operation = 0;  // among those of the step
  bool waits = false;
};

/// A step of a rank.
struct StepProgram {
  std::span<const PlayedAction> actions{};
  std::span<const PlayedOperation> operations{};
  double gap_ns = 0;   // own time between the step before, or the block's beginning, and this step
  double tail_ns = 0;  // own work after the last action
  double work_ns = 0;  // all of its own, gap and tail too
  const StepRecord* record = nullptr;
  /// Its record and all spans are there, and those of all others that it met: it can be played.
  bool whole = false;
};

class MeasuredRun {
 public:
  /// The records and the plan are kept by the caller. `clock` is clock.json. Error (usage): no spans, none that fit the
  /// steps, or point-to-point transfers, which this cannot play.
  static Result<MeasuredRun> read(const Plan& plan, std::span<const StepRecord> records,
                                  std::span<const CollectiveRecord> spans, const Json& clock);

  /// Groups over which operations went: "world", "dp", "tp" ...
  [[nodiscard]] const std::vector<std::string>& axes() const { return axes_; }
  [[nodiscard]] int ranks() const { return static_cast<int>(ranks_); }
  /// Steps of a block, by Block::index; they are counted over the whole run.
  struct Range {
    std::uint32_t first = 0, count = 0;
    double begin_ns = 0, end_ns = 0;  // of the first rank to begin and the last to end, on node 0's clock
  };
  [[nodiscard]] const Range& steps_of(int block) const { return blocks_[static_cast<std::size_t>(block)]; }
  [[nodiscard]] const StepProgram& program(std::uint32_t step, int rank) const {
    return programs_[step * ranks_ + static_cast<std::size_t>(rank)];
  }
  /// Of the steps that have a record, those that cannot be played.
  [[nodiscard]] double broken_share() const { return broken_share_; }

 private:
  friend class MeasuredRunReader;
  std::vector<std::string> axes_{};
  std::size_t ranks_ = 0;
  std::vector<Range> blocks_{};
  std::vector<PlayedAction> actions_{};
  std::vector<PlayedOperation> operations_{};
  std::vector<StepProgram> programs_{};  // by step and rank
  double broken_share_ = 0;
};

}  // namespace grit
