// The memory that a rank shares with the processes that load its data, and what such a process does.
//
// A memfd: it has no name, and goes with the last process that has it. Each worker has places for the batches that it
// keeps ahead; worker n makes batches first + n, first + n + workers, first + n + 2 · workers ... and puts them into
// its places in turn, so that the rank takes all batches in order (as torch.utils.data.DataLoader does).
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// Where a worker finds the shared memory and the data file when it starts.
constexpr int kInputRingFd = 3, kInputFileFd = 4;

/// How batches are made, by whichever process.
struct InputShape {
  std::int64_t workers = 0;
  std::int64_t prefetch = 0;      // places of each worker
  std::int64_t batch_bytes = 0;   // a multiple of kInputAlignment_bytes
  std::int64_t file_batches = 0;  // in the data file, gone round in
  std::int64_t passes = 0;        // recode()
  std::uint64_t first_batch = 0;  // with which the rank begins
};

class InputRing {
 public:
  /// Of one worker. Both count batches and wrap around; a futex each.
  struct Lane {
    alignas(64) std::atomic<std::uint32_t> made{0};
    alignas(64) std::atomic<std::uint32_t> taken{0};
    char error[256] = {};  // why it has ended by itself; written before
  };

  /// Error (internal): it cannot be made.
  static Result<InputRing> create(const InputShape& shape);
  /// In a worker. Error (internal): what was inherited is no such memory.
  static Result<InputRing> attach(Fd memory);
  /// What it takes of memory.
  static std::int64_t bytes_of(const InputShape& shape);

  InputRing(InputRing&& other) noexcept;
  InputRing& operator=(InputRing&&) = delete;
  InputRing(const InputRing&) = delete;
  InputRing& operator=(const InputRing&) = delete;
  ~InputRing();

  [[nodiscard]] const InputShape& shape() const;
  [[nodiscard]] pid_t owner() const;  // the rank
  [[nodiscard]] int descriptor() const { return memory_.get(); }
  [[nodiscard]] Lane& lane(std::int64_t worker) const;
  /// The place of a worker's `count`-th batch.
  [[nodiscard]] std::span<std::uint64_t> place(std::int64_t worker, std::uint32_t count) const;

 private:
  struct Header;
  InputRing(Fd memory, void* base, std::size_t bytes)
      : memory_(std::move(memory)), base_(static_cast<std::byte*>(base)), bytes_(bytes) {}
  [[nodiscard]] Header& header() const;

  Fd memory_;
  std::byte* base_;
  std::size_t bytes_;
};

/// Waits until `word` is no longer `value`, or for so long at most.
void wait_while(std::atomic<std::uint32_t>& word, std::uint32_t value, std::int64_t limit_ns);
/// Adds one, and wakes who waits for it.
void count_up(std::atomic<std::uint32_t>& word);

/// Reads batch `batch` of the file, which holds `file_batches`, to `words`, and decodes it. Error (unavailable): it
/// cannot be read, and why.
Status load_batch(int file, const InputShape& shape, std::uint64_t batch, std::span<std::uint64_t> words);

/// The main of `grit input-worker N`: loads batches until its rank ends, and dies with it. Returns its exit code.
int input_worker_main(std::int64_t worker);

}  // namespace grit
