#include "analysis/blame/machine_storage.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "analysis/stats/median.hpp"
#include "analysis/stats/noise_floor.hpp"
#include "analysis/stats/sign_flip.hpp"

namespace grit {
namespace {

constexpr std::size_t kInput = 0, kCheckpoint = 4;
static_assert(kOwnPhases[kInput] == "input" && kOwnPhases[kCheckpoint] == "checkpoint");

/// Of input and checkpoint of these nodes, by the rank of which they grew most in each pair; the middle over the pairs.
WorkGrowth growth_of_storage(const BlameFacts& facts, const std::vector<std::size_t>& nodes) {
  std::vector<std::vector<std::size_t>> most;  // one rank, by pair
  for (const BlockPair& pair : facts.pairs) {
    const auto waited_ns = [&](int block, std::size_t rank) {
      const RankWork& work = facts.work.rank(block, rank);
      return work.phase_ns(kInput) + work.phase_ns(kCheckpoint);
    };
    std::optional<std::pair<double, std::size_t>> found;
    for (const std::size_t node : nodes)
      for (const int of_node : facts.ranks_of(node)) {
        const auto rank = static_cast<std::size_t>(of_node);
        const double grown_ns = waited_ns(pair.fault, rank) - waited_ns(pair.baseline, rank);
        if (!found || grown_ns > found->first) found = std::pair(grown_ns, rank);
      }
    most.emplace_back();
    if (found) most.back().push_back(found->second);
  }
  WorkGrowth grown = growth_by_pair(facts, most);
  for (std::size_t phase = 0; phase < kOwnPhases.size(); ++phase)
    if (phase != kInput && phase != kCheckpoint) grown.phase_ns[phase] = grown.baseline_ns[phase] = 0;
  return grown;
}

bool is_much(const BlameFacts& facts, const WorkGrowth& grown) {
  return grown.total_ns() >= kListedShare * facts.loss_ns;
}
bool is_storage(const WorkGrowth& grown) { return classify(grown).resource == "storage"; }

struct StorageMachine {
  std::vector<std::size_t> nodes{}, waiting{};  // as StorageWaits
  double grown_ns = 0;                          // by who waited most in each pair
  bool waits = false;
};

StorageMachine storage_machine_of(const BlameFacts& facts, const std::vector<std::size_t>& nodes) {
  StorageMachine machine{.nodes = nodes, .waiting = nodes};
  std::erase_if(machine.waiting, [&](std::size_t node) {
    const WorkGrowth grown = growth_of_storage(facts, {node});
    return is_much(facts, grown) && !is_storage(grown);
  });
  const WorkGrowth grown = growth_of_storage(facts, machine.waiting);
  machine.grown_ns = grown.total_ns();
  machine.waits = is_much(facts, grown) && is_storage(grown);
  return machine;
}

bool do_all_wait_alike(const std::vector<StorageMachine>& machines) {
  const auto [least, most] =
      std::minmax_element(machines.begin(), machines.end(),
                          [](const StorageMachine& x, const StorageMachine& y) { return x.grown_ns < y.grown_ns; });
  return 2 * least->grown_ns >= most->grown_ns &&
         std::all_of(machines.begin(), machines.end(), [](const StorageMachine& machine) { return machine.waits; });
}

/// "input took 201 ms a step longer on node2, 20 ms on node3 and something between on the others".
std::string by_node_text(const BlameFacts& facts, const StorageWaits& waits) {
  const auto [least, most] = std::minmax_element(waits.grown_ns.begin(), waits.grown_ns.end());
  const auto who = [&](auto found) {
    return facts.node_name(waits.nodes[static_cast<std::size_t>(found - waits.grown_ns.begin())]);
  };
  return fmt::format("{} took {} a step longer on {}, {} on {}{}", kOwnPhases[waits.grown.phase()],
                     duration_text(*most), who(most), duration_text(*least), who(least),
                     waits.nodes.size() > 2 ? " and something between on the others" : "");
}

}  // namespace

std::optional<StorageWaits> storage_waits(const BlameFacts& facts) {
  const auto is_shared = [](const std::vector<std::size_t>& nodes) { return nodes.size() > 1; };
  if (std::none_of(facts.usage.machines().begin(), facts.usage.machines().end(), is_shared)) return std::nullopt;
  std::vector<StorageMachine> machines;
  for (const std::vector<std::size_t>& nodes : facts.usage.machines())
    machines.push_back(storage_machine_of(facts, nodes));
  const bool of_all = do_all_wait_alike(machines);
  StorageWaits waits;
  for (const StorageMachine& machine : machines) {
    if (!of_all && !(is_shared(machine.nodes) && machine.waits)) continue;
    waits.nodes.insert(waits.nodes.end(), machine.nodes.begin(), machine.nodes.end());
    waits.waiting.insert(waits.waiting.end(), machine.waiting.begin(), machine.waiting.end());
  }
  if (waits.nodes.empty()) return std::nullopt;
  std::sort(waits.nodes.begin(), waits.nodes.end());
  for (const std::size_t node : waits.nodes) waits.grown_ns.push_back(growth_of_storage(facts, {node}).total_ns());
  waits.grown = growth_of_storage(facts, waits.waiting);
  return waits;
}

std::optional<Suspect> storage_suspect(const BlameFacts& facts, const StorageWaits& waits) {
  std::vector<double> gains_ns;
  for (const BlockPair& pair : facts.pairs)
    gains_ns.push_back(facts.work.block(pair.fault).storage_ns - facts.work.block(pair.baseline).storage_ns);
  if (p_among_all({limited(gains_ns)}).front() > kByChance) return std::nullopt;
  Suspect suspect;
  suspect.excess_ns = median(std::move(gains_ns));
  const double share = suspect.excess_ns / facts.loss_ns;
  if (share < kListedShare) return std::nullopt;
  suspect.share_explained = std::clamp(share, 0.0, 1.0);
  suspect.phase = kOwnPhases[waits.grown.phase()];
  suspect.resource = "storage";
  if (waits.nodes.size() < facts.work.nodes()) {
    suspect.node_name = names_text(facts, waits.nodes);
    add_nodes(suspect, waits.nodes);
  }
  suspect.why = fmt::format("nodes of one machine share its storage: {}; who waited most in each pair: {}",
                            by_node_text(facts, waits), classify(waits.grown).why);
  return suspect;
}

}  // namespace grit
