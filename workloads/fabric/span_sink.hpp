// Where a rank's spans wait until somebody takes them: a ring of records that the caller gives.
#pragma once

#include <algorithm>
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

  void end(std::uint64_t place, std::int64_t exit_ns) {
    if (is_here(place)) at(place).exit_ns = exit_ns;
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

  /// Records for which there was no place.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  CollectiveRecord& at(std::uint64_t place) { return ring_[place & (ring_.size() - 1)]; }
  [[nodiscard]] bool is_here(std::uint64_t place) const { return place >= taken_ && place < begun_; }

  std::span<CollectiveRecord> ring_;
  std::uint32_t step_ = 0;
  std::uint64_t begun_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace grit
