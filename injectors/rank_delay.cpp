// rank_delay: a synthetic straggler. The rank waits in the forward pass of its steps: always as long, at random, or in
// every k-th step only.
#include "harness/base/clock.hpp"
#include "injectors/faults.hpp"
#include "injectors/rank_dial.hpp"

namespace grit {
namespace {

class RankDelay final : public RankDialInjector {
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
        .rank_by_rank = true,
        .undo = UndoClass::persistent,
        .dose = {"delay"}};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params& params) const override {
    if (params.integer("delay") == 0 && params.integer("jitter") == 0)
      return usage_error("rank_delay: `delay` and `jitter` are both 0, so nothing would be delayed");
    return std::string();
  }

 protected:
  [[nodiscard]] const std::vector<Dial>& dials() const override {
    static const std::vector<Dial> all{
        {"delay_ns", &RankDials::delay_ns, 0, [](const Params& params) { return params.integer("delay"); }},
        {"jitter_ns", &RankDials::delay_jitter_ns, 0, [](const Params& params) { return params.integer("jitter"); }},
        {"every_steps", &RankDials::delay_every, 1,
         [](const Params& params) { return params.integer("every_steps"); }}};
    return all;
  }
  [[nodiscard]] const std::vector<DialCounter>& dial_counters() const override {
    static const std::vector<DialCounter> all{{"delayed_steps", &RankDials::delayed_steps},
                                              {"delayed_ns", &RankDials::delayed_ns}};
    return all;
  }
};

}  // namespace

const Injector& rank_delay() {
  static const RankDelay injector;
  return injector;
}

}  // namespace grit
