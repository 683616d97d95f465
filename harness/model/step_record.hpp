// What a rank leaves behind for every step: one fixed-size record, the row type of steps.npy.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace grit {

/// Times are CLOCK_MONOTONIC of the rank's node; durations are of this rank alone. All in nanoseconds.
struct StepRecord {
  std::uint32_t rank = 0;
  std::uint32_t node = 0;
  std::uint32_t block = 0;  // Block::index
  std::uint32_t step = 0;   // counted over the whole run from 0
  std::uint32_t step_in_block = 0;
  std::uint32_t corrupted = 0;  // reduced values that were wrong in this step
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;
  std::int64_t input_ns = 0;  // making or reading the batch
  std::int64_t forward_ns = 0;
  std::int64_t backward_ns = 0;          // own work; collectives that overlap it do not add to it
  std::int64_t exposed_comm_ns = 0;      // waiting for gradient collectives with no own work left
  std::int64_t optimizer_ns = 0;         // update, with the check of the reduced values
  std::int64_t checkpoint_ns = 0;        // 0 in steps without one
  std::int64_t collective_entry_ns = 0;  // this rank entered the step's first collective (a time, not a duration)
  std::int64_t collective_exit_ns = 0;   // it left the last one
};
static_assert(sizeof(StepRecord) == 104 && std::is_trivially_copyable_v<StepRecord>);

/// What a rank is doing now; in shared memory for the agent's hang watch.
enum class Phase : std::uint32_t {
  idle,
  input,
  forward,
  backward,
  exposed_comm,
  optimizer,
  checkpoint,
  between_blocks
};
inline std::string_view to_string(Phase phase) {
  constexpr std::array<std::string_view, 8> kNames{"idle",         "input",     "forward",    "backward",
                                                   "exposed_comm", "optimizer", "checkpoint", "between_blocks"};
  return static_cast<std::size_t>(phase) < kNames.size() ? kNames[static_cast<std::size_t>(phase)] : "unknown";
}

}  // namespace grit
