// Simulated runs with recovery blocks, for tests and benches of what is said after a fault.
#pragma once

#include <cmath>
#include <random>
#include <vector>

#include "harness/base/clock.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"

namespace grit::testing {

struct RecoveringJob {
  int pairs = 8;
  int steps = 40;              // of a block of each kind, the first of which is for settling
  double noise = 0.05;         // standard deviation of the log step time
  double autocorrelation = 0;  // AR(1) of it, also from one block to the next
  double heavy_tails = 0;      // share of steps that stall: Pareto's tail with index 1.5
  double drift = 0;            // of the log step time, over the whole run
  double excess = 1;           // by which steps are slower under the fault and until they are back
  double median_steps = 0;     // until they are back: in half of the blocks fewer, in half more
  double spread = 0.5;         // of the logarithm of that number, from block to block
  double stays = 0;            // by which they are slower ever after
};

/// A step takes 10 ms, but for what the settings say.
constexpr double kUsualStep_ns = 1e7;

inline Plan recovering_plan(const RecoveringJob& job) {
  Plan plan;
  Node node;
  node.name = "node0";
  node.ranks = {0};
  plan.topology.nodes = {node};
  plan.design.pairs = job.pairs;
  plan.design.block_steps = job.steps;
  plan.design.recovery_ns = static_cast<std::int64_t>(kUsualStep_ns) * job.steps;
  return plan;
}

/// Fills in the plan's blocks, in the order in which a coin puts them, and returns their records.
inline std::vector<StepRecord> simulate_recovery(std::mt19937_64& random, const RecoveringJob& job, Plan& plan) {
  std::normal_distribution<double> normal(0, 1);
  std::uniform_real_distribution<double> uniform(0, 1);
  const double innovation = job.noise * std::sqrt(1 - job.autocorrelation * job.autocorrelation);
  double state = job.noise * normal(random), now_ns = 1e12, step_of_run = 0;
  std::vector<StepRecord> records;
  plan.blocks.clear();
  const auto run_block = [&](int pair, BlockKind kind) {
    const int index = static_cast<int>(plan.blocks.size());
    plan.blocks.push_back({index, pair, kind});
    const double back_after = job.median_steps * std::exp(job.spread * normal(random));
    for (int step = 0; step < job.steps; ++step, ++step_of_run) {
      state = job.autocorrelation * state + innovation * normal(random);
      const bool slow = kind == BlockKind::fault || (kind == BlockKind::recovery && step < back_after);
      const double stays = kind == BlockKind::recovery ? job.stays : 0;
      const double stall =
          job.heavy_tails > 0 && uniform(random) < job.heavy_tails ? std::pow(1 - uniform(random), -1 / 1.5) : 1;
      const double drifted = job.drift * step_of_run / (3.0 * job.pairs * job.steps);
      StepRecord& record = records.emplace_back();
      record.block = static_cast<std::uint32_t>(index);
      record.step = static_cast<std::uint32_t>(step_of_run);
      record.step_in_block = static_cast<std::uint32_t>(step);
      record.start_ns = static_cast<std::int64_t>(now_ns);
      now_ns += kUsualStep_ns * stall * (1 + (slow ? job.excess : 0) + stays) * std::exp(state + drifted);
      record.end_ns = static_cast<std::int64_t>(now_ns);
    }
  };
  for (int pair = 0; pair < job.pairs; ++pair) {
    const bool fault_first = (random() >> 63) != 0;
    for (const bool fault : {fault_first, !fault_first}) {
      run_block(pair, fault ? BlockKind::fault : BlockKind::baseline);
      if (fault) run_block(pair, BlockKind::recovery);
    }
  }
  return records;
}

}  // namespace grit::testing
