// Where a rank's spans wait until somebody takes them: a ring of records that the caller gives.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>

#include "harness/base/result.hpp"
#include "harness/model/collective_record.hpp"

namespace grit {

/// Of one thread. Allocates nothing and makes no system call. Records leave it in the order in which their operations
/// were begun, so one that never completes keeps those after it back.
class SpanSink {
 public:
  static constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();

  /// `ring` outlives the sink; its size is a power of two: the most records that can wait at a time.
  explicit SpanSink(std::span<CollectiveRecord> ring) : ring_(ring) { GRIT_ASSERT(std::has_single_bit(ring.size())); }

  /// What is begun from now on belongs to this step.
  void begin_step(std::uint32_t step) { step_ = step; }

  /// An operation begins. Its place in the ring, or kNone: it is full, and the record is dropped, which is counted.
  std::uint64_t begin(const CollectiveRecord& record) {
    if (begun_ - taken_ == ring_.size()) {
      ++dropped_;
      return kNone;
    }
    CollectiveRecord& place = at(begun_);
    place = record;
    place.step = step_;
    return begun_++;
  }

  /// A device has timed when it came to the operation, which was begun before.
  void enter(std::uint64_t place, std::int64_t entry_ns) {
    if (!is_here(place)) return;
    CollectiveRecord& record = at(place);
    record.entry_ns = std::max(record.entry_ns, entry_ns);
    if (record.wait_ns != 0) record.wait_ns = std::max(record.wait_ns, record.entry_ns);
  }

  /// `exit_ns` may be before this is called, where a device has timed the end: whoever began to wait only then did not
  /// wait for it.
  void end(std::uint64_t place, std::int64_t exit_ns) {
    if (!is_here(place)) return;
    CollectiveRecord& record = at(place);
    record.exit_ns = std::max(exit_ns, record.entry_ns);
    if (record.wait_ns > record.exit_ns) record.wait_ns = 0;
  }

  /// The rank begins to wait for this operation. Only the first time counts.
  void wait(std::uint64_t place, std::int64_t now_ns) {
    if (is_here(place)) note_wait(at(place), now_ns);
  }
  /// The same for every operation that is not complete.
  void wait_all(std::int64_t now_ns) {
    // Those before it are complete for good: each is passed over once.
    first_open_ = std::max(first_open_, taken_);
    while (first_open_ != begun_ && at(first_open_).exit_ns != 0) ++first_open_;
    for (std::uint64_t place = first_open_; place != begun_; ++place) note_wait(at(place), now_ns);
  }

  /// Nothing where the record was dropped or taken before.
  void add_wrong(std::uint64_t place, std::uint64_t values) {
    if (!is_here(place)) return;
    std::uint32_t& wrong = at(place).wrong;
    wrong +=
        static_cast<std::uint32_t>(std::min<std::uint64_t>(values, std::numeric_limits<std::uint32_t>::max() - wrong));
  }

  /// Moves out the records at the front whose operations are complete, as many as fit; returns how many. To be called
  /// between steps, when what came of a step's operations has been checked.
  std::size_t take(std::span<CollectiveRecord> out) {
    std::size_t count = 0;
    while (count < out.size() && taken_ != begun_ && at(taken_).exit_ns != 0) out[count++] = at(taken_++);
    return count;
  }

  /// The same into a ring of shared memory (harness/record/ring.hpp), as far as it has room: what does not fit waits
  /// here, and what finds no place here either is dropped. The ring's `lost` says how many. No lock, no system call.
  template <class SharedRing>
  void hand_over(SharedRing& ring) {
    for (std::span<CollectiveRecord> room = ring.room(); !room.empty(); room = ring.room()) {
      const std::size_t taken = take(room);
      ring.add(taken);
      if (taken < room.size()) break;
    }
    ring.lost.store(dropped_, std::memory_order_relaxed);
  }

  /// The same after the last step: what finds no room, or is not complete, is dropped.
  template <class SharedRing>
  void finish(SharedRing& ring) {
    hand_over(ring);
    ring.lost.store(dropped_ + (begun_ - taken_), std::memory_order_relaxed);
  }

  /// Records for which there was no place.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  CollectiveRecord& at(std::uint64_t place) { return ring_[place & (ring_.size() - 1)]; }
  static void note_wait(CollectiveRecord& record, std::int64_t now_ns) {
    if (record.exit_ns == 0 && record.wait_ns == 0) record.wait_ns = now_ns;
  }
  [[nodiscard]] bool is_here(std::uint64_t place) const { return place >= taken_ && place < begun_; }

  std::span<CollectiveRecord> ring_;
  std::uint32_t step_ = 0;
  std::uint64_t begun_ = 0;
  std::uint64_t first_open_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace grit
