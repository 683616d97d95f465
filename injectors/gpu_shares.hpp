// What a share of a GPU is, in multiprocessors and in copies a second; and how much of its memory no fault may take.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "injectors/gpu_load.hpp"

namespace grit {

/// To the nearest. Error (usage): less than one of them.
Result<int> multiprocessors_of(double share, int all);

/// Of what a lane that holds multiprocessors has a share.
enum class Held {
  multiprocessors,  // so many of them all the time
  time              // all of them so much of the time
};
/// Blocks that hold multiprocessors of a GPU, in slices of 5 ms. Three counters, from `held_counter` on: the sum of the
/// times that they ran, by the GPU's timer (ns); in which they had begun and another process had the GPU (ns); on how
/// many multiprocessors they were. Adds all multiprocessors to kGpuFull. Error: multiprocessors_of(); the GPU's.
Result<GpuLane> sm_lane(const OpenGpu& gpu, Held held, double share, int held_counter, WorkerPage& page);

/// Of one end of a copy within the GPU's memory: so that of both together, gone through again and again, little is left
/// in the cache when it is needed again, four times the cache, and 16 MiB at least; 256 MiB where it is not known.
std::int64_t past_cache_bytes(std::int64_t l2_bytes);

/// 1 GiB or 5 % of all, whichever is more: less and the driver itself, or a context of the job's, may fail.
std::int64_t gpu_floor_bytes(std::int64_t total_bytes);
/// What a fault may hold so that so much stays free. Error (usage): that is below the floor, or more than is free now.
Result<std::int64_t> holdable_bytes(std::int64_t stays_free_bytes, std::int64_t free_bytes, std::int64_t total_bytes);

/// Memory that a copy goes to or comes from.
struct CopyEnd {
  std::shared_ptr<const Accelerator> device{};
  std::int32_t kind = GRIT_ON_DEVICE;  // or GRIT_ON_HOST: pinned
};
/// Copies between memory of its own, on a stream of `gpu`. `portion`: amount, counter. Error (unavailable): no memory.
Result<GpuLane> copy_lane(const OpenGpu& gpu, const CopyEnd& to, const CopyEnd& from, std::int64_t bytes,
                          GpuLane::Portion portion);

/// Measures what each can do alone, adds it to kGpuFull, and paces it to a share of that; share = 1: as fast as it
/// goes.
Status pace_by_share(std::vector<GpuLane>& lanes, double share, WorkerPage& page);
/// The same to so many bytes a second each. Error (usage): one cannot do that.
Status pace_by_rate(std::vector<GpuLane>& lanes, double bytes_per_s, WorkerPage& page);

}  // namespace grit
