// pcie_contention: copies between the host's memory and the GPUs', as a neighbour's data loader, or checkpoints, make.
//
// Through pinned memory, so that the GPU's own copy engines move them and the host's CPU hardly works. Each direction
// of each GPU is paced to a share of what it came to alone, as fast as it went, when the fault stood by, or to a rate.
#include <fmt/format.h>

#include "injectors/faults.hpp"
#include "injectors/gpu_load.hpp"
#include "injectors/gpu_shares.hpp"

namespace grit {
namespace {

constexpr const char* kBoth = "both";
constexpr const char* kToDevice = "to_device";
constexpr const char* kToHost = "to_host";
constexpr double kAll = 1.0;

constexpr std::int64_t kCopy_bytes = std::int64_t{32} << 20;

enum Counter { kGivenToDevice = kGpuOwn, kGivenToHost };

Result<std::vector<GpuLane>> make_lanes(const Params& params, const std::vector<OpenGpu>& gpus, WorkerPage& page) {
  const std::string direction = params.text("direction");
  std::vector<GpuLane> lanes;
  for (const OpenGpu& gpu : gpus) {
    const CopyEnd device{gpu.device, GRIT_ON_DEVICE}, host{gpu.device, GRIT_ON_HOST};
    if (direction != kToHost) {
      GRIT_TRY(GpuLane lane,
               copy_lane(gpu, device, host, kCopy_bytes, {.amount = kCopy_bytes, .counter = kGivenToDevice}));
      lanes.push_back(std::move(lane));
    }
    if (direction != kToDevice) {
      GRIT_TRY(GpuLane lane,
               copy_lane(gpu, host, device, kCopy_bytes, {.amount = kCopy_bytes, .counter = kGivenToHost}));
      lanes.push_back(std::move(lane));
    }
  }
  const double bytes_per_s = static_cast<double>(params.integer("rate")) / 8;
  GRIT_CHECK(bytes_per_s > 0 ? pace_by_rate(lanes, bytes_per_s, page)
                             : pace_by_share(lanes, params.number("share"), page));
  return lanes;
}

class PcieContention final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "pcie_contention",
        .summary = "Copies between the host's memory and the GPUs' take a share of the way between them, or a rate",
        .params = {{"direction",
                    Unit::text,
                    kBoth,
                    "to_device (host to GPU), to_host (GPU to host), or both at once",
                    {kBoth, kToDevice, kToHost}},
                   {"share",
                    Unit::fraction,
                    kAll,
                    "of what the copies of one direction of a GPU come to alone, as fast as they go, measured each "
                    "time before it is in force. Measured: to_device_bytes, to_host_bytes, achieved_ppm",
                    {},
                    0.01,
                    1.0},
                   {"rate",
                    Unit::bits_per_s,
                    0,
                    "instead of `share`: of each direction of each GPU, such as \"10GB/s\"",
                    {},
                    0.0,
                    {}},
                   gpu_param()},
        .mechanisms = {"copies through pinned memory"},
        .needs = {"grit-cuda.so, NVIDIA's driver, a GPU", "32 MiB of pinned memory, and of the GPU's, a direction"},
        .undo = UndoClass::process};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node& node, const Params& params) const override {
    if (params.integer("rate") > 0 && params.number("share") != kAll)
      return usage_error("pcie_contention: say either `share` or `rate`");
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
  [[nodiscard]] std::int64_t memory_bytes(const Node& node, const Params& params) const override {
    const auto gpus = params.text("gpu") == "all" ? static_cast<std::int64_t>(node.gpus.size()) : 1;
    return gpus * (params.text("direction") == kBoth ? 2 : 1) * kCopy_bytes;
  }

  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    auto body = gpu_lanes_body(gpus_of(target), [params = target.params](const auto& gpus, WorkerPage& page) {
      return make_lanes(params, gpus, page);
    });
    return without_undo(GpuLoadFault::make(std::move(body), {"gpu_busy_ns", "to_device_bytes", "to_host_bytes"},
                                           {"to_device_bytes", "to_host_bytes"}));
  }

  /// Copies were done, by the GPU's own events.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return !ended_early(after) && grew(before, after, "gpu_busy_ns") &&
           (grew(before, after, "to_device_bytes") || grew(before, after, "to_host_bytes"));
  }
};

}  // namespace

const Injector& pcie_contention() {
  static const PcieContention injector;
  return injector;
}

}  // namespace grit
