#include "analysis/blame/blame_facts.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/facts/evidence.hpp"
#include "analysis/stats/median.hpp"
#include "harness/base/units.hpp"

namespace grit {

std::vector<BlockPair> pairs_with_records(const CulpritInput& input) {
  std::map<int, BlockPair> pairs;
  for (const Block& block : input.plan.blocks) {
    if (!input.work.can_replay(block.index)) continue;
    if (block.kind == BlockKind::baseline) pairs[block.pair].baseline = block.index;
    if (block.kind == BlockKind::fault) pairs[block.pair].fault = block.index;
  }
  std::vector<BlockPair> counted;
  for (const int pair : input.pairs)
    if (const auto found = pairs.find(pair);
        found != pairs.end() && found->second.baseline >= 0 && found->second.fault >= 0)
      counted.push_back(found->second);
  return counted;
}

double growth(std::span<const BlockPair> pairs, const std::function<double(int block)>& figure) {
  std::vector<double> values;
  for (const BlockPair& pair : pairs) values.push_back(figure(pair.fault) - figure(pair.baseline));
  return median(std::move(values));
}

BlameFacts::BlameFacts(const CulpritInput& from, std::vector<BlockPair> counted, const OwnWork& of_nodes)
    : input(from),
      plan(from.plan),
      work(of_nodes),
      pairs(std::move(counted)),
      usage(plan, from.work, from.events, pairs),
      accelerator(plan.workload.params.value("compute", "") == "emulated"),
      loss_ns(growth(pairs, [&](int block) { return work.block(block).step_ns; })),
      held_up(plan, work, usage, pairs),
      replay(work, held_up, pairs, std::max(loss_ns, 1.0)) {}

std::string BlameFacts::node_name(std::size_t node) const {
  return name_of_node(plan, plan.topology.nodes[node].index);
}

WorkGrowth growth_of(const BlameFacts& facts, std::size_t rank) {
  WorkGrowth result{.accelerator = facts.accelerator};
  for (std::size_t phase = 0; phase < kOwnPhases.size(); ++phase) {
    result.phase_ns[phase] =
        growth(facts.pairs, [&](int block) { return facts.work.rank(block, rank).phase_ns(phase); });
    std::vector<double> before;
    for (const BlockPair& pair : facts.pairs) before.push_back(facts.work.rank(pair.baseline, rank).phase_ns(phase));
    result.baseline_ns[phase] = median(std::move(before));
  }
  result.usage = facts.usage.of_rank(rank);
  return result;
}

WorkGrowth growth_of(const BlameFacts& facts, std::span<const std::size_t> ranks,
                     const std::function<double(std::vector<double>)>& of_all) {
  std::vector<WorkGrowth> all;
  for (const std::size_t rank : ranks) all.push_back(growth_of(facts, rank));
  const auto merged = [&](const auto& figure) {
    std::vector<double> values;
    for (const WorkGrowth& one : all) values.push_back(figure(one));
    return of_all(std::move(values));
  };
  WorkGrowth result{.others = facts.usage.middle_others(), .accelerator = facts.accelerator};
  for (std::size_t phase = 0; phase < kOwnPhases.size(); ++phase) {
    result.phase_ns[phase] = merged([&](const WorkGrowth& one) { return one.phase_ns[phase]; });
    result.baseline_ns[phase] = merged([&](const WorkGrowth& one) { return one.baseline_ns[phase]; });
  }
  if (std::any_of(all.begin(), all.end(), [](const WorkGrowth& one) { return !one.usage; })) return result;
  result.usage.emplace();
  for (const auto counter : kUsageCounters)
    (*result.usage).*counter = merged([&](const WorkGrowth& one) { return (*one.usage).*counter; });
  return result;
}

WorkGrowth growth_by_pair(const BlameFacts& facts, const std::vector<std::vector<std::size_t>>& ranks) {
  WorkGrowth result{.accelerator = facts.accelerator};
  const auto middle = [&](const auto& of_rank) {
    std::vector<double> sums;
    for (std::size_t i = 0; i < facts.pairs.size(); ++i) {
      sums.push_back(0);
      for (const std::size_t rank : ranks[i]) sums.back() += of_rank(facts.pairs[i], rank);
    }
    return median(std::move(sums));
  };
  for (std::size_t phase = 0; phase < kOwnPhases.size(); ++phase) {
    const auto phase_ns = [&](int block, std::size_t rank) { return facts.work.rank(block, rank).phase_ns(phase); };
    result.phase_ns[phase] = middle([&](const BlockPair& pair, std::size_t rank) {
      return phase_ns(pair.fault, rank) - phase_ns(pair.baseline, rank);
    });
    result.baseline_ns[phase] =
        middle([&](const BlockPair& pair, std::size_t rank) { return phase_ns(pair.baseline, rank); });
  }
  for (std::size_t i = 0; i < facts.pairs.size(); ++i)
    for (const std::size_t rank : ranks[i])
      if (!facts.usage.of_pair(facts.pairs[i], rank)) return result;
  result.usage.emplace();
  for (const auto counter : kUsageCounters)
    (*result.usage).*counter =
        middle([&](const BlockPair& pair, std::size_t rank) { return (*facts.usage.of_pair(pair, rank)).*counter; });
  return result;
}

std::vector<std::size_t> all_ranks(const BlameFacts& facts) {
  std::vector<std::size_t> ranks(facts.work.ranks());
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) ranks[rank] = rank;
  return ranks;
}

std::string names_text(const BlameFacts& facts, std::span<const std::size_t> nodes) {
  constexpr std::size_t kNames = 5;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(nodes.size(), kNames); ++i) names.push_back(facts.node_name(nodes[i]));
  if (nodes.size() > kNames) return fmt::format("{} and {} more nodes", fmt::join(names, ", "), nodes.size() - kNames);
  if (names.size() < 2) return fmt::format("{}", fmt::join(names, ""));
  const std::string last = names.back();
  names.pop_back();
  return fmt::format("{} and {}", fmt::join(names, ", "), last);
}

void add_nodes(Suspect& suspect, std::span<const std::size_t> nodes) {
  for (const std::size_t node : nodes) suspect.nodes.push_back(static_cast<int>(node));
  std::sort(suspect.nodes.begin(), suspect.nodes.end());
}

std::string share_text(double share) { return fmt::format("{:.0f} %", 100 * std::clamp(share, 0.0, 1.0)); }
std::string duration_text(double ns) { return fmt::format("{}{}", ns < 0 ? "−" : "", format_duration(std::abs(ns))); }

}  // namespace grit
