// What gpu_throttle does to real GPUs: lower clocks by nvmlDeviceSetGpuLockedClocks ("clocks"), a lower power limit by
// nvmlDeviceSetPowerManagementLimit ("power"). All of it is done in a process that may be killed
// (harness/os/gpu_process.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/os/gpu_settings.hpp"
#include "harness/os/reverted.hpp"
#include "injectors/injector.hpp"

namespace grit {

inline constexpr const char* kGpuClocks = "clocks";
inline constexpr const char* kGpuPower = "power";

inline constexpr const char* kNoSiteLock = "none";
inline constexpr std::size_t kMostGpus = 64;  // of a node

/// What one answer of the driver may take; it needs some milliseconds.
inline constexpr std::int64_t kGpuCall_ns = 5'000'000'000;

/// One GPU, as it was and as it is to be.
struct GpuLimit {
  std::string uuid{};
  std::string pci{};            // "0000:81:00.0"; empty: the driver does not tell
  std::int64_t set = 0;         // "clocks": MHz; "power": mW
  std::int64_t before_mw = 0;   // "power"; of "clocks" 0: there is no getter
  std::int64_t default_mw = 0;  // "power": what a driver that is loaded anew sets
};

/// The undo record.
struct GpuLimits {
  std::string mechanism{};  // kGpuClocks, kGpuPower
  std::string id{};         // drawn at random: whose a GPU is (GpuClaim)
  std::string boot{};
  std::string driver{};     // loaded_nvidia_driver(): locked clocks go with it
  std::string site_lock{};  // "clocks": what the site itself has locked them to and is put back; or kNoSiteLock
  std::vector<GpuLimit> gpus{};
};
Json to_json(const GpuLimits& limits);
Result<GpuLimits> gpu_limits_from_json(const Json& record);

/// The parameters `gpu`, `power` and `site_lock`.
std::vector<ParamSpec> gpu_limit_params();
/// Error (usage): what is wrong with them.
Status check_gpu_limit_params(const Params& params);

/// Error (usage): no rank of the node computes on any GPU that `gpu` means, or the node has none such; says what there
/// is. A rank has the GPU of its number among those of its machine (harness/run/rank_fabric.hpp). Nothing where that
/// cannot be told before the ranks have opened theirs: CUDA_VISIBLE_DEVICES or CUDA_DEVICE_ORDER is set, the GPUs are
/// of several models (CUDA's first is then the fastest), MIG. The fault says so then, when it is to start.
Status check_gpu_has_ranks(const Topology& topology, const Node& node, const std::string& gpu);

/// Error (usage): none of the ranks computes on any of these GPUs (pci_number()), the first of which is called so:
/// nothing could be seen to act there. Nobody knows before one rank, and `enough`, have said which they have.
Status check_is_of_ranks(const std::string& first, const std::vector<std::uint64_t>& gpus, const NodeRanks& ranks,
                         std::size_t enough);

/// Of the GPUs that the parameters mean. Error (usage): no such GPU, a limit that it cannot have; (unavailable): no
/// driver, a GPU that is lost, clocks that seem locked already, a local cluster whose nodes share them.
Result<GpuLimits> plan_gpu_limits(const Params& params);
/// Takes the GPUs (GpuClaim). Only what happens on GPUs that the ranks compute on counts as acting. Error (usage): they
/// are none of the ranks'; (unavailable): another fault of this machine has one.
Result<std::unique_ptr<Fault>> make_gpu_limits(GpuLimits limits, NodeRanks ranks);
/// From the record alone. gone: another boot, or no driver is loaded, with which they go. Nothing is done to a GPU on
/// which nothing was set yet, or whose clocks were locked with another driver than is loaded now. Error: a GPU does not
/// answer, a call that was given up is still under way there, or somebody else has set its power limit meanwhile, which
/// is left alone.
Result<Reverted> put_back(const GpuLimits& limits);

/// Why they cannot be limited so, as far as can be tried without changing anything: setting a power limit to what it is
/// needs the same permission. plan_gpu_limits() and that in one process: starting it may take long.
std::optional<std::string> why_no_gpu_limits(const Params& params);
/// The same of this machine's, whichever, from what can be read alone.
std::optional<std::string> why_no_gpu_limits_here(const std::string& mechanism);

}  // namespace grit
