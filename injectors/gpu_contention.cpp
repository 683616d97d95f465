// gpu_contention: another process works on the GPUs of the node, as one that was left behind, or a neighbour's, does.
//
// "sm": blocks that hold multiprocessors, one each, and do nothing there (workloads/accelerator/hog.cu); "time": such
// blocks on all of them, for a share of the time. "hbm": copies within the GPU's memory, past its cache. "nvlink":
// copies between two GPUs. Copies are paced to a share of what the same copies came to, as fast as they went, when the
// fault stood by.
#include <fmt/format.h>

#include <algorithm>

#include "harness/base/clock.hpp"
#include "injectors/faults.hpp"
#include "injectors/gpu_load.hpp"
#include "injectors/gpu_shares.hpp"

namespace grit {
namespace {

constexpr const char* kSm = "sm";
constexpr const char* kTime = "time";
constexpr const char* kHbm = "hbm";
constexpr const char* kNvlink = "nvlink";

constexpr std::int64_t kLink_bytes = std::int64_t{32} << 20;  // of a copy between GPUs

enum Counter { kMoved = kGpuOwn, kHeldAndMore };

/// Read and written: both cross the memory's bus.
Result<GpuLane> hbm_lane(const OpenGpu& gpu) {
  const std::int64_t bytes = past_cache_bytes(gpu.device->facts().l2_bytes);
  return copy_lane(gpu, {gpu.device, GRIT_ON_DEVICE}, {gpu.device, GRIT_ON_DEVICE}, bytes,
                   {.amount = 2 * bytes, .counter = kMoved});
}

/// To the first GPU that can be reached, in turn from its own number on; and back, where nothing else loads that way.
Status add_link_lanes(const OpenGpu& gpu, const std::vector<OpenGpu>& loaded, std::vector<GpuLane>& lanes) {
  GRIT_TRY(const auto all, gpu.device->module().devices());
  const auto count = static_cast<int>(all.size());
  std::string why_not = "it is the only GPU";
  for (int step = 1; step < count; ++step) {
    const int index = (gpu.index + step) % count;
    grit_why why{};
    const auto& table = gpu.device->table();
    const Status reached = check_module(table.peer_open(gpu.device->get(), index, &why), why, gpu.device->facts().name);
    if (!reached) {
      why_not = reached.error().message;
      continue;
    }
    GRIT_TRY(const auto peer, Accelerator::open(gpu.device->shared_module(), index));
    const CopyEnd own{gpu.device, GRIT_ON_DEVICE}, other{peer, GRIT_ON_DEVICE};
    const GpuLane::Portion portion{.amount = kLink_bytes, .counter = kMoved};
    GRIT_TRY(GpuLane out, copy_lane(gpu, other, own, kLink_bytes, portion));
    lanes.push_back(std::move(out));
    const bool is_loaded =
        std::any_of(loaded.begin(), loaded.end(), [&](const OpenGpu& one) { return one.index == index; });
    if (is_loaded) return {};
    GRIT_TRY(GpuLane back, copy_lane(gpu, own, other, kLink_bytes, portion));
    lanes.push_back(std::move(back));
    return {};
  }
  return unavailable_error(fmt::format("GPU {} reaches no other's memory: {}", gpu.index, why_not));
}

bool is_held(const std::string& resource) { return resource == kSm || resource == kTime; }

Result<std::vector<GpuLane>> make_lanes(const std::string& resource, double share, const std::vector<OpenGpu>& gpus,
                                        WorkerPage& page) {
  std::vector<GpuLane> lanes;
  for (const OpenGpu& gpu : gpus) {
    if (resource == kNvlink) {
      GRIT_CHECK(add_link_lanes(gpu, gpus, lanes));
    } else if (is_held(resource)) {
      const Held held = resource == kSm ? Held::multiprocessors : Held::time;
      GRIT_TRY(GpuLane lane, sm_lane(gpu, held, share, kHeldAndMore, page));
      lanes.push_back(std::move(lane));
    } else {
      GRIT_TRY(GpuLane lane, hbm_lane(gpu));
      lanes.push_back(std::move(lane));
    }
  }
  if (!is_held(resource)) GRIT_CHECK(pace_by_share(lanes, share, page));
  return lanes;
}

class GpuContention final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "gpu_contention",
        .summary = "Another process works on the node's GPUs: multiprocessors, time, memory or NVLink, by share",
        .params = {{"resource",
                    Unit::text,
                    kSm,
                    "sm: multiprocessors, each of which nothing else can use while it is held; time: all of them, for "
                    "some of the time (both measured: held_sm_ns, by the GPU's own timer); hbm: the bandwidth of its "
                    "memory, by copies (moved_bytes); nvlink: copies to another GPU that the driver lets it reach "
                    "(moved_bytes)",
                    {kSm, kTime, kHbm, kNvlink}},
                   {"share",
                    Unit::fraction,
                    0.5,
                    "sm: of all multiprocessors, to the nearest; time: of the time; hbm, nvlink: of what its copies "
                    "come to as fast as they go, measured each time before it is in force. What it came to: "
                    "achieved_ppm",
                    {},
                    0.01,
                    1.0},
                   gpu_param()},
        .mechanisms = {"kernels of another process"},
        .needs = {"grit-cuda.so, NVIDIA's driver, a GPU",
                  "sm: MPS; without it processes take turns on a GPU, whatever their multiprocessors: then use time, "
                  "up to about 50 %",
                  "hbm: eight times the GPU's L2 cache of its memory; nvlink: 64 MiB, and a second GPU within reach"},
        .undo = UndoClass::process};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node& node, const Params& params) const override {
    GRIT_CHECK(check_gpu_param(info().name, node, params));
    const bool has_links =
        std::any_of(node.gpus.begin(), node.gpus.end(), [](const auto& one) { return one.nvlinks > 0; });
    if (params.text("resource") == kNvlink && !node.gpus.empty() && !has_links)
      return usage_error(fmt::format("gpu_contention: no GPU of {} has an NVLink that is up", node.name));
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
    const std::string resource = target.params.text("resource");
    const double share = target.params.number("share");
    auto body = gpu_lanes_body(gpus_of(target), [resource, share](const std::vector<OpenGpu>& gpus, WorkerPage& page) {
      return make_lanes(resource, share, gpus, page);
    });
    return without_undo(GpuLoadFault::make(std::move(body),
                                           {"gpu_busy_ns", "moved_bytes", "held_sm_ns", "away_ns", "sms_seen"},
                                           {"moved_bytes", "held_sm_ns"}));
  }

  /// By the GPU's own events, and what the blocks saw on its own timer, or copies that it has done.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return !ended_early(after) && grew(before, after, "gpu_busy_ns") &&
           (grew(before, after, "held_sm_ns") || grew(before, after, "moved_bytes"));
  }
};

}  // namespace

const Injector& gpu_contention() {
  static const GpuContention injector;
  return injector;
}

}  // namespace grit
