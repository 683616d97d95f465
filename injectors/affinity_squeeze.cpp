// affinity_squeeze: all ranks of the node, and their helpers, share a few CPUs, as after a wrong binding: a launcher
// that binds every rank to the first core, or a container that was given fewer CPUs than it has ranks.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "injectors/confinement.hpp"
#include "injectors/faults.hpp"
#include "injectors/ranks.hpp"

namespace grit {
namespace {

/// The CPUs that any thread of these may run on.
Cpus cpus_of(const std::vector<ConfinedRank>& ranks) {
  Cpus all;
  for (const ConfinedRank& rank : ranks)
    for (const ThreadAffinity& thread : rank.before.threads) {
      Cpus both;
      std::set_union(all.begin(), all.end(), thread.cpus.begin(), thread.cpus.end(), std::back_inserter(both));
      all = std::move(both);
    }
  return all;
}

class AffinitySqueeze final : public ConfinementInjector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "affinity_squeeze",
        .summary = "All ranks of the node, with their data loaders, share a few CPUs",
        .params = {rank_param(),
                   {.name = "cpus",
                    .unit = Unit::count,
                    .default_value = 1,
                    .help = "how many CPUs they share: the first of those that they may run on",
                    .min = 1.0}},
        .mechanisms = {"affinity"},
        .needs = {"ranks that may run on more CPUs", "the right to set the affinity of the ranks"},
        .touches = {kRanksAffinity},
        .undo = UndoClass::persistent};
    return info;
  }

 protected:
  [[nodiscard]] Result<Confinement> snapshot(const Target& target) const override {
    GRIT_TRY(const auto ranks, chosen_ranks(target));
    Confinement undo;
    for (const NodeRank& rank : ranks) {
      GRIT_TRY(ConfinedRank bound, bound_rank(rank.process));
      undo.ranks.push_back(std::move(bound));
    }
    Cpus shared = cpus_of(undo.ranks);
    const auto wanted = static_cast<std::size_t>(target.params.integer("cpus"));
    if (wanted >= shared.size())
      return unavailable_error(
          fmt::format("the ranks have CPU {} and no more: ask for fewer `cpus` than that", to_list(shared)));
    shared.resize(wanted);
    for (ConfinedRank& rank : undo.ranks) {
      rank.cpus = shared;
      rank.why = fmt::format("shared by {} rank(s)", undo.ranks.size());
    }
    return undo;
  }
};

}  // namespace

const Injector& affinity_squeeze() {
  static const AffinitySqueeze injector;
  return injector;
}

}  // namespace grit
