// How all ranks end a block in time after the same step.
#pragma once

#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <array>
#include <cstdint>
#include <memory>

#include "harness/base/result.hpp"
#include "harness/model/scenario.hpp"
#include "workloads/workload.hpp"

namespace grit {

/// Only rank 0 looks at the clock. With the beginning of each step it tells all ranks whether the block's time is over,
/// by a broadcast of one number on a communicator of its own; a rank looks at what was told kEndAhead_steps - 1 steps
/// before when it has done a step. Meanwhile MPI carries it on whenever the workload polls, so that it is there as a
/// rule and nobody waits.
///
/// The number is all bits or none, and most of them count: one that flips on the way cannot make ranks disagree.
class BlockEnd {
 public:
  /// Duplicates `communicator`; collective over it, and so is the end of this. Of one thread. `phase`: where a rank
  /// that has to wait says so. Error (internal): MPI's.
  static Result<BlockEnd> make(MPI_Comm communicator, PhaseSink phase = PhaseSink());
  /// Before each step of the block. `time_is_over` counts on rank 0 alone. Error (internal): MPI's.
  Status begin_step(bool time_is_over);
  /// After it: was it the block's last? So it is kEndAhead_steps - 1 steps after the one with whose beginning rank 0
  /// said that time was over; then nothing is on its way any more, and the next step is another block's. A rank that
  /// must wait for what rank 0 told does so in communication: the step's exposed_comm_ns and end_ns have it. Error
  /// (internal): MPI's.
  Result<bool> end_step(StepRecord& record);

 private:
  /// Stays where it is, since MPI writes there.
  struct Told {
    Told() = default;
    Told(const Told&) = delete;
    Told& operator=(const Told&) = delete;
    ~Told();
    MPI_Comm communicator = MPI_COMM_NULL;
    std::array<MPI_Request, kEndAhead_steps> requests{};
    std::array<std::uint64_t, kEndAhead_steps> over{};
  };

  explicit BlockEnd(PhaseSink phase) : phase_(phase) {}
  Status wait(std::size_t place);

  PhaseSink phase_;
  std::unique_ptr<Told> told_ = std::make_unique<Told>();
  std::uint64_t begun_ = 0;  // steps of this block
};

}  // namespace grit
