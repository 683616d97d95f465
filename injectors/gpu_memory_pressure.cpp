// gpu_memory_pressure: another process holds so much of the GPUs' memory that little stays free.
//
// By cudaMalloc, in pieces, and never as managed memory, which the driver would move to the host instead. It follows
// what is free (cudaMemGetInfo): what the job gives back is taken, and what falls below the floor is given back.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "harness/base/clock.hpp"
#include "injectors/duty_cycle.hpp"
#include "injectors/faults.hpp"
#include "injectors/gpu_load.hpp"
#include "injectors/gpu_shares.hpp"

namespace grit {
namespace {

constexpr double kTenth = 0.1, kLeastShare = 0.05;  // gpu_floor_bytes()

constexpr std::int64_t kPiece_bytes = std::int64_t{256} << 20;
/// In which the driver gives out memory (cuMemGetAllocationGranularity() on the devices the module is compiled for).
constexpr std::int64_t kLeast_bytes = std::int64_t{2} << 20;
/// Within this of the goal nothing is done: others come and go.
constexpr std::int64_t kBand_bytes = std::int64_t{64} << 20;
constexpr std::int64_t kLook_ns = 50 * kNsPerMs;
constexpr std::int64_t kAttempts = 8;  // pieces taken in one go, after which the next GPU's turn comes

enum Counter { kTaken = kGpuBusy, kGivenBack = kGpuOwn, kFree };

std::int64_t stays_free_bytes(const Params& params, std::int64_t total_bytes) {
  const std::int64_t free_bytes = params.integer("free");
  return free_bytes > 0 ? free_bytes
                        : static_cast<std::int64_t>(params.number("free_share") * static_cast<double>(total_bytes));
}

/// What is held of one GPU's memory, in the worker.
class HeldMemory {
 public:
  /// Error (usage): holdable_bytes().
  static Result<HeldMemory> plan(const OpenGpu& gpu, const Params& params) {
    const std::int64_t total_bytes = gpu.device->facts().memory_bytes;
    HeldMemory held(gpu.device, stays_free_bytes(params, total_bytes), gpu_floor_bytes(total_bytes));
    GRIT_TRY(const std::int64_t free_bytes, gpu.device->free_bytes());
    GRIT_CHECK(holdable_bytes(held.goal_bytes_, free_bytes, total_bytes));
    return held;
  }

  /// Some pieces towards the goal. False: it is there, or no more can be had at this moment.
  Result<bool> follow(WorkerPage& page) {
    for (std::int64_t i = 0; i < kAttempts; ++i) {
      GRIT_TRY(const std::int64_t free_bytes, device_->free_bytes());
      free_bytes_ = free_bytes;
      if (free_bytes < floor_bytes_ && !pieces_.empty()) {
        give_back(page);
        continue;
      }
      const std::int64_t missing_bytes = free_bytes - goal_bytes_;
      const std::int64_t least_bytes = was_reached_ ? kBand_bytes : kLeast_bytes;
      was_reached_ = was_reached_ || is_reached();
      if (missing_bytes < least_bytes) return false;
      GRIT_TRY(const bool taken, take(std::min(missing_bytes, piece_bytes_) / kLeast_bytes * kLeast_bytes, page));
      if (!taken) return false;
    }
    return true;
  }

  [[nodiscard]] bool is_reached() const { return free_bytes_ - goal_bytes_ < kBand_bytes; }
  [[nodiscard]] std::int64_t free_bytes() const { return free_bytes_; }

 private:
  HeldMemory(std::shared_ptr<const Accelerator> device, std::int64_t goal_bytes, std::int64_t floor_bytes)
      : device_(std::move(device)), goal_bytes_(goal_bytes), floor_bytes_(floor_bytes) {}

  /// False: there is not so much, as others take some at the same time, or not in one piece.
  Result<bool> take(std::int64_t bytes, WorkerPage& page) {
    grit_why why{};
    void* memory = nullptr;
    const auto size = static_cast<std::size_t>(bytes);
    const std::int32_t code = device_->table().allocate(device_->get(), GRIT_ON_DEVICE, size, &memory, &why);
    if (code == GRIT_NO_MEMORY) {
      piece_bytes_ = std::max(piece_bytes_ / 2, kLeast_bytes);
      return false;
    }
    GRIT_CHECK(check_module(code, why, fmt::format("{} bytes of {}", bytes, device_->facts().name)));
    pieces_.push_back({memory, bytes});
    page.counters[kTaken].fetch_add(bytes);
    return true;
  }

  void give_back(WorkerPage& page) {
    device_->table().release(device_->get(), GRIT_ON_DEVICE, pieces_.back().memory);
    page.counters[kGivenBack].fetch_add(pieces_.back().bytes);
    pieces_.pop_back();
  }

