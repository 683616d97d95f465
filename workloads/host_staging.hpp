// Host threads of a rank between its accelerator's buffers and the network's: what NCCL's proxy threads do where the
// NIC cannot read the accelerator's memory (no GPUDirect RDMA).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/params.hpp"

namespace grit {

/// `helper_threads` of every workload; 0: there is nothing to copy, and no HostStaging.
ParamSpec helper_threads_param();

/// A second copy of each buffer that collectives read and write, on the network's side, and threads that copy between
/// the two. All work of a copy is done by the threads, none by the caller, who waits: a thread that does not get a CPU
/// holds the operation up.
class HostStaging {
 public:
  /// One thread copies so much at a time and lets others run in between: a slice of NCCL's buffer, 4 MiB in 8 steps
  /// (NCCL_BUFFSIZE and NCCL_STEPS, src/include/device.h and docs).
  static constexpr std::size_t kChunk_bytes = 512 * 1024;

  /// `threads`: at least 1. They have the affinity of the caller, and end with this object. Error (unavailable): no
  /// memory, or no more threads.
  static Result<std::unique_ptr<HostStaging>> make(int threads);
  HostStaging(const HostStaging&) = delete;
  HostStaging& operator=(const HostStaging&) = delete;
  ~HostStaging();

  /// Makes the second copy, of as many bytes. `buffer` stays where it is and outlives the last copy.
  void add(std::span<const std::byte> buffer);
  /// What stands for this byte of a buffer on the network's side. One of a buffer that was added.
  [[nodiscard]] std::byte* network_side(const std::byte* at);

  /// Copies by the threads, chunk by chunk in turn; return when all is there. Of one thread at a time. `at`: so many
  /// bytes from there on are those of a buffer that was added.
  void to_network(const std::byte* at, std::size_t bytes) { copy(network_side(at), at, bytes); }
  void from_network(std::byte* at, std::size_t bytes) { copy(at, network_side(at), bytes); }

 private:
  struct Pair {
    std::span<const std::byte> buffer{};
    std::vector<std::byte> network_side{};
  };

  HostStaging() = default;
  void copy(std::byte* to, const std::byte* from, std::size_t bytes);
  void serve(std::size_t index);

  std::vector<Pair> pairs_{};
  std::byte* to_ = nullptr;
  const std::byte* from_ = nullptr;
  std::size_t bytes_ = 0;
  std::atomic<bool> ending_{false};
  std::atomic<std::uint32_t> asked_{0};  // copies
  std::atomic<std::uint32_t> done_{0};   // by all threads, over all copies
  std::vector<std::jthread> threads_{};
};

}  // namespace grit
