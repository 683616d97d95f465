#include "analysis/facts/counted_pairs.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace grit {

std::vector<int> CountedPairs::numbers() const {
  std::vector<int> numbers;
  for (const PairTimes& pair : usable) numbers.push_back(pair.pair);
  return numbers;
}

bool DoneBlocks::ended(std::size_t block) const {
  if (evidence_.finished || evidence_.block_ended[block]) return true;
  if (plan_.design.block_steps > 0 && times_.blocks[block].complete) return true;
  for (std::size_t later = block + 1; later < plan_.blocks.size(); ++later)
    if (times_.blocks[later].any_record) return true;
  return false;
}

std::size_t DoneBlocks::done() const {
  std::size_t done = 0;
  for (std::size_t i = 0; i < evidence_.blocks_due; ++i)
    if ((is_link_test(plan_.blocks[i].kind) || times_.blocks[i].any_record) && ended(i)) ++done;
  return done;
}

namespace {

bool is_idle(const WindowEvidence& window, bool may_have_counts) {
  return !window.took_effect() && !(may_have_counts && window.may_have_taken_effect());
}

bool enough_faults(const Plan& plan, const RunEvidence& evidence, std::size_t block, bool may_have_counts) {
  return are_few_idle(
      plan, [&](std::size_t fault) { return is_idle(evidence.faults[fault].blocks[block], may_have_counts); });
}

bool all_took_effect(const RunEvidence& evidence, std::size_t block) {
  return std::none_of(evidence.faults.begin(), evidence.faults.end(),
                      [&](const FaultEvidence& fault) { return is_idle(fault.blocks[block], false); });
}

PairTimes pair_of(int pair, const BlockTimes& baseline, const BlockTimes& fault) {
  return {pair,         baseline.mean_ns,     baseline.median_ns, fault.mean_ns, fault.median_ns, baseline.p99_ns,
          fault.p99_ns, baseline.steps_per_s, fault.steps_per_s};
}

}  // namespace

bool are_few_idle(const Plan& plan, const std::function<bool(std::size_t fault)>& idle) {
  struct Kind {
    std::size_t idle = 0, all = 0;
  };
  std::map<std::pair<std::string_view, bool>, Kind> kinds;  // by name, and whether it is a passive end
  for (std::size_t i = 0; i < plan.faults.size(); ++i) {
    Kind& kind = kinds[{plan.faults[i].name, plan.faults[i].passive}];
    ++kind.all;
    if (idle(i)) ++kind.idle;
  }
  return std::all_of(kinds.begin(), kinds.end(), [](const auto& one) {
    return static_cast<double>(one.second.idle) <= kIdleFaults * static_cast<double>(one.second.all);
  });
}

bool faults_took_effect(const Plan& plan, const RunEvidence& evidence, std::size_t block) {
  return enough_faults(plan, evidence, block, false);
}

CountedPairs DoneBlocks::pairs() const {
  std::map<int, std::pair<std::optional<std::size_t>, std::optional<std::size_t>>> blocks_of_pair;
  for (std::size_t i = 0; i < evidence_.blocks_due; ++i) {
    const Block& block = plan_.blocks[i];
    if (block.pair < 0) continue;
    if (block.kind == BlockKind::baseline) blocks_of_pair[block.pair].first = i;
    if (block.kind == BlockKind::fault) blocks_of_pair[block.pair].second = i;
  }
  CountedPairs pairs;
  for (const auto& [pair, blocks] : blocks_of_pair) {
    const auto& [baseline, fault] = blocks;
    if (!baseline || !fault) continue;
    ++pairs.planned;
    if (!began(*baseline) || !began(*fault)) continue;
    const BlockTimes& before = times_.blocks[*baseline];
    const BlockTimes& during = times_.blocks[*fault];
    if (!before.complete || !during.complete || !ended(*baseline) || !ended(*fault)) {
      ++pairs.incomplete;
      continue;
    }
    pairs.as_randomised.push_back(pair_of(pair, before, during));
    if (!enough_faults(plan_, evidence_, *fault, true)) {
      ++pairs.without_effect;
    } else if (!faults_took_effect(plan_, evidence_, *fault)) {
      ++pairs.unread;
    } else {
      pairs.usable.push_back(pairs.as_randomised.back());
      pairs.partly += all_took_effect(evidence_, *fault) ? 0 : 1;
      pairs.missing_records += before.missing + during.missing;
    }
  }
  return pairs;
}

std::vector<PairTimes> DoneBlocks::sham_pairs(const CountedPairs& pairs) const {
  std::vector<PairTimes> sham;
  for (const Block& block : plan_.blocks) {
    const auto index = static_cast<std::size_t>(block.index);
    const BlockTimes& times = times_.blocks[index];
    if (block.kind != BlockKind::sham || !times.complete || !ended(index)) continue;
    for (const PairTimes& pair : pairs.usable)
      if (pair.pair == block.pair)
        sham.push_back({block.pair, pair.baseline_mean_ns, pair.baseline_median_ns, times.mean_ns, times.median_ns});
  }
  return sham;
}

}  // namespace grit
