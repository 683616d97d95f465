#include "injectors/gpu_shares.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "harness/base/clock.hpp"

namespace grit {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;
constexpr std::int64_t kSlice_ns = 5 * kNsPerMs;

/// What the kernel writes to: two in turn, so that what one slice has written is read while the next one runs.
struct Occupied {
  AcceleratorMemory memory{};
  int held_counter = 0;
  std::uint64_t given = 0, done = 0;
  std::array<std::uint64_t, GRIT_MOST_MULTIPROCESSORS / 64> seen{};  // by all slices so far

  [[nodiscard]] grit_occupied* at(std::uint64_t slice) const {
    return reinterpret_cast<grit_occupied*>(memory.data()) + slice % 2;
  }
};

void count_slice(Occupied& occupied, WorkerPage& page) {
  const grit_occupied& slice = *occupied.at(occupied.done++);
  page.counters[occupied.held_counter].fetch_add(static_cast<std::int64_t>(slice.held_ns), std::memory_order_relaxed);
  page.counters[occupied.held_counter + 1].fetch_add(static_cast<std::int64_t>(slice.away_ns),
                                                     std::memory_order_relaxed);
  for (std::size_t i = 0; i < occupied.seen.size(); ++i) {
    page.counters[occupied.held_counter + 2].fetch_add(std::popcount(slice.seen[i] & ~occupied.seen[i]),
                                                       std::memory_order_relaxed);
    occupied.seen[i] |= slice.seen[i];
  }
}

/// What it can do, which is part of 100 %.
Result<double> measure(GpuLane& lane, WorkerPage& page) {
  GRIT_TRY(const double ceiling_per_s, lane.measure_ceiling());
  page.counters[kGpuFull].fetch_add(static_cast<std::int64_t>(ceiling_per_s));
  return ceiling_per_s;
}

}  // namespace

Result<int> multiprocessors_of(double share, int all) {
  const auto held = static_cast<int>(std::lround(share * all));
  if (held >= 1) return std::min(held, all);
  return usage_error(fmt::format("{:.3g} % are less than one of the {} multiprocessors", 100 * share, all));
}

Result<GpuLane> sm_lane(const OpenGpu& gpu, Held held, double share, int held_counter, WorkerPage& page) {
  const int all = gpu.device->facts().multiprocessors;
  GRIT_TRY(const int blocks, multiprocessors_of(held == Held::time ? 1 : share, all));
  auto occupied = std::make_shared<Occupied>();
  occupied->held_counter = held_counter;
  GRIT_TRY(occupied->memory, AcceleratorMemory::allocate(gpu.device, GRIT_ON_HOST, 2 * sizeof(grit_occupied)));
  page.counters[kGpuFull].fetch_add(all * kNsPerS);
  const auto give = [device = gpu.device, occupied, blocks](grit_stream* stream) {
    grit_why why{};
    grit_occupied* to = occupied->at(occupied->given++);
    *to = {};
    return check_module(device->table().occupy(device->get(), stream, blocks, kSlice_ns, to, &why), why,
                        device->facts().name);
  };
  const auto done = [occupied, &page] { count_slice(*occupied, page); };
  GRIT_TRY(GpuLane lane, GpuLane::make(gpu, {.give = give, .amount = kSlice_ns, .counter = kGpuGiven, .done = done}));
  if (held == Held::time && share < 1) lane.set_pace(share * static_cast<double>(kNsPerS));
  return lane;
}

std::int64_t past_cache_bytes(std::int64_t l2_bytes) {
  return l2_bytes == 0 ? 256 * kMiB : std::max(4 * l2_bytes, 16 * kMiB);
}

std::int64_t gpu_floor_bytes(std::int64_t total_bytes) { return std::max(1024 * kMiB, total_bytes / 20); }

Result<std::int64_t> holdable_bytes(std::int64_t stays_free_bytes, std::int64_t free_bytes, std::int64_t total_bytes) {
  const std::int64_t floor_bytes = gpu_floor_bytes(total_bytes);
  if (stays_free_bytes < floor_bytes)
    return usage_error(
        fmt::format("only {} bytes would stay free, and the floor is {} (1 GiB or 5 % of all): let more "
                    "stay free",
                    stays_free_bytes, floor_bytes));
  if (free_bytes <= stays_free_bytes)
    return usage_error(
        fmt::format("only {} bytes are free already: let less than {} stay free", free_bytes, stays_free_bytes));
  return free_bytes - stays_free_bytes;
}

Result<GpuLane> copy_lane(const OpenGpu& gpu, const CopyEnd& to, const CopyEnd& from, std::int64_t bytes,
                          GpuLane::Portion portion) {
  struct Ends {
    AcceleratorMemory to{}, from{};
  };
  auto ends = std::make_shared<Ends>();
  const auto size = static_cast<std::size_t>(bytes);
  GRIT_TRY(ends->to, AcceleratorMemory::allocate(to.device, to.kind, size));
  GRIT_TRY(ends->from, AcceleratorMemory::allocate(from.device, from.kind, size));
  portion.give = [device = gpu.device, ends, size](grit_stream* stream) {
    grit_why why{};
    return check_module(device->table().copy(stream, ends->to.data(), ends->from.data(), size, &why), why,
                        device->facts().name);
  };
  return GpuLane::make(gpu, std::move(portion));
}

Status pace_by_share(std::vector<GpuLane>& lanes, double share, WorkerPage& page) {
  for (GpuLane& lane : lanes) {
    GRIT_TRY(const double ceiling_per_s, measure(lane, page));
    lane.set_pace(share < 1 ? share * ceiling_per_s : 0);
  }
  return {};
}

Status pace_by_rate(std::vector<GpuLane>& lanes, double bytes_per_s, WorkerPage& page) {
  for (GpuLane& lane : lanes) {
    GRIT_TRY(const double ceiling_per_s, measure(lane, page));
    if (bytes_per_s > ceiling_per_s)
      return usage_error(fmt::format("{:.4g} bytes a second are more than its copies come to, {:.4g}: a smaller `rate`",
                                     bytes_per_s, ceiling_per_s));
    lane.set_pace(bytes_per_s);
  }
  return {};
}

}  // namespace grit
