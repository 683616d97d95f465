// Host threads of a rank between its accelerator's buffers and the network's: what NCCL's proxy threads do where the
// NIC cannot read the accelerator's memory (no GPUDirect RDMA).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// Two copies of the same data, and threads that copy between them. All work of a copy is done by the threads, none by
/// the caller, who waits: a thread that does not get a CPU holds the operation up.
class HostStaging {
 public:
  /// One thread copies so much at a time and lets others run in between: a slice of NCCL's buffer, 4 MiB in 8 steps
  /// (NCCL_BUFFSIZE and NCCL_STEPS, src/include/device.h and docs).
  static constexpr std::size_t kChunk_bytes = 512 * 1024;

  /// `threads`: at least 1. They have the affinity of the caller, and end with this object. Error (unavailable): no
  /// memory, or no more threads.
  static Result<std::unique_ptr<HostStaging>> make(int threads, std::size_t bytes);
  HostStaging(const HostStaging&) = delete;
  HostStaging& operator=(const HostStaging&) = delete;
  ~HostStaging();

  /// The network's side: as large as was asked for.
  [[nodiscard]] std::byte* buffer() { return buffer_.data(); }

  /// Copies by the threads, chunk by chunk in turn; returns when all is there. Of one thread at a time.
  void copy(std::byte* to, const std::byte* from, std::size_t bytes);

 private:
  explicit HostStaging(std::size_t bytes) : buffer_(bytes) {}
  void serve(std::size_t index);

  std::vector<std::byte> buffer_;
  std::byte* to_ = nullptr;
  const std::byte* from_ = nullptr;
  std::size_t bytes_ = 0;
  std::atomic<bool> ending_{false};
  std::atomic<std::uint32_t> asked_{0};  // copies
  std::atomic<std::uint32_t> done_{0};   // by all threads, over all copies
  std::vector<std::jthread> threads_;
};

}  // namespace grit
