// gpu_throttle: the node's accelerators run at a lower clock.
//
// Mechanism "emulated": the clock of the timer-driven accelerator (workloads/compute/emulated.cpp), which lives in the
// shared memory of the node's ranks. What lies there ends with the ranks, so a rank that has ended leaves nothing to
// revert.
#include <cmath>

#include "harness/os/closed_object.hpp"
#include "injectors/faults.hpp"
#include "injectors/ranks.hpp"
#include "injectors/setting.hpp"

namespace grit {
namespace {

constexpr double kPpm = 1e6;

struct Undo {
  std::vector<ProcessIdentity> ranks{};  // of the node, which share the clock
  std::uint32_t clock_ppm = 0;
};

Json to_json(const Undo& undo) { return Json{{"ranks", to_json(undo.ranks)}, {"clock_ppm", undo.clock_ppm}}; }

Result<Undo> undo_from_json(const Json& json) {
  ClosedObject object(json, "undo record of gpu_throttle");
  Undo undo;
  undo.clock_ppm = static_cast<std::uint32_t>(object.integer("clock_ppm", 1, 1'000'000));
  const Json& ranks = object.array("ranks", kMaxLocalRanks);
  GRIT_CHECK(object.done());
  GRIT_TRY(undo.ranks, processes_from_json(ranks));
  return undo;
}

class GpuThrottle final : public SettingInjector<Undo> {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "gpu_throttle",
        .summary = "The node's accelerators run at a lower clock (emulated accelerators, so far)",
        .params =
            {{"clock", Unit::fraction, 0.5, "the clock under the fault, as a share of the nominal one", {}, 0.01, 1.0}},
        .mechanisms = {"emulated"},
        .needs = {"a workload with compute = \"emulated\""},
        .touches = {"the clock of the accelerators"},
        .undo = UndoClass::persistent,
        .dose = {"clock", 1.0}};
    return info;
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "throttled_ns");
  }

 protected:
  [[nodiscard]] Result<Undo> snapshot(const Target& target) const override {
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
    GRIT_TRY(const auto segment, segment_of(undo.ranks));
    return segment ? take_off({.ranks = node_ranks(*segment)}, undo) : Reverted::gone;
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
