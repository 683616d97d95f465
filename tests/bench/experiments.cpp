// Long runs of many pairs, cut into many short experiments: how often does grit's design see the fault in them, after
// how long, and how often do common rules? On runs without a fault every "seen" is a false positive, and a mean over
// all pairs that is not 0 within its error is something that grit itself does to the fault blocks.
//
//   bench_experiments PAIRS RUN...    PAIRS an experiment has: 8 with one look, or up to 16 with looks at 8, half-way
//   and all
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <map>

#include "analysis/records/block_times.hpp"
#include "analysis/stats/effect.hpp"
#include "harness/record/run_dir.hpp"
#include "tests/bench/rivals.hpp"

namespace {

using namespace grit;

constexpr double kThreshold = 0.05;

struct Pair {
  PairTimes times{};
  std::vector<double> baseline_ns{}, fault_ns{};  // step by step, mean over ranks
  double length_s = 0;
};

/// Step times after the settling steps, by block.
std::map<std::uint32_t, std::vector<double>> steps_by_block(const Plan& plan, std::span<const StepRecord> records) {
  std::map<std::uint32_t, std::map<std::uint32_t, std::pair<double, int>>> sums;
  for (const StepRecord& record : records) {
    if (record.step_in_block < plan.design.settle_steps) continue;
    auto& [total_ns, count] = sums[record.block][record.step_in_block];
    total_ns += static_cast<double>(record.end_ns - record.start_ns);
    ++count;
  }
  std::map<std::uint32_t, std::vector<double>> steps;
  for (const auto& [block, all] : sums)
    for (const auto& [step, sum] : all) steps[block].push_back(sum.first / sum.second);
  return steps;
}

std::vector<Pair> pairs_of(const Plan& plan, std::span<const StepRecord> records) {
  const RunTimes times = block_times(plan, records);
  auto steps = steps_by_block(plan, records);
  std::map<int, Pair> pairs;
  for (const Block& block : plan.blocks) {
    const BlockTimes& of_block = times.blocks[static_cast<std::size_t>(block.index)];
    if (block.pair < 0 || !of_block.complete) continue;
    Pair& pair = pairs[block.pair];
    auto& own = steps[static_cast<std::uint32_t>(block.index)];
    pair.length_s += of_block.mean_ns * static_cast<double>(own.size()) / 1e9;
    if (block.kind == BlockKind::baseline)
      pair.times.baseline_mean_ns = of_block.mean_ns, pair.times.baseline_median_ns = of_block.median_ns,
      pair.baseline_ns = std::move(own);
    if (block.kind == BlockKind::fault)
      pair.times.fault_mean_ns = of_block.mean_ns, pair.times.fault_median_ns = of_block.median_ns,
      pair.fault_ns = std::move(own);
  }
  std::vector<Pair> whole;
  for (auto& [index, pair] : pairs) {
    pair.times.pair = index;
    if (!pair.baseline_ns.empty() && !pair.fault_ns.empty()) whole.push_back(std::move(pair));
  }
  return whole;
}

struct Score {
  int slower = 0, faster = 0;  // experiments in which it said so
  void add(double direction, bool seen) {
    if (!seen) return;
    if (direction > 0)
      ++slower;
    else
      ++faster;
  }
};

/// One experiment by grit's design: the effect at the look at which it stopped, and how long that took.
std::pair<Effect, double> by_looks(std::span<const Pair> pairs) {
  const int looks = pairs.size() > 8 ? 3 : 1;
  std::vector<PairTimes> times;
  double length_s = 0;
  Effect effect;
  for (const Pair& pair : pairs) {
    times.push_back(pair.times);
    length_s += pair.length_s;
    const bool look = times.size() == 8 || times.size() == (8 + pairs.size()) / 2 || times.size() == pairs.size();
    if (!look || times.size() < 8) continue;
    effect = leading_effect(paired_effects(times, looks));
    if (effect.ci_low > 0 || effect.ci_high < 0) break;
  }
  return {effect, length_s};
}

bench::TwoSamples pooled(std::span<const Pair> pairs) {
  bench::TwoSamples samples;
  for (const Pair& pair : pairs) {
    samples.baseline.insert(samples.baseline.end(), pair.baseline_ns.begin(), pair.baseline_ns.end());
    samples.fault.insert(samples.fault.end(), pair.fault_ns.begin(), pair.fault_ns.end());
  }
  return samples;
}

/// "+0.07 % (standard error 0.06 %)": of the mean step times, pair by pair.
std::string mean_text(std::span<const Pair> pairs) {
  double sum = 0, squares = 0;
  for (const Pair& pair : pairs) {
    const double change = pair.times.fault_mean_ns / pair.times.baseline_mean_ns - 1;
    sum += change, squares += change * change;
  }
  const double n = std::max(static_cast<double>(pairs.size()), 2.0), mean = sum / n;
  const double error = std::sqrt(std::max(squares / n - mean * mean, 0.0) / (n - 1));
  return fmt::format("{:+.2f} % (standard error {:.2f} %)", 100 * mean, 100 * error);
}

void print_table(std::span<const Pair> pairs, std::size_t size) {
  Score looks, threshold, welch, mann_whitney;
  int experiments = 0;
  double seen_after_s = 0, estimates = 0, longest_s = 0;
  for (std::size_t first = 0; first + size <= pairs.size(); first += size, ++experiments) {
    const auto experiment = pairs.subspan(first, size);
    const auto [effect, length_s] = by_looks(experiment);
    const bool seen = effect.ci_low > 0 || effect.ci_high < 0;
    looks.add(effect.estimate, seen);
    if (seen) seen_after_s += length_s, longest_s = std::max(longest_s, length_s);
    estimates += effect.estimate;
    const bench::TwoSamples samples = pooled(experiment);
    const double change = bench::median_change(samples), t = bench::welch_t(samples),
                 z = bench::mann_whitney_z(samples);
    threshold.add(change, std::abs(change) > kThreshold);
    welch.add(t, std::abs(t) > bench::kNormal975);
    mann_whitney.add(z, std::abs(z) > bench::kNormal975);
  }
  const int seen = looks.slower + looks.faster;
  fmt::print("{} experiments of at most {} pairs; mean estimate {:+.2f} %; all pairs {}\n", experiments, size,
             100 * estimates / std::max(experiments, 1), mean_text(pairs));
  const auto row = [&](const char* name, const Score& score) {
    fmt::print("  {:<38} slower in {:>3}, faster in {:>3}\n", name, score.slower, score.faster);
  };
  row(size > 8 ? "grit, looks at 8, half-way, all" : "grit, one look", looks);
  row("median moved by more than 5 %", threshold);
  row("Welch t on all steps", welch);
  row("Mann-Whitney on all steps", mann_whitney);
  if (seen > 0)
    fmt::print("  time to grit's verdict: mean {:.0f} s, at most {:.0f} s\n", seen_after_s / seen, longest_s);
}

/// The pairs of a run that make whole experiments.
Result<std::vector<Pair>> read_pairs(const std::filesystem::path& run, std::size_t size) {
  GRIT_TRY(const Json document, read_json(run / "plan.json"));
  GRIT_TRY(const Plan plan, plan_from_json(document));
  GRIT_TRY(const StepsFile steps, StepsFile::open(run / "steps.npy"));
  std::vector<Pair> pairs = pairs_of(plan, steps.records());
  pairs.resize(pairs.size() / size * size);
  return pairs;
}

int report(std::span<char*> runs, std::size_t size) {
  std::vector<Pair> all;
  for (const char* run : runs) {
    auto pairs = read_pairs(run, size);
    if (!pairs) {
      fmt::print(stderr, "bench_experiments: {}\n", pairs.error().message);
      return 64;
    }
    std::move(pairs->begin(), pairs->end(), std::back_inserter(all));
  }
  print_table(all, size);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const int size = argc > 2 ? std::atoi(argv[1]) : 0;
  if (size < 8) {
    fmt::print(stderr, "usage: bench_experiments PAIRS RUN..., PAIRS at least 8\n");
    return 64;
  }
  return report({argv + 2, static_cast<std::size_t>(argc - 2)}, static_cast<std::size_t>(size));
}
