#include "injectors/gpu_limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "harness/base/clock.hpp"
#include "harness/os/closed_object.hpp"
#include "harness/os/gpu_process.hpp"
#include "harness/os/identity.hpp"
#include "harness/os/pci_link.hpp"
#include "harness/record/segment.hpp"
#include "injectors/gpu_limits_service.hpp"

namespace grit {
namespace {

constexpr std::int64_t kMost = 10'000'000;                   // mW or MHz: 10 kW
constexpr const char* kDriverModule = "/sys/module/nvidia";  // its settings go with it

bool is_of_a_rank(const GpuLimit& limit, const NodeRanks& ranks) {
  return std::any_of(ranks.all.begin(), ranks.all.end(), [&](const NodeRank& rank) {
    return !limit.pci.empty() && rank.slot->gpu.load() == pci_number(limit.pci);
  });
}

Status check_is_of_a_rank(const GpuLimits& limits, const NodeRanks& ranks, std::size_t enough) {
  std::vector<std::uint64_t> gpus;
  for (const GpuLimit& limit : limits.gpus) gpus.push_back(pci_number(limit.pci));
  const GpuLimit& first = limits.gpus.front();
  return check_is_of_ranks(fmt::format("{} ({})", first.uuid, first.pci), gpus, ranks, enough);
}

Status restore_in_process(const GpuLimits& limits) {
  const auto work = [&](const Nvml& nvml) -> Result<Json> {
    GRIT_CHECK(restore_limits(nvml, limits));
    return Json(true);
  };
  GRIT_CHECK(ask_gpus(work, kGpuCall_ns));
  return {};
}

/// A process a GPU, so that one that hangs keeps no other limited. What a process that hung before may still set:
/// GpuClaim::call(). Error: the first.
Status restore_apart(const GpuLimits& limits) {
  Status all;
  for (const GpuLimit& limit : limits.gpus) {
    GpuLimits one = limits;
    one.gpus = {limit};
    if (Status done = restore_in_process(one); !done && all) all = std::move(done);
  }
  return all;
}

class GpuLimitFault final : public Fault {
 public:
  GpuLimitFault(GpuLimits limits, GpuProcess process, NodeRanks ranks)
      : limits_(std::move(limits)), process_(std::move(process)), ranks_(std::move(ranks)) {}

  Status start() override {
    GRIT_CHECK(check_is_of_a_rank(limits_, ranks_, 1));
    on_ = true;  // it may be, from here on
    return keep(process_.ask("apply", kGpuCall_ns));
  }
  Status stop() override {
    if (!on_) return {};
    GRIT_CHECK(process_.running() ? keep(process_.ask("restore", kGpuCall_ns)) : restore_apart(limits_));
    on_ = false;
    return {};
  }
  Result<Reading> read() override {
    GRIT_TRY(const Json seen, ask("look"));
    Reading reading{.holds = on_ && seen.value("holds", false), .left = seen.value("left", false)};
    if (limits_.mechanism == kGpuClocks) reading.left = on_;  // there is no getter: what the driver has acknowledged
    reading.details = {{"mechanism", limits_.mechanism}, {"gpus", seen.value("gpus", Json::object())}};
    for (const GpuLimit& limit : limits_.gpus)
      if (is_of_a_rank(limit, ranks_)) reading.details["of_the_ranks"].push_back(limit.uuid);
    if (seen.value("fake", false)) reading.details["fake"] = true;  // a library of the tests: no GPU was touched
    return reading;
  }
  Result<Json> counters() override {
    // While it is off nothing is counted, and the agent's loop need not wait. Of a process that had to be killed what
    // it has counted is what it said last.
    if (on_ && process_.running()) GRIT_CHECK(keep(ask("count")));
    std::int64_t throttled_ns = 0;  // of the job's GPUs: what others do under the limit is not the job's
    for (const GpuLimit& limit : limits_.gpus)
      if (const auto of_gpu = throttled_ns_.find(limit.uuid);
          of_gpu != throttled_ns_.end() && is_of_a_rank(limit, ranks_))
        throttled_ns += of_gpu->second;
    return Json{{"throttled_ns", throttled_ns}};
  }
  /// Clocks follow within some milliseconds.
  [[nodiscard]] std::int64_t patience_ns() const override { return kNsPerS; }

 private:
  /// A process that hung has been killed: another one is then asked.
  Result<Json> ask(const char* question) {
    if (process_.running()) return process_.ask(question, kGpuCall_ns);
    return ask_gpus([&](const Nvml& nvml) { return make_limited_gpus(nvml, limits_)->answer(question); }, kGpuCall_ns);
  }
  Status keep(const Result<Json>& answer) {
    if (!answer) return tl::make_unexpected(answer.error());
    for (const GpuLimit& limit : limits_.gpus) {
      std::int64_t& kept_ns = throttled_ns_[limit.uuid];
      kept_ns = std::max(kept_ns, answer->at("throttled_ns").value(limit.uuid, std::int64_t{0}));
    }
    return {};
  }

