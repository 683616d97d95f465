#include "injectors/gpu_limits_service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "harness/base/clock.hpp"
#include "harness/os/gpu_claim.hpp"

namespace grit {
namespace {

constexpr std::int64_t kRounds_mw = 1000;  // a driver may round what it is told

bool is_of_power(const GpuLimits& limits) { return limits.mechanism == kGpuPower; }

Result<GpuClaim> claim_of(const GpuLimits& limits, const GpuLimit& limit) {
  return GpuClaim::open(limit.uuid, limits.id, limits.driver);
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
  // Ours, or what the driver made of it.
  if (std::llabs(static_cast<std::int64_t>(now_mw) - limit.set) < kRounds_mw)
    return gpu.set_power_limit(static_cast<unsigned>(limit.before_mw));
  if (now_mw == limit.before_mw || now_mw == limit.default_mw) return {};
  return internal_error(fmt::format(
      "GPU {}: its power limit was {} mW, was set to {} mW and is {} mW: somebody else has set it meanwhile. "
      "It is left alone; set it right by hand (nvidia-smi -pl), then delete the journal and {}",
      limit.uuid, limit.before_mw, limit.set, now_mw, GpuClaim::file_of(limit.uuid).string()));
}

/// Clocks that were locked with another driver than is loaded now went with that one.
Status restore_clocks(const GpuSettings& gpu, const GpuLimits& limits) {
  if (is_another_driver(limits.driver, loaded_nvidia_driver())) return {};
  const auto lock = clock_lock_of(limits.site_lock);
  return lock ? gpu.lock_clocks(*lock) : gpu.unlock_clocks();
}

/// What is read, too, is read within claim.call(): a call that was given up could change it until then.
Status restore_one(const Nvml& nvml, const GpuLimits& limits, const GpuLimit& limit) {
  GRIT_TRY(const GpuClaim claim, claim_of(limits, limit));
  GRIT_TRY(const bool may_be_set, claim.may_be_set());
  if (!may_be_set) return {};
  GRIT_TRY(const auto gpu, GpuSettings::of(nvml, limit.uuid));
  GRIT_CHECK(claim.call([&] { return is_of_power(limits) ? restore_power(gpu, limit) : restore_clocks(gpu, limits); }));
  return claim.write_down(false);
}

class LimitedGpus final : public GpuService {
 public:
  LimitedGpus(const Nvml& nvml, GpuLimits limits)
      : nvml_(nvml), limits_(std::move(limits)), counts_(limits_.gpus.size()) {}

  Result<Json> answer(const Json& question) override {
    const std::string what = question.is_string() ? question.get<std::string>() : "";
    if (what == "arm") return done(arm());
    if (what == "apply") return done(apply());
    if (what == "restore") return done(restore());
    if (what == "look") return look();
    if (what == "count") return done(count());
    return usage_error("no such question");
  }

  /// The driver counts no time for clocks that are locked. What is counted is for how long a GPU was busy at that
  /// clock, held there by nothing else, seen every kGpuTick_ns. Of a longer time, in which a question was answered, one
  /// look does not tell.
  void tick() override {
    const std::int64_t now_ns = monotonic_ns(), since_ns = std::exchange(ticked_ns_, now_ns);
    const std::int64_t seen_ns = std::min(now_ns - since_ns, 2 * kGpuTick_ns);
    if (!on_ || is_of_power(limits_)) return;
    for (std::size_t i = 0; i < limits_.gpus.size(); ++i)
      if (const auto gpu = gpu_of(i); gpu && gpu->is_held_at(static_cast<unsigned>(limits_.gpus[i].set)))
        counts_[i].earlier_ns += seen_ns;
  }

 private:
  /// For how long one GPU was held back. "power": what the driver had counted when the limit was set, and its growth
  /// since; "clocks": all of it is in earlier_ns.
  struct Count {
    std::int64_t earlier_ns = 0;
    std::optional<std::int64_t> since_ns{};
    std::int64_t growth_ns = 0;
    /// One step of the driver's counter may be of the time before the limit: a growth of no more shows nothing.
    [[nodiscard]] std::int64_t total_ns() const {
      return earlier_ns + (growth_ns > kPowerCountStep_ns ? growth_ns : 0);
    }
  };

  [[nodiscard]] Result<GpuSettings> gpu_of(std::size_t i) const { return GpuSettings::of(nvml_, limits_.gpus[i].uuid); }

