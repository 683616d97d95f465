// gpu_throttle: the node's accelerators run at a lower clock.
//
// Mechanism "emulated": the clock of the timer-driven accelerator (workloads/compute/emulated.cpp), which lives in the
// shared memory of the node's ranks. What lies there ends with the ranks, so a rank that has ended leaves nothing to
// revert.
// Mechanism "sm_share": another process holds the rest of a GPU's multiprocessors, as gpu_contention does; no setting.
// Mechanisms "clocks" and "power": settings of NVIDIA GPUs (injectors/gpu_limits.hpp), only with --allow-gpu-settings.
#include <fmt/format.h>

#include <cmath>

#include "harness/os/closed_object.hpp"
#include "harness/os/gpu_process.hpp"
#include "injectors/faults.hpp"
#include "injectors/gpu_limits.hpp"
#include "injectors/gpu_load.hpp"
#include "injectors/gpu_shares.hpp"
#include "injectors/ranks.hpp"
#include "injectors/setting.hpp"

namespace grit {
namespace {

constexpr double kPpm = 1e6;
constexpr const char* kEmulated = "emulated";
constexpr const char* kSmShare = "sm_share";

struct Undo {
  std::vector<ProcessIdentity> ranks{};  // of the node, which share the clock
  std::uint32_t clock_ppm = 0;
  std::optional<GpuLimits> gpus{};  // instead: real ones
};

Json to_json(const Undo& undo) {
  if (undo.gpus) return to_json(*undo.gpus);
  return Json{{"ranks", to_json(undo.ranks)}, {"clock_ppm", undo.clock_ppm}};
}

/// Only that of real GPUs says which mechanism it was.
bool is_of_gpus(const Json& record) { return record.is_object() && record.contains("mechanism"); }

Result<Undo> undo_from_json(const Json& json) {
  Undo undo;
  if (is_of_gpus(json)) {
    GRIT_TRY(undo.gpus, gpu_limits_from_json(json));
    return undo;
  }
  ClosedObject object(json, "undo record of gpu_throttle");
  undo.clock_ppm = static_cast<std::uint32_t>(object.integer("clock_ppm", 1, 1'000'000));
  const Json& ranks = object.array("ranks", kMaxLocalRanks);
  GRIT_CHECK(object.done());
  GRIT_TRY(undo.ranks, processes_from_json(ranks));
  return undo;
}

/// A plan of an earlier version says none.
std::string mechanism_of(const Params& params) { return params.json().value("mechanism", kEmulated); }
bool is_emulated(const Params& params) { return mechanism_of(params) == kEmulated; }
bool is_sm_share(const Params& params) { return mechanism_of(params) == kSmShare; }
bool is_setting(const Params& params) { return !is_emulated(params) && !is_sm_share(params); }

Result<std::vector<GpuLane>> hold_the_rest(const std::vector<OpenGpu>& gpus, double share, WorkerPage& page) {
  std::vector<GpuLane> lanes;
  for (const OpenGpu& gpu : gpus) {
    GRIT_TRY(GpuLane lane, sm_lane(gpu, Held::multiprocessors, 1 - share, kGpuOwn, page));
    lanes.push_back(std::move(lane));
  }
  return lanes;
}

std::vector<ParamSpec> params() {
  std::vector<ParamSpec> all{
      {"clock",
       Unit::fraction,
       0.5,
       "emulated, clocks: the clock under the fault, as a share of the nominal one; of a GPU its highest",
       {},
       0.01,
       1.0},
      {"mechanism",
       Unit::text,
       kEmulated,
       "the emulated accelerator; or of NVIDIA GPUs (with --allow-gpu-settings) locked clocks, or a power limit; or, "
       "without changing anything, multiprocessors that another process holds, as gpu_contention does",
       {kEmulated, kGpuClocks, kGpuPower, kSmShare}},
      {"share", Unit::fraction, 0.5, "sm_share: which share of the multiprocessors is left to others", {}, 0.01, 1.0}};
  for (ParamSpec& spec : gpu_limit_params()) all.push_back(std::move(spec));
  return all;
}

class GpuThrottle final : public SettingInjector<Undo> {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "gpu_throttle",
        .summary = "The node's accelerators run at a lower clock",
        .params = params(),
        .mechanisms = {kEmulated, kGpuClocks, kGpuPower, kSmShare},
        .needs = {"emulated: a workload with compute = \"emulated\"",
                  "clocks, power: a workload with compute = \"cuda\", --allow-gpu-settings, root, NVIDIA's driver",
                  "clocks: a GPU from Volta on",
                  "sm_share: a workload with compute = \"cuda\"; without MPS processes take turns on a GPU (see "
                  "gpu_contention)"},
        .touches = {"the clock of the accelerators"},
        .undo = UndoClass::persistent,
        .dose = {"clock", 1.0}};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node& node, const Params& params) const override {
    if (is_emulated(params)) return std::string();
    if (is_sm_share(params)) {
      GRIT_CHECK(check_gpu_param(info().name, node, params));
      return std::string();
    }
    GRIT_CHECK(check_gpu_limit_params(params));
    if (mechanism_of(params) == kGpuPower && params.number("clock") != info().params.front().default_value)
      return usage_error("gpu_throttle: with mechanism power the dose is `power`, and not `clock`");
    return std::string();
  }
  /// Of the ranks' GPUs, as far as the plan can tell which these are.
  [[nodiscard]] Result<Json> resolve(const Topology& topology, const std::vector<int>&, const Node& node,
                                     const Params& params) const override {
    if (!is_emulated(params)) GRIT_CHECK(check_gpu_has_ranks(topology, node, params.text("gpu")));
    return is_sm_share(params) ? resolved_gpu(node, params) : Json::object();
  }
  /// What the ranks do not compute with cannot be seen to act.
  [[nodiscard]] Status suits(const WorkloadTraits& workload, const Params& params) const override {
    const std::string needed = is_emulated(params) ? kEmulated : "cuda";
    const std::string compute = workload.params.value("compute", needed);
    if (compute == needed) return {};
    return usage_error(fmt::format("gpu_throttle by {} slows a workload with compute = \"{}\", and this one has \"{}\"",
                                   mechanism_of(params), needed, compute));
  }
  [[nodiscard]] std::string mechanism(const Node&, const Params& params) const override { return mechanism_of(params); }
  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    return {{kEmulated, std::nullopt},
            {kGpuClocks, why_no_gpu_limits_here(kGpuClocks)},
            {kGpuPower, why_no_gpu_limits_here(kGpuPower)},
            {kSmShare, why_no_gpu_load_here()}};
  }
  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    if (!is_setting(target.params)) return Injector::why_unavailable(target);
    return why_no_gpu_limits(target.params);
  }

  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    if (!is_sm_share(target.params)) return SettingInjector::prepare(target);
    auto body = gpu_lanes_body(gpus_of(target), [share = target.params.number("share")](const auto& gpus, auto& page) {
      return hold_the_rest(gpus, share, page);
    });
    return without_undo(GpuLoadFault::make(std::move(body), {"gpu_busy_ns", "held_sm_ns", "away_ns", "sms_seen"},
                                           {"held_sm_ns"}, target.ranks));
  }

  [[nodiscard]] Dose dose(const Params& params) const override {
    if (is_sm_share(params)) return {"share", 1.0};
    return mechanism_of(params) == kGpuPower ? Dose{"power", 1.0} : info().dose;
  }
  [[nodiscard]] bool changes_gpu_settings(const Params& params) const override { return is_setting(params); }
  [[nodiscard]] bool is_machine_wide(const Params& params) const override { return is_setting(params); }
  [[nodiscard]] bool is_machine_wide_record(const Json& undo) const override { return is_of_gpus(undo); }
  [[nodiscard]] std::int64_t call_limit_ns(const Params& params) const override {
    return !is_setting(params) ? 0 : kGpuStart_ns + kGpuCall_ns;  // after a hang another process takes it off
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "throttled_ns") || (!ended_early(after) && grew(before, after, "held_sm_ns"));
  }

 protected:
  [[nodiscard]] Result<Undo> snapshot(const Target& target) const override {
    if (!is_emulated(target.params)) {
      GRIT_TRY(GpuLimits gpus, plan_gpu_limits(target.params));
      return Undo{.gpus = std::move(gpus)};
    }
    if (target.ranks.all.empty()) return usage_error("this node has no ranks");
    Undo undo{.clock_ppm = target.ranks.control->accelerator_clock_ppm.load()};
    for (const NodeRank& rank : target.ranks.all) {
      GRIT_TRY(const bool alive, lives(rank.process));
      if (alive) undo.ranks.push_back(rank.process);
    }
    return undo;
  }
  [[nodiscard]] Result<Undo> parse(const Json& record) const override { return undo_from_json(record); }

  [[nodiscard]] Status set(const Target& target, const Undo&) const override {
    target.ranks.control->accelerator_clock_ppm.store(wanted_ppm(target));
    return {};
  }

  [[nodiscard]] Result<Reading> read(const Target& target, const Undo& undo) const override {
    const std::uint32_t now_ppm = target.ranks.control->accelerator_clock_ppm.load();
    return Reading{.holds = now_ppm == wanted_ppm(target),
                   .left = now_ppm != undo.clock_ppm,
                   .details = {{"clock_ppm", now_ppm}, {"mechanism", "emulated"}}};
  }

  [[nodiscard]] Result<Json> counters(const Target& target, const Undo&) const override {
    std::int64_t throttled_ns = 0;
    for (const NodeRank& rank : target.ranks.all) throttled_ns += rank.slot->dials.throttled_ns.load();
    return Json{{"throttled_ns", throttled_ns}};
  }

  [[nodiscard]] Result<Reverted> take_off(const Target& target, const Undo& undo) const override {
    target.ranks.control->accelerator_clock_ppm.store(undo.clock_ppm);
    return Reverted::put_back;
  }

  [[nodiscard]] Result<Reverted> restore(const Undo& undo) const override {
    if (undo.gpus) return put_back(*undo.gpus);
    GRIT_TRY(const auto segment, segment_of(undo.ranks));
    return segment ? take_off({.ranks = node_ranks(*segment)}, undo) : Reverted::gone;
  }

  [[nodiscard]] Result<std::unique_ptr<Fault>> make_fault(const Target& target, Undo undo) const override {
    if (undo.gpus) return make_gpu_limits(std::move(*undo.gpus), target.ranks);
    return SettingInjector::make_fault(target, std::move(undo));
  }

 private:
  static std::uint32_t wanted_ppm(const Target& target) {
    return static_cast<std::uint32_t>(std::round(target.params.number("clock") * kPpm));
  }
};

}  // namespace

const Injector& gpu_throttle() {
  static const GpuThrottle injector;
  return injector;
}

}  // namespace grit