  const GpuLimits limits_;
  GpuProcess process_;
  const NodeRanks ranks_;
  std::map<std::string, std::int64_t> throttled_ns_{};  // of each GPU, by its UUID
  bool on_ = false;
};

}  // namespace

Status check_is_of_ranks(const std::string& first, const std::vector<std::uint64_t>& gpus, const NodeRanks& ranks,
                         std::size_t enough) {
  std::size_t said = 0;
  for (const NodeRank& rank : ranks.all) {
    const std::uint64_t of_rank = rank.slot->gpu.load();
    if (of_rank == 0) continue;
    if (std::find(gpus.begin(), gpus.end(), of_rank) != gpus.end()) return {};
    ++said;
  }
  if (said == 0 || said < enough) return {};
  return usage_error(fmt::format("GPU {}: none of this node's ranks computes on it, so that nothing could act", first));
}

Json to_json(const GpuLimits& limits) {
  Json gpus = Json::array();
  for (const GpuLimit& one : limits.gpus)
    gpus.push_back({{"uuid", one.uuid},
                    {"pci", one.pci},
                    {"set", one.set},
                    {"before_mw", one.before_mw},
                    {"default_mw", one.default_mw}});
  return Json{{"mechanism", limits.mechanism}, {"id", limits.id},
              {"boot_id", limits.boot},        {"driver", limits.driver},
              {"site_lock", limits.site_lock}, {"gpus", std::move(gpus)}};
}

Result<GpuLimits> gpu_limits_from_json(const Json& record) {
  ClosedObject object(record, "undo record of gpu_throttle");
  GpuLimits limits;
  limits.mechanism = object.choice("mechanism", {kGpuClocks, kGpuPower});
  limits.id = object.text("id", 32);
  limits.boot = object.text("boot_id", 64);
  limits.driver = object.text("driver", 32);
  limits.site_lock = object.text("site_lock", 32);
  const Json& gpus = object.array("gpus", kMostGpus);
  GRIT_CHECK(object.done());
  if (limits.site_lock != kNoSiteLock && !clock_lock_of(limits.site_lock))
    return usage_error("undo record of gpu_throttle: site_lock is no clock");
  const std::int64_t least_mw = limits.mechanism == kGpuPower ? 1 : 0, most_mw = least_mw * kMost;
  for (const Json& one : gpus) {
    ClosedObject fields(one, "undo record of gpu_throttle");
    GpuLimit limit;
    limit.uuid = fields.text("uuid", nvml::kMostText_bytes - 1);
    limit.pci = fields.text("pci", 32);
    limit.set = fields.integer("set", 1, kMost);
    limit.before_mw = fields.integer("before_mw", least_mw, most_mw);
    limit.default_mw = fields.integer("default_mw", least_mw, most_mw);
    GRIT_CHECK(fields.done());
    if (!is_gpu_uuid(limit.uuid)) return usage_error("undo record of gpu_throttle: uuid is no GPU's");
    limits.gpus.push_back(std::move(limit));
  }
  if (limits.gpus.empty()) return usage_error("undo record of gpu_throttle: there is no GPU in it");
  return limits;
}

Result<std::unique_ptr<Fault>> make_gpu_limits(GpuLimits limits, NodeRanks ranks) {
  GRIT_CHECK(check_is_of_a_rank(limits, ranks, ranks.all.size()));
  GRIT_TRY(GpuProcess process, GpuProcess::start([&](const Nvml& nvml) { return make_limited_gpus(nvml, limits); }));
  GRIT_CHECK(process.ask("arm", kGpuCall_ns));
  return std::make_unique<GpuLimitFault>(std::move(limits), std::move(process), std::move(ranks));
}

Result<Reverted> put_back(const GpuLimits& limits) {
  GRIT_TRY(const std::string boot, boot_id());
  if (boot != limits.boot) return Reverted::gone;
  Status done = restore_in_process(limits);  // starting the library takes long: once, where all answer
  if (!done && limits.gpus.size() > 1) done = restore_apart(limits);
  if (done) return Reverted::put_back;
  std::error_code error;
  const bool loaded = std::filesystem::exists(kDriverModule, error);
  if (!loaded && !error && done.error().message.find(describe(nvml::driver_not_loaded)) != std::string::npos)
    return Reverted::gone;
  return tl::make_unexpected(done.error());
}

}  // namespace grit
