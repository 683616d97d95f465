#include "injectors/gpu_limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <utility>

#include "harness/base/clock.hpp"
#include "harness/os/closed_object.hpp"
#include "harness/os/gpu_process.hpp"
#include "harness/os/identity.hpp"

namespace grit {
namespace {

constexpr std::int64_t kMost = 10'000'000;                   // mW or MHz: 10 kW
constexpr std::int64_t kRounds_mw = 1000;                    // a driver may round what it is told
constexpr const char* kDriverModule = "/sys/module/nvidia";  // its settings go with it

Status apply_to(const GpuSettings& gpu, const GpuLimit& limit, bool is_power) {
  const auto set = static_cast<unsigned>(limit.set);
  return is_power ? gpu.set_power_limit(set) : gpu.lock_clocks({set, set});
}

/// What would be put back is what is in the record.
Status check_is_as_before(const GpuSettings& gpu, const GpuLimit& limit) {
  GRIT_TRY(const unsigned now_mw, gpu.power_limit_mw());
  if (now_mw == limit.before_mw) return {};
  return unavailable_error(
      fmt::format("GPU {}: its power limit was {} mW a moment ago and is {} mW: somebody else sets it at the same time",
                  limit.uuid, limit.before_mw, now_mw));
}

/// A limit that is neither ours nor the one before is somebody else's, or that of a driver which was loaded anew and
/// has forgotten ours.
Status restore_power(const GpuSettings& gpu, const GpuLimit& limit) {
  GRIT_TRY(const unsigned now_mw, gpu.power_limit_mw());
  if (now_mw == limit.before_mw) return {};
  // Ours, or what the driver made of it.
  if (std::llabs(static_cast<std::int64_t>(now_mw) - limit.set) < kRounds_mw)
    return gpu.set_power_limit(static_cast<unsigned>(limit.before_mw));
  if (now_mw == limit.default_mw) return {};
  return internal_error(fmt::format(
      "GPU {}: its power limit was {} mW, was set to {} mW and is {} mW: somebody else has set it meanwhile. "
      "It is left alone; set it right by hand (nvidia-smi -pl), then delete the journal",
      limit.uuid, limit.before_mw, limit.set, now_mw));
}

Status restore_clocks(const GpuSettings& gpu, const std::string& site_lock) {
  const auto lock = clock_lock_of(site_lock);
  return lock ? gpu.lock_clocks(*lock) : gpu.unlock_clocks();
}

/// Of so many of its GPUs, from the first on, also when one fails. Error: the first.
Status restore_first(const Nvml& nvml, const GpuLimits& limits, std::size_t count) {
  Status all;
  for (const GpuLimit& limit : std::span(limits.gpus).first(count)) {
    const auto one = [&]() -> Status {
      GRIT_TRY(const auto gpu, GpuSettings::of(nvml, limit.uuid));
      return limits.mechanism == kGpuPower ? restore_power(gpu, limit) : restore_clocks(gpu, limits.site_lock);
    }();
    if (!one && all) all = one;
  }
  return all;
}

/// The GPUs of one record, in the process that asks for them. `touched`: so many of them, from the first on, may have
/// been set before.
class LimitedGpus final : public GpuService {
 public:
  LimitedGpus(const Nvml& nvml, GpuLimits limits, std::size_t touched)
      : nvml_(nvml), limits_(std::move(limits)), capped_since_ns_(limits_.gpus.size()), touched_(touched) {}

  Result<Json> answer(const Json& question) override {
    const std::string what = question.is_string() ? question.get<std::string>() : "";
    if (what == "apply") return done(apply());
    if (what == "restore") return done(restore());
    if (what == "look") return look();
    if (what == "count") return done(count());
    return usage_error("no such question");
  }

