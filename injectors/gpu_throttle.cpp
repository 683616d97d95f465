// gpu_throttle: the node's accelerators run at a lower clock.
//
// Mechanism "emulated": the clock of the timer-driven accelerator (workloads/compute/emulated.cpp), which lives in the
// shared memory of the node's ranks. What lies there ends with the ranks, so a rank that has ended leaves nothing to
// revert.
#include "injectors/gpu_throttle.hpp"

#include <fmt/format.h>

#include <cmath>

#include "harness/os/closed_object.hpp"
#include "injectors/ranks.hpp"

namespace grit {
namespace {

constexpr double kPpm = 1e6;

struct Undo {
  ProcessIdentity rank{};  // the node's first; all ranks of a node share the clock
  std::uint32_t clock_ppm = 0;
};

Result<Undo> undo_from_json(const Json& json) {
  ClosedObject object(json, "undo record of gpu_throttle");
  Undo undo;
  undo.clock_ppm = static_cast<std::uint32_t>(object.integer("clock_ppm", 1, 1'000'000));
  const Json& rank = object.object("rank");
  GRIT_CHECK(object.done());
  GRIT_TRY(undo.rank, process_identity_from_json(rank));
  return undo;
}

class GpuThrottle final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "gpu_throttle",
        .summary = "The node's accelerators run at a lower clock (emulated accelerators, so far)",
        .params =
            {{"clock", Unit::fraction, 0.5, "the clock under the fault, as a share of the nominal one", {}, 0.01, 1.0}},
        .mechanisms = {"emulated"},
        .needs = {"a workload with compute = \"emulated\""},
        .undo = UndoClass::persistent,
        .dose = {"clock", 1.0}};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params&) const override { return std::string(); }
  [[nodiscard]] std::string mechanism(const Node&, const Params&) const override { return "emulated"; }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    auto tried = prepare(target);
    if (!tried) return tried.error().message;
    return std::nullopt;
  }

  [[nodiscard]] Result<Json> prepare(const Target& target) const override {
    if (target.rank_pids.empty()) return usage_error("this node has no ranks");
    GRIT_TRY(const ProcessIdentity rank, identify_process(target.rank_pids.front()));
    GRIT_TRY(const auto memory, rank_memory(rank));
    if (!memory) return unavailable_error("the node's first rank has ended");
    return Json{{"rank", to_json(rank)}, {"clock_ppm", memory->segment.control().accelerator_clock_ppm.load()}};
  }

  [[nodiscard]] Status apply(const Target& target, const Json& record) const override {
    const double wanted_ppm = std::round(target.params.number("clock") * kPpm);
    return set_clock(record, [&](const Undo&) { return static_cast<std::uint32_t>(wanted_ppm); });
  }

  [[nodiscard]] Result<Reading> read_back(const Json& record) const override {
    GRIT_TRY(const Undo undo, undo_from_json(record));
    GRIT_TRY(const auto memory, rank_memory(undo.rank));
    Reading reading;
    reading.details["rank_lives"] = memory.has_value();
    if (!memory) return reading;
    const std::uint32_t now_ppm = memory->segment.control().accelerator_clock_ppm.load();
    reading.in_force = now_ppm != undo.clock_ppm;
    reading.details["clock_ppm"] = now_ppm;
    reading.details["mechanism"] = "emulated";
    return reading;
  }

  [[nodiscard]] Result<Json> counters(const Json& record) const override {
    GRIT_TRY(const Undo undo, undo_from_json(record));
    GRIT_TRY(const auto memory, rank_memory(undo.rank));
    if (!memory) return internal_error("the node's first rank has ended");
    std::int64_t throttled_ns = 0;
    for (const RankSlot& slot : memory->segment.slots()) throttled_ns += slot.dials.throttled_ns.load();
    return Json{{"throttled_ns", throttled_ns}};
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return after.value("throttled_ns", 0LL) > before.value("throttled_ns", 0LL);
  }

  [[nodiscard]] Status revert(const Json& record) const override {
    return set_clock(record, [](const Undo& undo) { return undo.clock_ppm; });
  }

  [[nodiscard]] Status check_undo(const Json& record) const override {
    auto undo = undo_from_json(record);
    return undo ? Status{} : tl::make_unexpected(undo.error());
  }

 private:
  template <class Clock>
  static Status set_clock(const Json& record, Clock clock) {
    GRIT_TRY(const Undo undo, undo_from_json(record));
    GRIT_TRY(const auto memory, rank_memory(undo.rank));
    if (memory) memory->segment.control().accelerator_clock_ppm.store(clock(undo));
    return {};
  }
};

}  // namespace

const Injector& gpu_throttle() {
  static const GpuThrottle injector;
  return injector;
}

}  // namespace grit
