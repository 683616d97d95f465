// How often the culprit that is named is the one that is, in simulated runs whose noise no rule was made for. The bench
// (tests/bench/culprit_calibration.cpp) runs many of them, a test a few.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/blame/culprit.hpp"
#include "analysis/records/own_work.hpp"
#include "analysis/stats/effect.hpp"
#include "tests/unit/analysis/simulated_steps.hpp"

namespace grit::testing {

struct NoiseKind {
  std::string name{};
  JobShape shape{};  // its noise; nodes and ranks are the trial's
};

inline std::vector<NoiseKind> noise_kinds() {
  return {{"normal", {}},
          {"heavy tails", {.stalls = 0.01}},
          {"block by block", {.block_noise = 0.01}},
          {"two roles", {.block_noise = 0.003, .two_roles = true}},
          {"unequal nodes", {.block_noise = 0.003, .unequal = true}},
          {"one node counted", {.local_cluster = false}}};
}

/// What really is.
enum class Truth { network, one_node, two_nodes, in_turn };

/// A node is wrong when it is named and is not slow; "each in turn" when nothing is slow by turns.
struct TrialCounts {
  int runs = 0, right = 0, wrong = 0;  // of those in which a slowdown was shown: else nobody is looked for
};

inline bool slowdown_shown(const SimulatedJob& job, const OwnWork& work) {
  std::vector<PairTimes> pairs(job.pairs.size());
  for (const Block& block : job.plan.blocks) {
    PairTimes& pair = pairs[static_cast<std::size_t>(block.pair)];
    const double step_ns = work.block(block.index).step_ns;
    pair.pair = block.pair;
    if (block.kind == BlockKind::fault)
      pair.fault_mean_ns = pair.fault_median_ns = step_ns;
    else
      pair.baseline_mean_ns = pair.baseline_median_ns = step_ns;
  }
  const std::vector<Effect> effects = paired_effects(pairs, 1);
  return std::any_of(effects.begin(), effects.end(), [](const Effect& effect) { return effect.ci_low > 0; });
}

/// One run in which the truth costs about `share` of a step. Right: all that is slow is named, as what it is, and
/// nothing else; where it is the network, no node is named.
inline void count_trial(TrialCounts& counts, const NoiseKind& kind, Truth truth, int nodes, int ranks_per_node,
                        double share, std::uint64_t seed) {
  JobShape shape = kind.shape;
  shape.nodes = nodes, shape.ranks_per_node = ranks_per_node;
  SimulatedJob job(shape, seed);
  std::mt19937_64 random(seed + 1000);
  const int first = static_cast<int>(random() % static_cast<std::size_t>(nodes));
  const int second = (first + 1 + static_cast<int>(random() % static_cast<std::size_t>(nodes - 1))) % nodes;
  const double cost_ns = 37e6 * share;
  std::vector<int> turn(static_cast<std::size_t>(shape.steps));
  const auto harm = [&](int node, int rank, int step, RankStep& own) {
    int& of_step = turn[static_cast<std::size_t>(step)];
    if (rank == 0) of_step = static_cast<int>(random() % static_cast<std::size_t>(nodes));
    const bool slow = truth == Truth::one_node    ? node == first
                      : truth == Truth::two_nodes ? node == first || node == second
                                                  : truth == Truth::in_turn && node == of_step;
    if (slow) own.forward += cost_ns;
  };
  job.run(harm, [&](int) { return truth == Truth::network ? cost_ns : 0; });
  if (kind.name == "one node counted") {
    job.count([](bool, int) { return Json{{"cpu_ns", 50e6}, {"run_wait_ns", 2e6}}; });
    for (Json& event : job.events) event["ranks"].erase(event["ranks"].begin() + ranks_per_node, event["ranks"].end());
  }
  const OwnWork work = own_work(job.plan, job.records, nullptr);
  if (!slowdown_shown(job, work)) return;
  const std::optional<JsonLines> no_links;
  const auto culprit = find_culprit({job.plan, work, job.events, no_links, job.pairs, {}});
  ++counts.runs;
  if (!culprit) return;
  const std::vector<Suspect> named(culprit->suspects.begin(), culprit->suspects.begin() + culprit->named);
  bool wrong = false, by_turns = false;
  std::vector<int> slow;
  for (const Suspect& suspect : named) {
    by_turns = by_turns || suspect.node_name.ends_with("in turn") || suspect.node_name == "one node after another";
    for (const int node : suspect.nodes)
      if (!by_turns) slow.push_back(node);
  }
  wrong = by_turns && truth != Truth::in_turn;
  for (const int node : slow)
    wrong = wrong || truth == Truth::network || truth == Truth::in_turn ||
            (node != first && (truth != Truth::two_nodes || node != second));
  counts.wrong += wrong ? 1 : 0;
  const std::size_t all = truth == Truth::one_node ? 1 : truth == Truth::two_nodes ? 2 : 0;
  const bool told = truth == Truth::in_turn ? by_turns : slow.size() == all && !by_turns;
  counts.right += !wrong && told ? 1 : 0;
}

}  // namespace grit::testing