  /// The driver counts no time for clocks that are locked. What is counted is for how long a GPU was busy at that
  /// clock, held there by nothing else, seen every kGpuTick_ns.
  void tick() override {
    const std::int64_t now_ns = monotonic_ns(), since_ns = std::exchange(ticked_ns_, now_ns);
    if (!on_ || is_power()) return;
    for (const GpuLimit& limit : limits_.gpus)
      if (const auto gpu = gpu_of(limit); gpu && gpu->is_held_at(static_cast<unsigned>(limit.set)))
        throttled_ns_ += now_ns - since_ns;
  }

 private:
  [[nodiscard]] bool is_power() const { return limits_.mechanism == kGpuPower; }
  [[nodiscard]] Result<GpuSettings> gpu_of(const GpuLimit& limit) const { return GpuSettings::of(nvml_, limit.uuid); }

  [[nodiscard]] Result<Json> done(const Status& status) const {
    GRIT_CHECK(status);
    return Json{{"throttled_ns", throttled_ns_}};
  }

  Status apply() {
    ticked_ns_ = monotonic_ns();
    std::fill(capped_since_ns_.begin(), capped_since_ns_.end(), std::nullopt);
    for (std::size_t i = 0; i < limits_.gpus.size(); ++i) {
      GRIT_TRY(const auto gpu, gpu_of(limits_.gpus[i]));
      if (is_power()) {
        GRIT_CHECK(check_is_as_before(gpu, limits_.gpus[i]));
        GRIT_TRY(capped_since_ns_[i], gpu.power_capped_ns());
      }
      on_ = true, touched_ = std::max(touched_, i + 1);
      GRIT_CHECK(apply_to(gpu, limits_.gpus[i], is_power()));
    }
    return {};
  }

  Status restore() {
    static_cast<void>(count());  // what the driver counts from now on is not of the fault
    GRIT_CHECK(restore_first(nvml_, limits_, touched_));
    on_ = false;
    return {};
  }

  /// "power": what the driver has counted since the limit was set, and while it is.
  Status count() {
    for (std::size_t i = 0; i < limits_.gpus.size() && on_; ++i) {
      if (!capped_since_ns_[i]) continue;  // the start did not come so far
      GRIT_TRY(const auto gpu, gpu_of(limits_.gpus[i]));
      GRIT_TRY(const std::int64_t now_ns, gpu.power_capped_ns());
      throttled_ns_ += now_ns - *std::exchange(capped_since_ns_[i], now_ns);
    }
    return {};
  }

  Result<Json> look() {
    Json reading{{"holds", true}, {"left", false}, {"fake", nvml_.is_fake()}, {"gpus", Json::object()}};
    for (std::size_t i = 0; i < limits_.gpus.size(); ++i) {
      const GpuLimit& limit = limits_.gpus[i];
      GRIT_TRY(const auto gpu, gpu_of(limit));
      GRIT_TRY(const GpuClock clock, gpu.clock());
      Json& details = reading["gpus"][limit.uuid];
      details = {{"sm_mhz", clock.sm_mhz}, {"reasons", clock.reasons}};
      if (clock.busy_percent) details["busy_percent"] = *clock.busy_percent;
      bool holds = clock.sm_mhz <= limit.set + kClockStep_mhz, left = false;
      if (is_power()) {
        GRIT_TRY(const unsigned limit_mw, gpu.power_limit_mw());
        details["power_limit_mw"] = limit_mw;
        holds = limit_mw == limit.set, left = i < touched_ && limit_mw != limit.before_mw;
      }
      if (!holds) reading["holds"] = false;
      if (left) reading["left"] = true;
    }
    return reading;
  }

  const Nvml& nvml_;
  const GpuLimits limits_;
  std::vector<std::optional<std::int64_t>> capped_since_ns_;  // "power": what the driver had counted
  std::size_t touched_;
  std::int64_t throttled_ns_ = 0, ticked_ns_ = 0;
  bool on_ = false;
};

class GpuLimitFault final : public Fault {
 public:
  GpuLimitFault(GpuLimits limits, GpuProcess process) : limits_(std::move(limits)), process_(std::move(process)) {}

