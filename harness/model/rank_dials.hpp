// What faults turn in a rank, and what came of it: in the node's shared memory, read by the workload with relaxed
// loads.
#pragma once

#include <atomic>
#include <cstdint>

namespace grit {

/// RankDials::flip_bit besides the bits' own numbers.
inline constexpr std::int64_t kFlipNone = -1;
inline constexpr std::int64_t kFlipSign = -2;
inline constexpr std::int64_t kFlipExponent = -3;  // its lowest bit
inline constexpr std::int64_t kFlipMantissa = -4;  // its highest bit
inline constexpr std::int64_t kFlipAny = -5;       // another one in each step

struct RankDials {
  std::atomic<std::int64_t> delay_ns{0};         // added to the forward pass of a step
  std::atomic<std::int64_t> delay_jitter_ns{0};  // at random up to so much more
  std::atomic<std::int64_t> delay_every{1};      // in every so many-th step only
  std::atomic<std::int64_t> router_imbalance_ppm{
      0};  // the share by which a router prefers one expert more than it is set to, in millionths
  std::atomic<std::int64_t> flip_bit{kFlipNone};  // of one element of the gradients, counted from the lowest
  std::atomic<std::int64_t> flip_every{1};        // in every so many-th step only
  std::atomic<std::int64_t> flip_seed{0};         // chooses the element
  // Counters, only ever growing.
  std::atomic<std::int64_t> delayed_steps{0};
  std::atomic<std::int64_t> delayed_ns{0};
  std::atomic<std::int64_t> imbalanced_tokens{0};  // that a router sent elsewhere than it is set to
  std::atomic<std::int64_t> flipped_bits{0};
  std::atomic<std::int64_t> throttled_ns{0};  // what kernels of the emulated accelerator took beyond the nominal clock
};

}  // namespace grit
