// A ring of records in shared memory: one process writes, one reads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace grit {

/// Neither side ever waits for the other. `kCapacity` is a power of two.
template <class Record, std::uint32_t kCapacity>
struct Ring {
  static_assert((kCapacity & (kCapacity - 1)) == 0, "positions in the ring are taken by a mask");
  static constexpr std::uint32_t capacity = kCapacity;

  alignas(64) std::atomic<std::uint64_t> head{0};  // records written
  std::atomic<std::uint64_t> lost{0};  // records for which there was no place; never silently: the report says so
  alignas(64) std::atomic<std::uint64_t> tail{0};  // records read
  Record records[kCapacity];

  /// The writer's: appends one; two atomic loads, a copy, one release store. A full ring drops it and counts it.
  void push(const Record& record) {
    const std::span<Record> free = room();
    if (free.empty()) {
      lost.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    free.front() = record;
    add(1);
  }
  /// The writer's: where the next records go, up to the end of the ring or to the first that was not read.
  [[nodiscard]] std::span<Record> room() {
    const std::uint64_t at = head.load(std::memory_order_relaxed);  // ours alone
    const std::uint64_t waiting = at - tail.load(std::memory_order_acquire);
    const std::uint64_t start = at % kCapacity;
    const std::uint64_t free = waiting < kCapacity ? kCapacity - waiting : 0;
    return {records + start, static_cast<std::size_t>(std::min<std::uint64_t>(free, kCapacity - start))};
  }
  /// The writer's: the first `count` of room() are records now.
  void add(std::size_t count) { head.store(head.load(std::memory_order_relaxed) + count, std::memory_order_release); }

  /// How many records the reader, who alone may ask, has not taken.
  [[nodiscard]] std::size_t waiting() const {
    // The bound keeps a head that a stray write of the writer spoiled from making us read the ring round and round.
    return static_cast<std::size_t>(std::min<std::uint64_t>(
        head.load(std::memory_order_acquire) - tail.load(std::memory_order_relaxed), kCapacity));
  }
  /// The reader's: takes at most out.size() records; returns how many.
  std::size_t pop(std::span<Record> out) {
    const std::uint64_t at = tail.load(std::memory_order_relaxed);  // ours alone
    const std::size_t count = std::min(waiting(), out.size());
    const std::size_t start = at % kCapacity;
    const std::size_t before_wrap = std::min<std::size_t>(count, kCapacity - start);
    std::copy_n(records + start, before_wrap, out.begin());
    std::copy_n(records, count - before_wrap, out.begin() + static_cast<std::ptrdiff_t>(before_wrap));
    tail.store(at + count, std::memory_order_release);
    return count;
  }
};

}  // namespace grit
