// What faults turn in a rank, and what came of it: in the node's shared memory, read by the workload with relaxed
// loads.
#pragma once

#include <atomic>
#include <cstdint>

namespace grit {

struct RankDials {
  std::atomic<std::int64_t> delay_ns{0};         // added to the forward pass of a step
  std::atomic<std::int64_t> delay_jitter_ns{0};  // at random up to so much more
  std::atomic<std::int64_t> delay_every{1};      // in every so many-th step only
  // Counters, only ever growing.
  std::atomic<std::int64_t> delayed_steps{0};
  std::atomic<std::int64_t> delayed_ns{0};
  std::atomic<std::int64_t> throttled_ns{0};  // what kernels of the emulated accelerator took beyond the nominal clock
};

}  // namespace grit
