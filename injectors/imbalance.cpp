// imbalance: the router of a mixture-of-experts layer sends more of a rank's tokens to one expert than it is set to, as
// an undertrained router, or data of one kind, does. The rank with that expert has more to compute and to receive: no
// node is at fault.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "injectors/faults.hpp"
#include "injectors/rank_dial.hpp"

namespace grit {
namespace {

class Imbalance final : public RankDialInjector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "imbalance",
        .summary = "Routers of ranks prefer one expert more than they are set to",
        .params = {rank_param(),
                   {.name = "share",
                    .unit = Unit::fraction,
                    .default_value = 0.5,
                    .help = "by which the preferred expert gets more tokens than it would, at most all of them",
                    .min = 1e-6,
                    .max = 1000.0}},
        .mechanisms = {"workload"},
        .needs = {"a rank of this run on the node", "a workload with experts"},
        .touches = {"the routers of the ranks"},
        .rank_by_rank = true,
        .undo = UndoClass::persistent,
        .dose = {"share"}};
    return info;
  }

  [[nodiscard]] Status suits(const WorkloadTraits& workload, const Params&) const override {
    if (std::find(workload.axes.begin(), workload.axes.end(), Axis::ep) != workload.axes.end()) return {};
    return usage_error(
        fmt::format("imbalance needs a workload with experts (axis ep), and {} has none", workload.name));
  }

 protected:
  [[nodiscard]] const std::vector<Dial>& dials() const override {
    static const std::vector<Dial> all{
        {"router_imbalance_ppm", &RankDials::router_imbalance_ppm, 0,
         [](const Params& params) { return std::int64_t{std::llround(params.number("share") * 1e6)}; }}};
    return all;
  }
  [[nodiscard]] const std::vector<DialCounter>& dial_counters() const override {
    static const std::vector<DialCounter> all{{"imbalanced_tokens", &RankDials::imbalanced_tokens}};
    return all;
  }
};

}  // namespace

const Injector& imbalance() {
  static const Imbalance injector;
  return injector;
}

}  // namespace grit
