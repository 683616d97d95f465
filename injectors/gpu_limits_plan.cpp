// What gpu_throttle is to do to which GPUs, and why it cannot.
#include <fmt/format.h>
#include <linux/capability.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <random>
#include <utility>

#include "harness/base/clock.hpp"
#include "harness/os/capability.hpp"
#include "harness/os/gpu_claim.hpp"
#include "harness/os/gpu_process.hpp"
#include "harness/os/identity.hpp"
#include "injectors/gpu_limits.hpp"

namespace grit {
namespace {

constexpr std::int64_t kWatt_mw = 1000;
constexpr std::int64_t kClockRises_ns = kNsPerS;  // by when a clock is up again that was locked, with room to spare

constexpr std::int64_t kPlan_ns = kGpuCall_ns + kClockRises_ns;

constexpr const char* kAll = "all";
constexpr const char* kAuto = "auto";

/// The library's number; empty: it is none.
std::optional<unsigned> gpu_number(const std::string& text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number >= kMostGpus) return std::nullopt;
  return number;
}

Result<std::string> nth_uuid(const Nvml& nvml, unsigned index) {
  nvml::Device device = nullptr;
  std::array<char, nvml::kMostText_bytes> uuid{};
  nvml::Code code = nvml.call(&nvml::Functions::device_by_index, index, &device);
  if (code == nvml::success) code = nvml.call(&nvml::Functions::uuid, device, uuid.data(), nvml::kMostText_bytes);
  if (code != nvml::success) return nvml_error(fmt::format("gpu{}", index), code);
  return std::string(uuid.data());
}

/// Those that the parameter `gpu` means.
Result<std::vector<std::string>> uuids_of(const Nvml& nvml, const std::string& gpu) {
  if (is_gpu_uuid(gpu)) return std::vector<std::string>{gpu};
  unsigned count = 0;
  const nvml::Code code = nvml.call(&nvml::Functions::device_count, &count);
  if (code != nvml::success) return nvml_error("counting the GPUs", code);
  if (count == 0) return unavailable_error("the NVIDIA driver shows no GPU");
  const auto number = gpu_number(gpu);
  if (number && *number >= count) return usage_error(fmt::format("there is no GPU {}: this node has {}", gpu, count));
  std::vector<std::string> uuids;
  for (unsigned i = number.value_or(0); i < (number ? *number + 1 : std::min<unsigned>(count, kMostGpus)); ++i) {
    GRIT_TRY(std::string uuid, nth_uuid(nvml, i));
    uuids.push_back(std::move(uuid));
  }
  return uuids;
}

Result<GpuLimit> plan_power(const GpuSettings& gpu, const std::string& uuid, double share) {
  GRIT_TRY(const GpuPower power, gpu.power());
  const auto set_mw = std::llround(share * power.limit_mw / static_cast<double>(kWatt_mw)) * kWatt_mw;
  if (set_mw < power.lowest_mw)
    return usage_error(fmt::format(
        "GPU {}: {} W are less than its lowest power limit, {} W: at least `power` = {:.0f}%", uuid, set_mw / kWatt_mw,
        power.lowest_mw / kWatt_mw, std::ceil(100.0 * power.lowest_mw / power.limit_mw)));
  if (set_mw >= power.limit_mw)
    return usage_error(fmt::format("GPU {}: its power limit is {} mW already", uuid, power.limit_mw));
  GRIT_CHECK(gpu.power_capped_ns());  // that it acts could not be shown
  return GpuLimit{.uuid = uuid, .set = set_mw, .before_mw = power.limit_mw, .default_mw = power.default_mw};
}

Status check_tells_how_busy(const GpuClock& clock, const std::string& uuid) {
  if (clock.busy_percent) return {};
  return unavailable_error(fmt::format(
      "GPU {}: the driver does not tell how busy it is (with MIG it does not), so that nothing could show that locked "
      "clocks act",
      uuid));
}

/// The window before this one may just have ended: what seems locked is looked at until it must have risen again.
Result<GpuClock> clock_at_rest(const GpuSettings& gpu) {
  for (const std::int64_t until_ns = monotonic_ns() + kClockRises_ns;; ::usleep(kGpuTick_ns / kNsPerUs)) {
    GRIT_TRY(GpuClock clock, gpu.clock());
    if (!seems_locked(clock) || monotonic_ns() >= until_ns) return clock;
  }
}

Result<GpuLimit> plan_clock(const GpuSettings& gpu, const std::string& uuid, const Params& params) {
  const bool is_auto = params.text("site_lock") == kAuto;
  GRIT_TRY(const GpuClock clock, is_auto ? clock_at_rest(gpu) : gpu.clock());
  GRIT_CHECK(check_tells_how_busy(clock, uuid));
  if (is_auto && seems_locked(clock))
    return unavailable_error(fmt::format(
        "GPU {}: its clocks seem to be locked: {} MHz of {}, busy, and no reason is given. A lock cannot be "
        "read, and so not be put back: say what it is with `site_lock`, or \"none\"",
        uuid, clock.sm_mhz, clock.max_sm_mhz));
  if (is_auto && !shows_no_lock(clock))
    return unavailable_error(fmt::format(
        "GPU {}: whether the site has locked its clocks cannot be read, and shows only while it works at its highest "
        "clock ({} % busy, {} MHz of {}): say with `site_lock` what they are locked to, or \"none\"",
        uuid, *clock.busy_percent, clock.sm_mhz, clock.max_sm_mhz));
  const auto set_mhz = std::llround(params.number("clock") * clock.max_sm_mhz);
  if (set_mhz < 1) return unavailable_error(fmt::format("GPU {}: its highest clock is not known", uuid));
  if (set_mhz + 2 * kClockStep_mhz >= clock.max_sm_mhz)
    return usage_error(
        fmt::format("GPU {}: {} MHz can hardly be told from its highest clock, {} MHz: a smaller `clock`", uuid,
                    set_mhz, clock.max_sm_mhz));
  return GpuLimit{.uuid = uuid, .set = set_mhz};
}

/// Of an undo record, that no other has.
std::string drawn_id() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

Result<GpuLimits> plan_in_process(const Nvml& nvml, const Params& params) {
  GpuLimits limits{.mechanism = params.text("mechanism"), .id = drawn_id(), .driver = loaded_nvidia_driver()};
  const bool is_power = limits.mechanism == kGpuPower;
  const std::string site_lock = params.text("site_lock");
  limits.site_lock = is_power || site_lock == kAuto ? kNoSiteLock : site_lock;
  GRIT_TRY(limits.boot, boot_id());
  GRIT_TRY(const auto uuids, uuids_of(nvml, params.text("gpu")));
  for (const std::string& uuid : uuids) {
    GRIT_TRY(const auto gpu, GpuSettings::of(nvml, uuid));
    GRIT_TRY(GpuLimit limit, is_power ? plan_power(gpu, uuid, params.number("power")) : plan_clock(gpu, uuid, params));
    limit.pci = gpu.pci_address();
    limits.gpus.push_back(std::move(limit));
  }
  return limits;
}

bool is_local_cluster() {
  const char* local = ::secure_getenv("GRIT_LOCAL_CLUSTER");
  return local != nullptr && std::string_view(local) == "1";
}

Status check_shares_no_gpu(const Params& params) {
  if (!is_local_cluster() || params.text("gpu") != kAll) return {};
  return unavailable_error(
      "the nodes of the local cluster share this machine's GPUs: say which one the node's ranks use (`gpu`), or start "
      "grit with mpirun on real nodes");
}

/// What NVIDIA's kernel module asks for (NV_IS_SUSER in its nv-linux.h).
Status check_privilege() {
  if (in_first_user_namespace() && has_capability(CAP_SYS_ADMIN)) return {};
  return unavailable_error("only root may change settings of GPUs, outside of containers that drop CAP_SYS_ADMIN");
}

/// As it is: nothing changes, and who may not is told so. Not while a fault has the GPU, whose limit this could put
/// back into force.
Status try_setting(const Nvml& nvml, const GpuLimits& limits, const std::string& uuid) {
  GRIT_TRY(GpuClaim claim, GpuClaim::open(uuid, limits.id, limits.driver));
  GRIT_CHECK(claim.take());
  GRIT_TRY(const auto gpu, GpuSettings::of(nvml, uuid));
  GRIT_CHECK(gpu.clock());
  const auto try_power = [&]() -> Status {
    GRIT_TRY(const unsigned limit_mw, gpu.power_limit_mw());
    return gpu.set_power_limit(limit_mw);
  };
  const auto limit_mw = gpu.power_limit_mw();
  if (limit_mw) return claim.call(try_power);
  if (limits.mechanism == kGpuPower) return tl::make_unexpected(limit_mw.error());
  return check_privilege();
}

Status check_power(const GpuSettings& gpu) {
  GRIT_CHECK(gpu.power());
  GRIT_CHECK(gpu.power_capped_ns());
  return {};
}

Status check_clock(const GpuSettings& gpu, const std::string& uuid) {
  GRIT_TRY(const GpuClock clock, gpu.clock());
  return check_tells_how_busy(clock, uuid);
}

std::optional<std::string> reason_of(const Result<Json>& tried) {
  return tried ? std::nullopt : std::optional(tried.error().message);
}

}  // namespace

