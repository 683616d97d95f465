// rank_delay: a synthetic straggler. The rank waits in the forward pass of its steps: always as long, at random, or in
// every k-th step only. The delay lives in the shared memory of the node's ranks and ends with them.
#include "injectors/rank_delay.hpp"

#include <fmt/format.h>

#include "harness/base/clock.hpp"
#include "harness/os/closed_object.hpp"
#include "injectors/ranks.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxRanks = kMaxLocalRanks;

Result<std::vector<ProcessIdentity>> ranks_of(const Json& record) {
  ClosedObject object(record, "undo record of rank_delay");
  const Json& ranks = object.array("ranks", kMaxRanks);
  GRIT_CHECK(object.done());
  return processes_from_json(ranks);
}

class RankDelay final : public Injector {
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
        .undo = UndoClass::persistent,
        .dose = {"delay"}};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params& params) const override {
    if (params.integer("delay") == 0 && params.integer("jitter") == 0)
      return usage_error("rank_delay: `delay` and `jitter` are both 0, so nothing would be delayed");
    return std::string();
  }
  [[nodiscard]] std::string mechanism(const Node&, const Params&) const override { return "workload"; }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    auto tried = prepare(target);
    if (!tried) return tried.error().message;
    return std::nullopt;
  }

  [[nodiscard]] Result<Json> prepare(const Target& target) const override {
    GRIT_TRY(const auto ranks, chosen_ranks(target));
    for (const ProcessIdentity& rank : ranks) {
      GRIT_TRY(const auto memory, rank_memory(rank));
      if (!memory) return unavailable_error(fmt::format("rank process {} has ended", rank.pid));
    }
    return Json{{"ranks", to_json(ranks)}};
  }

  [[nodiscard]] Status apply(const Target& target, const Json& record) const override {
    return turn(record, [&](RankDials& dials) {
      dials.delay_every.store(target.params.integer("every_steps"));
      dials.delay_jitter_ns.store(target.params.integer("jitter"));
      dials.delay_ns.store(target.params.integer("delay"));
    });
  }

  [[nodiscard]] Result<Reading> read_back(const Json& record) const override {
    Reading reading;
    Json dials = Json::array();
    GRIT_CHECK(turn(record, [&](const RankDials& one) {
      const std::int64_t delay_ns = one.delay_ns.load(), jitter_ns = one.delay_jitter_ns.load();
      reading.in_force = reading.in_force || delay_ns != 0 || jitter_ns != 0;
      dials.push_back({{"delay_ns", delay_ns}, {"jitter_ns", jitter_ns}, {"every_steps", one.delay_every.load()}});
    }));
    reading.details["ranks"] = std::move(dials);
    return reading;
  }

  [[nodiscard]] Result<Json> counters(const Json& record) const override {
    std::int64_t steps = 0, total_ns = 0;
    GRIT_CHECK(turn(record, [&](const RankDials& one) {
      steps += one.delayed_steps.load();
      total_ns += one.delayed_ns.load();
    }));
    return Json{{"delayed_steps", steps}, {"delayed_ns", total_ns}};
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return after.value("delayed_steps", 0LL) > before.value("delayed_steps", 0LL);
  }

  [[nodiscard]] Status revert(const Json& record) const override {
    return turn(record, [](RankDials& dials) {
      dials.delay_ns.store(0);
      dials.delay_jitter_ns.store(0);
      dials.delay_every.store(1);
    });
  }

  [[nodiscard]] Status check_undo(const Json& record) const override {
    auto ranks = ranks_of(record);
    return ranks ? Status{} : tl::make_unexpected(ranks.error());
  }

 private:
  /// For each rank of the record that still lives.
  template <class Work>
  static Status turn(const Json& record, Work work) {
    GRIT_TRY(const auto ranks, ranks_of(record));
    for (const ProcessIdentity& rank : ranks) {
      GRIT_TRY(const auto memory, rank_memory(rank));
      if (memory) work(memory->slot->dials);
    }
    return {};
  }
};

}  // namespace

const Injector& rank_delay() {
  static const RankDelay injector;
  return injector;
}

}  // namespace grit
