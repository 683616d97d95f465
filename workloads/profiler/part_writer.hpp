// The thread that writes a process's operations down.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "harness/base/fd.hpp"
#include "workloads/profiler/operation_ring.hpp"

namespace grit {

/// Communicators beyond so many are passed over, and their operations count as lost.
inline constexpr std::uint32_t kMostCommunicators = 1024;

/// Owns the file of this process and, every 100 ms, moves to it the operations that have ended; a kill costs what is
/// newer. Of an operation whose device times do not all come (NCCL tells none of some kinds) what there is is written a
/// second after a later one of the same communicator has ended, since they follow each other.
class PartWriter {
 public:
  /// Makes `directory`/HOST-PID-TIME.grit-nccl, where there is none yet, and begins. Null: it cannot; `why` says why.
  static std::unique_ptr<PartWriter> open(const std::string& directory, OperationRing& ring, std::string& why);
  PartWriter(const PartWriter&) = delete;
  PartWriter& operator=(const PartWriter&) = delete;
  ~PartWriter();

  /// Another communicator; its index in the part. Below 0: there are too many.
  std::int32_t add(const NcclCommunicatorRecord& communicator);
  /// All that has ended is in the file when it returns; of a communicator that NCCL gives up also what has not.
  void flush(std::int32_t given_up = -1);

 private:
  /// How far a communicator has come.
  struct Progress {
    std::uint64_t ended = 0;         // the number after that of the latest operation that has ended
    std::uint64_t ended_before = 0;  // as it was at the last look but one, a second and more ago,
    std::uint64_t ended_at_look = 0;
    std::int64_t looked_ns = 0;  // and at the last one
    bool is_given_up = false;
  };

  PartWriter(Fd file, OperationRing& ring) : file_(std::move(file)), ring_(ring) {}
  void work();
  // All with mutex_.
  void sweep();
  void look_again();
  [[nodiscard]] bool is_over(const OperationSlot& slot);
  void write_waiting();

  Fd file_;
  OperationRing& ring_;
  std::mutex mutex_{};
  std::condition_variable changed_{};
  bool is_ending_ = false;  // what follows is the mutex's
  std::uint32_t communicators_ = 0;
  std::array<Progress, kMostCommunicators> progress_{};
  std::vector<NcclRecord> waiting_{};
  std::uint64_t written_ = 0, lost_before_ = 0, lost_told_ = 0;
  std::thread thread_{};
};

}  // namespace grit