  [[nodiscard]] Result<Json> done(const Status& status) const {
    GRIT_CHECK(status);
    Json throttled = Json::object();
    for (std::size_t i = 0; i < limits_.gpus.size(); ++i) throttled[limits_.gpus[i].uuid] = counts_[i].total_ns();
    return Json{{"throttled_ns", std::move(throttled)}};
  }

  Status arm() {
    for (const GpuLimit& limit : limits_.gpus) {
      GRIT_TRY(GpuClaim claim, claim_of(limits_, limit));
      GRIT_CHECK(claim.take());
      claims_.push_back(std::move(claim));
    }
    return {};
  }

  Status apply() {
    if (claims_.size() != limits_.gpus.size()) return internal_error("the GPUs were not taken for this fault");
    ticked_ns_ = monotonic_ns();
    for (Count& count : counts_) count.since_ns.reset();
    for (std::size_t i = 0; i < limits_.gpus.size(); ++i) {
      const GpuLimit& limit = limits_.gpus[i];
      const auto set = static_cast<unsigned>(limit.set);
      GRIT_TRY(const auto gpu, gpu_of(i));
      if (is_of_power(limits_)) {
        GRIT_CHECK(check_is_as_before(gpu, limit));
        GRIT_TRY(counts_[i].since_ns, gpu.power_capped_ns());
      }
      GRIT_CHECK(claims_[i].take());  // it may have been another stage's until now
      on_ = true;
      GRIT_CHECK(claims_[i].write_down(true));
      GRIT_CHECK(claims_[i].call([&] {
        return is_of_power(limits_) ? gpu.set_power_limit(set) : gpu.lock_clocks({set, set});
      }));
    }
    return {};
  }

  Status restore() {
    static_cast<void>(count());  // what the driver counts from now on is not of the fault
    GRIT_CHECK(restore_limits(nvml_, limits_));
    on_ = false;
    for (Count& count : counts_) count = {.earlier_ns = count.total_ns()};
    return {};
  }

  /// "power": what the driver has counted since the limit was set, and while it is.
  Status count() {
    for (std::size_t i = 0; i < limits_.gpus.size() && on_; ++i) {
      if (!counts_[i].since_ns) continue;  // the start did not come so far
      GRIT_TRY(const auto gpu, gpu_of(i));
      GRIT_TRY(const std::int64_t now_ns, gpu.power_capped_ns());
      counts_[i].growth_ns = now_ns - *counts_[i].since_ns;
    }
    return {};
  }

  Result<Json> look() {
    Json reading{{"holds", true}, {"left", false}, {"fake", nvml_.is_fake()}, {"gpus", Json::object()}};
    for (std::size_t i = 0; i < limits_.gpus.size(); ++i) {
      const GpuLimit& limit = limits_.gpus[i];
      GRIT_TRY(const auto gpu, gpu_of(i));
      GRIT_TRY(const GpuClock clock, gpu.clock());
      Json& details = reading["gpus"][limit.uuid];
      details = {{"sm_mhz", clock.sm_mhz}, {"reasons", clock.reasons}};
      if (clock.busy_percent) details["busy_percent"] = *clock.busy_percent;
      bool holds = clock.sm_mhz <= limit.set + kClockStep_mhz;
      if (is_of_power(limits_)) {
        GRIT_TRY(const unsigned limit_mw, gpu.power_limit_mw());
        GRIT_TRY(const GpuClaim claim, claim_of(limits_, limit));
        GRIT_TRY(const bool may_be_set, claim.may_be_set());
        details["power_limit_mw"] = limit_mw;
        holds = limit_mw == limit.set;
        if (may_be_set && limit_mw != limit.before_mw) reading["left"] = true;
      }
      if (!holds) reading["holds"] = false;
    }
    return reading;
  }

  const Nvml& nvml_;
  const GpuLimits limits_;
  std::vector<GpuClaim> claims_{};
  std::vector<Count> counts_;
  std::int64_t ticked_ns_ = 0;
  bool on_ = false;
};

}  // namespace

std::unique_ptr<GpuService> make_limited_gpus(const Nvml& nvml, GpuLimits limits) {
  return std::make_unique<LimitedGpus>(nvml, std::move(limits));
}

Status restore_limits(const Nvml& nvml, const GpuLimits& limits) {
  Status all;
  for (const GpuLimit& limit : limits.gpus)
    if (Status one = restore_one(nvml, limits, limit); !one && all) all = std::move(one);
  return all;
}

}  // namespace grit