  struct Piece {  // freed with the process, which ends by SIGKILL
    void* memory = nullptr;
    std::int64_t bytes = 0;
  };
  std::shared_ptr<const Accelerator> device_;
  std::int64_t goal_bytes_, floor_bytes_;
  std::int64_t free_bytes_ = 0, piece_bytes_ = kPiece_bytes;
  std::vector<Piece> pieces_{};
  bool was_reached_ = false;
};

Status hold_memory(const WantedGpus& wanted, const Params& params, WorkerPage& page) {
  GRIT_TRY(const auto gpus, open_gpus(wanted, page));
  std::vector<HeldMemory> all;
  for (const OpenGpu& one : gpus) {
    GRIT_TRY(HeldMemory held, HeldMemory::plan(one, params));
    all.push_back(std::move(held));
  }
  page.wait_for_start();
  for (bool more = true; !page.is_to_rest(more ? 0 : kLook_ns);) {
    page.counters[kGpuAlive] = monotonic_ns();
    more = false;
    bool reached = true;
    std::int64_t free_bytes = 0;
    for (HeldMemory& held : all) {
      GRIT_TRY(const bool one, held.follow(page));
      more = more || one;
      reached = reached && held.is_reached();
      free_bytes += held.free_bytes();
    }
    page.counters[kFree] = free_bytes;
    page.counters[kGpuReached] = reached ? 1 : 0;
  }
  page.rest();
}

class GpuMemoryFault final : public GpuLoadFault {
 public:
  static Result<std::unique_ptr<Fault>> make(Body body) {
    std::unique_ptr<GpuMemoryFault> fault(new GpuMemoryFault(std::move(body)));
    GRIT_CHECK(fault->make_workers());
    return std::unique_ptr<Fault>(std::move(fault));
  }

  Result<Reading> read() override {
    GRIT_TRY(Reading reading, GpuLoadFault::read());
    std::int64_t held_bytes = 0;
    for (const Worker& worker : workers()) {
      const auto& counters = worker.page().counters;
      if (worker.running()) held_bytes += counters[kTaken].load() - counters[kGivenBack].load();
      reading.details["free_bytes"] = counters[kFree].load();
    }
    reading.details["held_bytes"] = held_bytes;
    return reading;
  }

 private:
  explicit GpuMemoryFault(Body body) : GpuLoadFault(std::move(body), {"taken_bytes", "given_back_bytes"}, {}) {}
  /// So little is free on every GPU, as the driver says.
  [[nodiscard]] bool acts(const WorkerPage& page) const override { return page.counters[kGpuReached].load() != 0; }
};

class GpuMemoryPressure final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "gpu_memory_pressure",
        .summary = "Another process holds so much of the GPUs' memory that only a stated part stays free",
        .params =
            {{"free",
              Unit::bytes,
              0,
              "how much of each GPU's memory stays free, by what cudaMemGetInfo() says; 1 GiB at least. Measured: "
              "taken_bytes, given_back_bytes, free_bytes",
              {},
              0.0,
              {}},
             {"free_share", Unit::fraction, kTenth, "instead of `free`: of all its memory", {}, kLeastShare, 1.0},
             gpu_param()},
        .mechanisms = {"device memory of another process"},
        .needs = {"grit-cuda.so, NVIDIA's driver, a GPU",
                  "more to stay free than the floor: 1 GiB or 5 % of a GPU's memory, whichever is more"},
        .undo = UndoClass::process};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node& node, const Params& params) const override {
    const std::int64_t free_bytes = params.integer("free");
    if (free_bytes > 0 && params.number("free_share") != kTenth)
      return usage_error("gpu_memory_pressure: say either `free` or `free_share`");
    // Whatever GPU it is.
    if (free_bytes > 0 && free_bytes < gpu_floor_bytes(0))
      return usage_error(fmt::format(
          "gpu_memory_pressure: `free` must be {} bytes at least, or the driver itself may fail", gpu_floor_bytes(0)));
    GRIT_CHECK(check_gpu_param(info().name, node, params));
    return std::string();
  }
  [[nodiscard]] Result<Json> resolve(const Topology&, const std::vector<int>&, const Node& node,
                                     const Params& params) const override {
    return resolved_gpu(node, params);
  }
  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    return {{info().mechanisms.front(), why_no_gpu_load_here()}};
  }

  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    return without_undo(GpuMemoryFault::make([wanted = gpus_of(target), params = target.params](WorkerPage& page) {
      const Status ended = hold_memory(wanted, params, page);
      page.fail(ended.error().message);
    }));
  }

  /// Memory was taken, each piece acknowledged by the driver.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return !ended_early(after) && after.value("taken_bytes", 0LL) - before.value("taken_bytes", 0LL) >= kLeast_bytes;
  }
};

}  // namespace

const Injector& gpu_memory_pressure() {
  static const GpuMemoryPressure injector;
  return injector;
}

}  // namespace grit
