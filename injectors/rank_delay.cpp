// rank_delay: a synthetic straggler. The rank waits in the forward pass of its steps: always as long, at random, or in
// every k-th step only. The delay lives in the shared memory of the node's ranks and ends with them.
#include "harness/base/clock.hpp"
#include "injectors/faults.hpp"
#include "injectors/ranks.hpp"
#include "injectors/setting.hpp"

namespace grit {
namespace {

void turn_on(RankDials& dials, const Params& params) {
  dials.delay_every.store(params.integer("every_steps"));
  dials.delay_jitter_ns.store(params.integer("jitter"));
  dials.delay_ns.store(params.integer("delay"));
}

void turn_off(RankDials& dials) {
  dials.delay_ns.store(0);
  dials.delay_jitter_ns.store(0);
  dials.delay_every.store(1);
}

class RankDelay final : public SettingInjector<RanksUndo> {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "rank_delay",
        .summary = "A synthetic straggler: a rank waits in its steps",
        .params = {rank_param("0"),
                   {"delay", Unit::time_ns, 10 * kNsPerMs, "how long it waits in a step", {}, 0.0, {}},
                   {"jitter", Unit::time_ns, 0, "at random up to so much longer", {}, 0.0, {}},
                   {"every_steps", Unit::count, 1, "in every so many-th step only", {}, 1.0, {}}},
        .mechanisms = {"workload"},
        .needs = {"a rank of this run on the node"},
        .touches = {"the delay of the ranks"},
        .undo = UndoClass::persistent,
        .dose = {"delay"}};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params& params) const override {
    if (params.integer("delay") == 0 && params.integer("jitter") == 0)
      return usage_error("rank_delay: `delay` and `jitter` are both 0, so nothing would be delayed");
    return std::string();
  }
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "delayed_steps");
  }

 protected:
  [[nodiscard]] Result<RanksUndo> snapshot(const Target& target) const override {
    GRIT_TRY(const auto ranks, chosen_ranks(target));
    return undo_of(ranks);
  }
  [[nodiscard]] Result<RanksUndo> parse(const Json& record) const override {
    return ranks_undo_from_json(record, info().name);
  }

  [[nodiscard]] Status set(const Target& target, const RanksUndo& undo) const override {
    GRIT_TRY(const auto ranks, living_of(target.ranks, undo.ranks));
    for (const NodeRank& rank : ranks) turn_on(rank.slot->dials, target.params);
    return {};
  }

  [[nodiscard]] Result<Reading> read(const Target& target, const RanksUndo& undo) const override {
    GRIT_TRY(const auto ranks, living_of(target.ranks, undo.ranks));
    Reading reading{.holds = !ranks.empty()};
    Json dials = Json::array();
    for (const NodeRank& rank : ranks) {
      const RankDials& one = rank.slot->dials;
      const std::int64_t delay_ns = one.delay_ns.load(), jitter_ns = one.delay_jitter_ns.load();
      reading.holds =
          reading.holds && delay_ns == target.params.integer("delay") && jitter_ns == target.params.integer("jitter");
      reading.left = reading.left || delay_ns != 0 || jitter_ns != 0;
      dials.push_back({{"delay_ns", delay_ns}, {"jitter_ns", jitter_ns}, {"every_steps", one.delay_every.load()}});
    }
    reading.details["ranks"] = std::move(dials);
    return reading;
  }

  /// Of all ranks of the node: those that were not meant have none.
  [[nodiscard]] Result<Json> counters(const Target& target, const RanksUndo&) const override {
    std::int64_t steps = 0, total_ns = 0;
    for (const NodeRank& rank : target.ranks.all) {
      steps += rank.slot->dials.delayed_steps.load();
      total_ns += rank.slot->dials.delayed_ns.load();
    }
    return Json{{"delayed_steps", steps}, {"delayed_ns", total_ns}};
  }

  /// Of all ranks of the node, living or not: nobody else turns these dials.
  [[nodiscard]] Result<Reverted> take_off(const Target& target, const RanksUndo&) const override {
    for (const NodeRank& rank : target.ranks.all) turn_off(rank.slot->dials);
    return Reverted::put_back;
  }

  [[nodiscard]] Result<Reverted> restore(const RanksUndo& undo) const override {
    GRIT_TRY(const auto segment, segment_of(undo.ranks));
    return segment ? take_off({.ranks = node_ranks(*segment)}, undo) : Reverted::gone;
  }
};

}  // namespace

const Injector& rank_delay() {
  static const RankDelay injector;
  return injector;
}

}  // namespace grit
