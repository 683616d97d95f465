// The larger job, played step by step: measured ranks as they were, further ones drawn, and who waits for whom.
//
// What is played is a measured block. In each of its steps a measured unit does exactly what it did then, and so does
// the fault that it may have. A further unit does what some unit without a fault did in consecutive steps of blocks of
// the same kind, with effects of its own in the place of that unit's, and with the common factor of the step that is
// played in the place of that of the steps it was drawn from. An operation across replicas takes as long as it did, and
// as much longer as more ranks make it (transfer_model.hpp); one within a replica as long as it did where it comes
// from. So with as many ranks as were measured the measured steps come out.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "analysis/simulate/larger_mesh.hpp"
#include "analysis/simulate/measured_run.hpp"
#include "analysis/simulate/transfer_model.hpp"
#include "analysis/simulate/work_model.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// One step of one rank of the larger job.
struct SimulatedStep {
  std::uint32_t step = 0;  // of the measured run, which is played
  int rank = 0;
  const StepProgram* program = nullptr;  // of the measured rank and step that it was made of
  double factor = 1;                     // by which its own work was longer
  double start_ns = 0, end_ns = 0;
  double first_entry_ns = 0, last_exit_ns = 0;  // of its operations
};

/// What the models leave open, settled.
struct UpwardNumbers {
  double deviation = 0;           // of the logarithm of further ranks' effects
  LinkModel link{};               // outside of fault blocks
  LinkModel link_under_faults{};  // in them
  std::uint64_t seed = 1;
};

class UpwardPlay {
 public:
  /// The first three are kept by the caller.
  UpwardPlay(const MeasuredRun& run, const LargerMesh& mesh, const WorkModel& work, const UpwardNumbers& numbers);

  using Take = std::function<void(const SimulatedStep&)>;
  /// Called with every operation of every rank, as its span, when the rank goes on after it; empty: with none.
  using TakeSpan = std::function<void(const CollectiveRecord&)>;
  void take_spans(TakeSpan take);
  /// Plays the measured block, in which faults act or not, from a moment on; calls for every rank of every step, in
  /// order of steps and, within one, of ranks. Returns when the last rank ended. Memory O(ranks). Error (internal):
  /// ranks wait for each other for ever, which no measured program makes them do.
  Result<double> play(int block, bool has_faults, double begin_ns, const Take& take);

 private:
  struct Rank {
    const StepProgram* program = nullptr;
    double factor = 1;
    double now_ns = 0, start_ns = 0, first_entry_ns = 0, last_exit_ns = 0;
    std::uint32_t action = 0;  // the next one
    std::int32_t next = -1;    // who waits for the same operation
    bool is_measured = false;  // it does what it did
    bool has_worked = false;   // before that action, for which it waits
  };
  /// One operation among all ranks of a group.
  struct Instance {
    double latest_entry_ns = 0, transfer_ns = 0, over_ns = 0;
    std::uint32_t entered = 0;
    std::int32_t waiting = -1;  // the first rank that waits for it
    bool is_measured = false;   // transfer_ns is of the step that is played
    bool is_over = false;
  };
  /// Of a further unit: what it is made of now.
  struct Source {
    std::size_t donor = 0;
    std::uint32_t left = 0;  // steps of the stretch
    std::uint64_t random = 0;
  };

  void begin_step(std::uint32_t step, bool has_faults);
  void begin_unit(int unit, std::uint32_t step, const std::vector<Donor>& donors);
  const Donor& next_donor(Source& source, const std::vector<Donor>& donors) const;
  void advance(int rank);
  void begin_operation(int rank, const PlayedAction& action);
  bool wait(int rank, const PlayedAction& action);
  void tell_span(int rank, const PlayedAction& action, double asked_ns, double seen_ns);
  [[nodiscard]] std::size_t instance_of(int rank, const PlayedOperation& operation) const;
  [[nodiscard]] double growth_ns(const PlayedOperation& operation) const;

  const MeasuredRun& run_;
  const LargerMesh& mesh_;
  const WorkModel& work_;
  UpwardNumbers numbers_;
  bool under_faults_ = false;
  std::size_t operations_ = 0;                  // most of one group in a step
  std::vector<std::uint32_t> group_of_{};       // by axis and rank
  std::vector<std::uint32_t> measured_size_{};  // of a group, by axis
  std::vector<std::uint32_t> size_{};           // of a group of the larger job, by axis
  std::vector<double> effects_{};               // by rank
  std::vector<Rank> ranks_{};
  std::vector<Source> sources_{};       // by unit
  std::vector<Instance> instances_{};   // by group and place in the step
  std::vector<double> last_over_ns_{};  // by group
  std::vector<int> ready_{};            // ranks that may go on
  // --- spans, when they are taken
  TakeSpan take_span_{};
  std::size_t most_operations_ = 0;  // of a rank in a step
  std::uint32_t step_ = 0;
  std::vector<double> entries_ns_{};        // by rank and operation
  std::vector<std::uint32_t> sequences_{};  // by group: operations of the steps before
};

}  // namespace grit
