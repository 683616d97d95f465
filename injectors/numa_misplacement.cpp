// numa_misplacement: ranks run on the CPUs of a NUMA node that is not the one of their memory, as after a wrong binding
// or a restart on the wrong socket. Their memory stays where it is.
#include <fmt/format.h>

#include <algorithm>

#include "harness/os/numa.hpp"
#include "injectors/confinement.hpp"
#include "injectors/faults.hpp"
#include "injectors/ranks.hpp"

namespace grit {
namespace {

Result<std::vector<NumaNode>> usable_nodes() {
  GRIT_TRY(auto nodes, numa_nodes());
  const auto with_cpus =
      std::count_if(nodes.begin(), nodes.end(), [](const NumaNode& node) { return !node.cpus.empty(); });
  if (with_cpus < 2) return unavailable_error("this machine has one NUMA node: there is no other one to run on");
  return nodes;
}

/// To the farthest node with CPUs, seen from the one that holds most of the process's memory.
Result<ConfinedRank> misplaced(const std::vector<NumaNode>& nodes, const ProcessIdentity& rank) {
  GRIT_TRY(ConfinedRank chosen, bound_rank(rank));
  GRIT_TRY(const auto memory, memory_by_numa_node(rank));
  const int memory_node = std::max_element(memory.begin(), memory.end(), [](const auto& a, const auto& b) {
                            return a.second < b.second;
                          })->first;
  int farthest = -1, cpu_node = 0;
  for (const NumaNode& node : nodes) {
    const auto distance = node.distances.find(memory_node);
    const int far = distance == node.distances.end() ? 0 : distance->second;
    if (node.number == memory_node || node.cpus.empty() || far <= farthest) continue;
    farthest = far;
    cpu_node = node.number;
    chosen.cpus = node.cpus;
  }
  if (is_confined(chosen.before, chosen.cpus))
    return unavailable_error(
        fmt::format("process {} runs on node {} already, its memory is on node {}", rank.pid, cpu_node, memory_node));
  chosen.why = fmt::format("NUMA node {}, its memory is on node {}", cpu_node, memory_node);
  return chosen;
}

class NumaMisplacement final : public ConfinementInjector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "numa_misplacement",
        .summary = "Ranks run on the CPUs of another NUMA node than that of their memory",
        .params = {rank_param()},
        .mechanisms = {"affinity"},
        .needs = {"two NUMA nodes with CPUs that the ranks may use", "the right to set the affinity of the ranks"},
        .touches = {kRanksAffinity},
        .undo = UndoClass::persistent};
    return info;
  }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    const auto nodes = usable_nodes();
    return {{"affinity", nodes ? std::nullopt : std::optional(nodes.error().message)}};
  }

 protected:
  [[nodiscard]] Result<Confinement> snapshot(const Target& target) const override {
    GRIT_TRY(const auto nodes, usable_nodes());
    GRIT_TRY(const auto ranks, chosen_ranks(target));
    Confinement undo;
    for (const NodeRank& rank : ranks) {
      GRIT_TRY(ConfinedRank one, misplaced(nodes, rank.process));
      undo.ranks.push_back(std::move(one));
    }
    return undo;
  }
};

}  // namespace

const Injector& numa_misplacement() {
  static const NumaMisplacement injector;
  return injector;
}

}  // namespace grit