std::vector<ParamSpec> gpu_limit_params() {
  return {
      {"power",
       Unit::fraction,
       0.7,
       "mechanism power: the power limit, as a share of the one before, to the watt",
       {},
       0.01,
       1.0},
      {"gpu", Unit::text, kAll,
       "not emulated: which GPU of the node: all, the number of nvidia-smi, or a UUID; sm_share: or a PCI address"},
      {"site_lock", Unit::text, kAuto,
       "clocks: what the site itself has locked the clocks to, to be put back: \"1410\" or \"1200,1410\" MHz, none; "
       "auto: none, and refused unless each GPU works at its highest clock, which shows that there is no lock"}};
}

Status check_gpu_limit_params(const Params& params) {
  const std::string gpu = params.text("gpu"), site_lock = params.text("site_lock");
  if (gpu != kAll && !gpu_number(gpu) && !is_gpu_uuid(gpu))
    return usage_error("gpu_throttle: `gpu` must be all, a number of nvidia-smi or a UUID (GPU-...)");
  if (site_lock != kAuto && site_lock != kNoSiteLock && !clock_lock_of(site_lock))
    return usage_error("gpu_throttle: `site_lock` must be auto, none, \"1410\" or \"1200,1410\"");
  return {};
}

Status check_gpu_has_ranks(const Topology& topology, const Node& node, const std::string& gpu) {
  if (gpu == kAll || node.gpus.empty()) return {};
  const auto is_it = [&](const NodeGpu& one) {
    return one.uuid == gpu || one.pci == gpu || std::to_string(one.index) == gpu;
  };
  const auto found = std::find_if(node.gpus.begin(), node.gpus.end(), is_it);
  if (found == node.gpus.end()) {
    if (!node.gpu_problem.empty()) return {};  // it may be the one that does not answer
    return usage_error(fmt::format("there is no GPU {}: {} has {}", gpu, node.name, node.gpus.size()));
  }
  const bool alike = std::all_of(node.gpus.begin(), node.gpus.end(), [&](const NodeGpu& one) {
    return one.name == node.gpus.front().name && !one.mig && node.gpu_problem.empty();
  });
  if (!alike || std::getenv("CUDA_VISIBLE_DEVICES") != nullptr || std::getenv("CUDA_DEVICE_ORDER") != nullptr)
    return {};
  const auto place = static_cast<std::size_t>(found - node.gpus.begin());
  for (std::size_t i = 0; i < node.ranks.size(); ++i) {
    const std::size_t on_machine = topology.local_cluster ? static_cast<std::size_t>(node.ranks[i]) : i;
    if (on_machine % node.gpus.size() == place) return {};
  }
  return usage_error(fmt::format("none of the {} rank(s) of {} computes on GPU {}, so that nothing could act",
                                 node.ranks.size(), node.name, gpu));
}