  Status start() override {
    on_ = true;  // it may be, from here on
    return keep(ask("apply"));
  }
  Status stop() override {
    if (!on_) return {};
    GRIT_CHECK(keep(ask("restore")));
    on_ = false;
    return {};
  }
  Result<Reading> read() override {
    GRIT_TRY(const Json seen, ask("look"));
    Reading reading{.holds = on_ && seen.value("holds", false), .left = seen.value("left", false)};
    if (limits_.mechanism == kGpuClocks) reading.left = on_;  // there is no getter: what the driver has acknowledged
    reading.details = {{"mechanism", limits_.mechanism}, {"gpus", seen.value("gpus", Json::object())}};
    if (seen.value("fake", false)) reading.details["fake"] = true;  // a library of the tests: no GPU was touched
    return reading;
  }
  Result<Json> counters() override {
    // While it is off nothing is counted, and the agent's loop need not wait. Of a process that had to be killed what
    // it has counted is what it said last.
    if (on_ && process_.running()) GRIT_CHECK(keep(ask("count")));
    return Json{{"throttled_ns", throttled_ns_}};
  }
  /// Clocks follow within some milliseconds.
  [[nodiscard]] std::int64_t patience_ns() const override { return kNsPerS; }

 private:
  /// A process that hung has been killed: another one then takes the limits off.
  Result<Json> ask(const char* question) {
    if (process_.running()) return process_.ask(question, kGpuCall_ns);
    return ask_gpus([&](const Nvml& nvml) { return LimitedGpus(nvml, limits_, limits_.gpus.size()).answer(question); },
                    kGpuCall_ns);
  }
  Status keep(const Result<Json>& answer) {
    if (!answer) return tl::make_unexpected(answer.error());
    throttled_ns_ = std::max(throttled_ns_, answer->value("throttled_ns", std::int64_t{0}));
    return {};
  }

  const GpuLimits limits_;
  GpuProcess process_;
  std::int64_t throttled_ns_ = 0;
  bool on_ = false;
};

}  // namespace

bool is_gpu_uuid(const std::string& text) { return text.starts_with("GPU-") && text.size() < nvml::kMostText_bytes; }

Json to_json(const GpuLimits& limits) {
  Json gpus = Json::array();
  for (const GpuLimit& one : limits.gpus)
    gpus.push_back(
        {{"uuid", one.uuid}, {"set", one.set}, {"before_mw", one.before_mw}, {"default_mw", one.default_mw}});
  return Json{{"mechanism", limits.mechanism},
              {"boot_id", limits.boot},
              {"site_lock", limits.site_lock},
              {"gpus", std::move(gpus)}};
}

Result<GpuLimits> gpu_limits_from_json(const Json& record) {
  ClosedObject object(record, "undo record of gpu_throttle");
  GpuLimits limits;
  limits.mechanism = object.choice("mechanism", {kGpuClocks, kGpuPower});
  limits.boot = object.text("boot_id", 64);
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

Result<std::unique_ptr<Fault>> make_gpu_limits(GpuLimits limits) {
  GRIT_TRY(
      GpuProcess process,
      GpuProcess::start([&](const Nvml& nvml) { return std::make_unique<LimitedGpus>(nvml, limits, 0); }, kGpuCall_ns));
  return std::make_unique<GpuLimitFault>(std::move(limits), std::move(process));
}

Result<Reverted> put_back(const GpuLimits& limits) {
  GRIT_TRY(const std::string boot, boot_id());
  if (boot != limits.boot) return Reverted::gone;
  const auto work = [&](const Nvml& nvml) -> Result<Json> {
    GRIT_CHECK(restore_first(nvml, limits, limits.gpus.size()));
    return Json(true);
  };
  const auto done = ask_gpus(work, kGpuCall_ns);
  if (done) return Reverted::put_back;
  std::error_code error;
  const bool loaded = std::filesystem::exists(kDriverModule, error);
  if (!loaded && !error && done.error().message.find(describe(nvml::driver_not_loaded)) != std::string::npos)
    return Reverted::gone;
  return tl::make_unexpected(done.error());
}

}  // namespace grit
