// An example of data that arrived wrong, and where it waits in a rank's shared memory until the node's observer takes
// it: off the hot path, for it is written only when something is wrong already.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "harness/base/json.hpp"
#include "harness/model/collective_record.hpp"

namespace grit {

struct WrongValue {
  std::uint32_t block = 0;     // Block::index
  std::uint32_t step = 0;      // of the pattern, and StepRecord::step
  std::uint32_t sequence = 0;  // CollectiveRecord::sequence
  std::int32_t source = -1;    // rank of the job that it came from; -1: a sum, of all ranks of the group
  std::uint64_t element = 0;   // as the pattern counts them (harness/model/pattern_values.hpp)
  std::uint32_t expected_bits = 0;
  std::uint32_t got_bits = 0;
  std::uint16_t group = 0;
  CollectiveOperation operation = CollectiveOperation::all_reduce;
  DataType type = DataType::fp32;
};
static_assert(sizeof(WrongValue) == 40 && std::is_trivially_copyable_v<WrongValue>);

/// The event "wrong_value" that tells it of a rank (harness/model/event.hpp).
Json wrong_value_event(const WrongValue& value, int node, int rank);
struct WrongReport {
  int rank = -1;  // that saw it
  WrongValue value{};
};
/// Nothing: not such an event as documented.
std::optional<WrongReport> wrong_report_in(const Json& event);

/// Of one rank. One producer, the rank, and one consumer. A rank whose every value is wrong says no more of it than one
/// in which one is: examples do, and step records have the counts.
class WrongValues {
 public:
  static constexpr std::uint32_t kExamplesABlock = 4;

  /// Keeps the first few of each block; where nobody has taken the earlier ones yet, not even these.
  void add(const WrongValue& value) {
    if (value.block != block_) block_ = value.block, in_block_ = 0;
    const std::uint64_t written = written_.load(std::memory_order_relaxed);
    if (in_block_ == kExamplesABlock || written - taken_.load(std::memory_order_acquire) == kPlaces) return;
    ++in_block_;
    values_[written % kPlaces] = value;
    written_.store(written + 1, std::memory_order_release);
  }

  /// The oldest that was not taken yet.
  std::optional<WrongValue> take() {
    const std::uint64_t taken = taken_.load(std::memory_order_relaxed);
    if (written_.load(std::memory_order_acquire) == taken) return std::nullopt;
    const WrongValue value = values_[taken % kPlaces];
    taken_.store(taken + 1, std::memory_order_release);
    return value;
  }

 private:
  static constexpr std::uint64_t kPlaces = 16;

  std::atomic<std::uint64_t> written_{0}, taken_{0};
  std::uint32_t block_ = 0, in_block_ = 0;  // the producer's
  WrongValue values_[kPlaces];
};

}  // namespace grit
