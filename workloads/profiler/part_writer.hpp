// The thread that writes a process's operations down.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "harness/record/nccl_part.hpp"
#include "workloads/profiler/operation_ring.hpp"

namespace grit {

/// Communicators beyond so many are passed over, and their operations count as lost.
inline constexpr std::uint32_t kMostCommunicators = 1024;

/// Owns the file of this process and, every 100 ms, moves to it the operations that have ended; a kill costs what is
/// newer. An operation has ended when as many channels have as NCCL said beforehand or, since NCCL does not launch all
/// of these, when all that began have, a second ago. One without any that runs is written a second after a later one of
/// the same communicator has ended. One that has begun stays until it ends or NCCL gives its communicator up; where the
/// ring is half full, also what has waited for long is written, as it is.
///
/// Only the thread touches the file system: the job's threads never wait for that longer than 2 s (10 s at the start),
/// and not again while it stands still. A thread that hangs there is left behind, with what it needs; the ring must
/// therefore live as long as the process.
class PartWriter {
 public:
  /// Makes `directory`/HOST-PID-TIME.grit-nccl, where there is none yet, and begins. Null: it cannot; `why` says why.
  static std::unique_ptr<PartWriter> open(const std::string& directory, OperationRing& ring, std::string& why);
  PartWriter(const PartWriter&) = delete;
  PartWriter& operator=(const PartWriter&) = delete;
  /// Writes all that is left, as flush() of all communicators.
  ~PartWriter();

  /// Another communicator; its index in the part. Below 0: there are too many.
  std::int32_t add(const NcclCommunicatorRecord& communicator);
  /// All that has ended is in the file when it returns; of a communicator that NCCL gives up also what has not. False:
  /// it is not, since the file system stands still.
  bool flush(std::int32_t given_up = -1);

 private:
  class Work;
  explicit PartWriter(std::shared_ptr<Work> work) : work_(std::move(work)) {}

  std::shared_ptr<Work> work_;
  std::thread thread_{};
};

}  // namespace grit
