// Who writes a rank's checkpoint: the rank itself within the step, or a thread beside the steps that follow.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// A rank's part of the state after a step.
struct CheckpointedState {
  std::int64_t step = -1;
  std::span<const std::byte> part{};
  std::uint64_t checksum_of_all = 0;  // of the state that the parts make together
};

/// A buffer to which the rank copies its part of the state, and who writes that. Asynchronous it is a thread, as with
/// torch.distributed.checkpoint's async_save(): the step goes on when the copy is there. There is one buffer, so that a
/// checkpoint waits until the one before was written (as in torchtitan/components/checkpoint.py, _async_wait()).
/// Of one thread beside its own.
class CheckpointWriter {
 public:
  /// Writes and flushes. Where it takes long it looks whether it is to give up, and fails then.
  using Write = std::function<Status(const CheckpointedState& state, const std::stop_token& given_up)>;

  /// `bytes`: of the largest part. What `write` uses outlives this object, and what the thread writes then is given up.
  /// The thread has the affinity of the caller. Error (unavailable): no memory, or no more threads.
  static Result<std::unique_ptr<CheckpointWriter>> make(std::size_t bytes, bool asynchronous, Write write);
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;
  ~CheckpointWriter() = default;

  /// The buffer, when it is free. Error: what was in it could not be written.
  Result<std::span<std::byte>> buffer();
  /// Writes the first so many bytes of the buffer, which was got before. Synchronous: returns when they are flushed, or
  /// could not be written; asynchronous: at once, and the next buffer() or finish() has the error.
  Status write(std::int64_t step, std::size_t bytes, std::uint64_t checksum_of_all);
  /// Returns when all is written. Error: it could not be.
  Status finish();

 private:
  CheckpointWriter(std::size_t bytes, Write write) : buffer_(bytes), write_(std::move(write)) {}
  void serve(const std::stop_token& ending);

  std::vector<std::byte> buffer_;
  Write write_;
  std::mutex mutex_{};
  std::condition_variable_any changed_{};
  std::optional<CheckpointedState> handed_over_{};  // until it is written
  Status outcome_{};                                // the first error of the thread
  std::jthread thread_{};                           // last: it ends before what it uses
};

}  // namespace grit
