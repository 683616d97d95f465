// Where the operations of a process are kept from NCCL's telling of them until they are written down.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "harness/record/nccl_part.hpp"

namespace grit {

/// One operation. NCCL's threads fill it in, each field by one of them at a time; the writer only reads.
struct alignas(64) OperationSlot {
  enum class State : std::uint32_t { empty, open, written };
  std::atomic<State> state{State::empty};
  std::atomic<std::uint64_t> ticket{0};  // which of all that were ever claimed it is
  std::uint32_t communicator = 0;  // what does not change while it is open; `given.channels` is 0 where nobody says
  std::uint64_t number = 0;
  NcclOperationRecord given{};
  std::atomic<std::uint32_t> channels_begun{0}, channels_ended{0};
  std::atomic<std::int64_t> first_start_ns{0}, last_start_ns{0}, stop_ns{0}, start_seen_ns{0}, stop_seen_ns{0};

  /// A channel began at `device_ns` of the device's clock, which NCCL has seen by `seen_ns` of the host's.
  void begin_channel(std::int64_t device_ns, std::int64_t seen_ns);
  /// One has ended.
  void end_channel(std::int64_t device_ns, std::int64_t seen_ns);
  void stop_channel() { channels_ended.fetch_add(1, std::memory_order_release); }
  /// Without an end where a channel still runs: that of the others would be too early.
  [[nodiscard]] NcclRecord record() const;
};

/// A ring of slots for all threads of a process; neither side ever waits, calls the kernel or allocates.
class OperationRing {
 public:
  explicit OperationRing(std::uint32_t slots) : slots_(std::make_unique<OperationSlot[]>(slots)), size_(slots) {}

  /// An empty slot, for the caller alone until publish(). Null: the ring is full; the loss is counted.
  OperationSlot* claim();
  static void publish(OperationSlot& slot) { slot.state.store(OperationSlot::State::open, std::memory_order_release); }
  /// The operation of that ticket. Null: it is written down, and its slot may be another's.
  [[nodiscard]] OperationSlot* find(std::uint64_t ticket) {
    OperationSlot& slot = slots_[ticket % size_];
    const bool is_open = slot.state.load(std::memory_order_acquire) == OperationSlot::State::open;
    return is_open && slot.ticket.load(std::memory_order_relaxed) == ticket ? &slot : nullptr;
  }
  /// Counts an operation that has no place here.
  void lose() { lost_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] bool is_half_full() const {
    return 2 * (head_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_relaxed)) > size_;
  }
  [[nodiscard]] std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }

  /// The writer's: `take` is asked of every open slot, oldest first, whether it has written it down.
  template <class Take>
  void sweep(const Take& take) {
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    for (std::uint64_t at = tail; at != head; ++at) {
      OperationSlot& slot = slots_[at % size_];
      if (slot.state.load(std::memory_order_acquire) == OperationSlot::State::open && take(slot))
        slot.state.store(OperationSlot::State::written, std::memory_order_relaxed);
    }
    for (; tail != head && slots_[tail % size_].state.load(std::memory_order_relaxed) == OperationSlot::State::written;
         ++tail)
      slots_[tail % size_].state.store(OperationSlot::State::empty, std::memory_order_relaxed);
    tail_.store(tail, std::memory_order_release);
  }

 private:
  std::unique_ptr<OperationSlot[]> slots_;
  std::uint64_t size_;
  alignas(64) std::atomic<std::uint64_t> head_{0};  // the next to be claimed
  alignas(64) std::atomic<std::uint64_t> tail_{0};  // the oldest that is not empty
  std::atomic<std::uint64_t> lost_{0};
};

}  // namespace grit