Result<GpuLimits> plan_gpu_limits(const Params& params) {
  GRIT_CHECK(check_shares_no_gpu(params));
  GRIT_TRY(const Json planned, ask_gpus(
                                   [&](const Nvml& nvml) -> Result<Json> {
                                     GRIT_TRY(const GpuLimits limits, plan_in_process(nvml, params));
                                     return to_json(limits);
                                   },
                                   kPlan_ns));
  return gpu_limits_from_json(planned);
}

std::optional<std::string> why_no_gpu_limits(const Params& params) {
  if (const Status shares = check_shares_no_gpu(params); !shares) return shares.error().message;
  return reason_of(ask_gpus(
      [&](const Nvml& nvml) -> Result<Json> {
        GRIT_TRY(const GpuLimits limits, plan_in_process(nvml, params));
        for (const GpuLimit& one : limits.gpus) GRIT_CHECK(try_setting(nvml, limits, one.uuid));
        return Json(true);
      },
      kPlan_ns));
}

std::optional<std::string> why_no_gpu_limits_here(const std::string& mechanism) {
  return reason_of(ask_gpus(
      [&](const Nvml& nvml) -> Result<Json> {
        GRIT_TRY(const auto uuids, uuids_of(nvml, kAll));
        for (const std::string& uuid : uuids) {
          GRIT_TRY(const auto gpu, GpuSettings::of(nvml, uuid));
          const bool is_power = mechanism == kGpuPower;
          GRIT_CHECK(is_power ? check_power(gpu) : check_clock(gpu, uuid));
        }
        GRIT_CHECK(check_privilege());
        return Json(true);
      },
      kGpuCall_ns));
}

}  // namespace grit
