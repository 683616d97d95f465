// Step records of a simulated synchronised job: every rank works, all meet in the collective, then each updates. What a
// fault does to it is the test's to say.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "harness/model/event.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"

namespace grit::testing {

/// One step of one rank, nanoseconds, as the fault may change it.
struct RankStep {
  double input = 0.1e6, forward = 8e6, backward = 16e6, optimizer = 3e6, checkpoint = 0;
};

struct JobShape {
  int nodes = 4, ranks_per_node = 1, pairs = 8, steps = 12;
  double noise = 0.02;                          // of every phase, standard deviation as a share
  double communication_ns = 10e6;               // after the last rank has arrived
  std::vector<std::int64_t> clock_offset_ns{};  // by node; empty: none
  bool local_cluster = true;
  // Noise that no rule of the analysis was made for.
  double block_noise = 0;  // of all of a rank's steps in a block together, standard deviation as a share
  double stalls = 0;  // share of steps in which a rank stalls: Pareto's tail with index 1.5 on its forward, so that the
                      // variance is infinite
  bool two_roles = false;  // every other rank works for half as long again, with three times the noise
  bool unequal = false;    // of every three nodes the second has one rank more, the third two
};

/// Called for every rank and step of fault blocks.
using Harm = std::function<void(int node, int rank, int step, RankStep&)>;
/// By how much communication takes longer in a step of a fault block.
using NetworkHarm = std::function<double(int step)>;

/// What the kernel counted, as "usage" events of one agent: counters(block, rank) of each block, added up.
inline void count_blocks(const Plan& plan, std::vector<Json>& events,
                         const std::function<Json(const Block& block, int rank)>& counters) {
  std::vector<Json> totals(rank_count(plan.topology), Json::object());
  for (const Block& block : plan.blocks)
    for (const bool end : {false, true}) {
      Json event = make_event("usage", 0, 0);
      event.update({{"block", block.index}, {"edge", end ? "end" : "begin"}, {"ranks", Json::array()}});
      for (std::size_t rank = 0; rank < totals.size(); ++rank) {
        const Json counted = counters(block, static_cast<int>(rank));
        for (const auto& [key, value] : counted.items())
          totals[rank][key] = totals[rank].value(key, 0.0) + (end ? value.get<double>() : 0.0);
        Json one = totals[rank];
        one["rank"] = rank;
        event["ranks"].push_back(one);
      }
      events.push_back(std::move(event));
    }
}

class SimulatedJob {
 public:
  explicit SimulatedJob(JobShape shape, std::uint64_t seed = 1) : shape_(std::move(shape)), random_(seed) {
    plan.scenario_name = "simulated";
    plan.topology.local_cluster = shape_.local_cluster;
    plan.workload = {"ddp", {{"compute", "emulated"}}};
    for (int node = 0; node < shape_.nodes; ++node) {
      Node one;
      one.index = node;
      one.name = "node" + std::to_string(node);
      const int ranks = shape_.ranks_per_node + (shape_.unequal ? node % 3 : 0);
      for (int i = 0; i < ranks; ++i) {
        one.ranks.push_back(static_cast<int>(node_of_.size()));
        node_of_.push_back(node);
      }
      plan.topology.nodes.push_back(one);
    }
    plan.design.pairs = shape_.pairs;
    plan.design.block_steps = shape_.steps;
    for (int pair = 0; pair < shape_.pairs; ++pair) {
      pairs.push_back(pair);
      for (const bool fault : {pair % 3 == 1, pair % 3 != 1})
        plan.blocks.push_back(
            {static_cast<int>(plan.blocks.size()), pair, fault ? BlockKind::fault : BlockKind::baseline});
    }
  }

  void run(const Harm& harm, const NetworkHarm& network = {}) {
    std::vector<double> free_at(node_of_.size(), 1e12);
    for (const Block& block : plan.blocks) {
      factors_.resize(node_of_.size());
      for (std::size_t rank = 0; rank < factors_.size(); ++rank)
        factors_[rank] = (1 + shape_.block_noise * scale(rank) * normal_(random_)) * (is_second(rank) ? 1.5 : 1.0);
      std::fill(free_at.begin(), free_at.end(), *std::max_element(free_at.begin(), free_at.end()) + 1e6);
      for (int step = 0; step < shape_.steps; ++step) {
        const bool fault = block.kind == BlockKind::fault;
        one_step(block, step, free_at, fault ? harm : Harm(), fault ? network : NetworkHarm());
      }
    }
  }

  /// What the kernel counted in every block of a kind, by rank: cpu_ns, run_wait_ns, stopped_ns ...
  void count(const std::function<Json(bool fault, int rank)>& counters) {
    count_blocks([&](const Block& block, int rank) { return counters(block.kind == BlockKind::fault, rank); });
  }

  /// The same where it differs from block to block.
  void count_blocks(const std::function<Json(const Block& block, int rank)>& counters) {
    testing::count_blocks(plan, events, counters);
  }

  Plan plan{};
  std::vector<StepRecord> records{};
  std::vector<Json> events{};
  std::vector<int> pairs{};

 private:
  [[nodiscard]] bool is_second(std::size_t rank) const { return shape_.two_roles && rank % 2 == 1; }
  [[nodiscard]] double scale(std::size_t rank) const { return is_second(rank) ? 3 : 1; }

  void one_step(const Block& block, int step, std::vector<double>& free_at, const Harm& harm,
                const NetworkHarm& network) {
    const std::size_t first = records.size();
    double last_arrival = 0;
    for (std::size_t rank = 0; rank < free_at.size(); ++rank) {
      const int node = node_of_[rank];
      RankStep own;
      for (double* phase : {&own.input, &own.forward, &own.backward, &own.optimizer})
        *phase *= factors_[rank] * std::max(0.2, 1 + shape_.noise * scale(rank) * normal_(random_));
      if (shape_.stalls > 0 && uniform_(random_) < shape_.stalls)
        own.forward *= std::min(std::pow(1 - uniform_(random_), -1 / 1.5), 1e3);
      if (harm) harm(node, static_cast<int>(rank), step, own);
      StepRecord record;
      record.rank = static_cast<std::uint32_t>(rank);
      record.node = static_cast<std::uint32_t>(node);
      record.block = static_cast<std::uint32_t>(block.index);
      record.step = step_;
      record.step_in_block = static_cast<std::uint32_t>(step);
      record.start_ns = static_cast<std::int64_t>(free_at[rank]);
      record.input_ns = static_cast<std::int64_t>(own.input);
      record.forward_ns = static_cast<std::int64_t>(own.forward);
      record.backward_ns = static_cast<std::int64_t>(own.backward);
      record.optimizer_ns = static_cast<std::int64_t>(own.optimizer);
      record.checkpoint_ns = static_cast<std::int64_t>(own.checkpoint);
      const double arrival = free_at[rank] + own.input + own.forward + own.backward;
      record.collective_entry_ns = static_cast<std::int64_t>(arrival);
      last_arrival = std::max(last_arrival, arrival);
      records.push_back(record);
    }
    double communication = shape_.communication_ns * std::max(0.2, 1 + shape_.noise * normal_(random_));
    if (network) communication += network(step);
    const auto leave = static_cast<std::int64_t>(last_arrival + communication);
    for (std::size_t i = first; i < records.size(); ++i) {
      StepRecord& record = records[i];
      record.exposed_comm_ns = leave - record.collective_entry_ns;
      record.collective_exit_ns = leave;
      record.end_ns = leave + record.optimizer_ns + record.checkpoint_ns;
      free_at[record.rank] = static_cast<double>(record.end_ns);
      if (shape_.clock_offset_ns.empty()) continue;
      const std::int64_t offset = shape_.clock_offset_ns[record.node];
      for (std::int64_t* time :
           {&record.start_ns, &record.end_ns, &record.collective_entry_ns, &record.collective_exit_ns})
        *time += offset;
    }
    ++step_;
  }

  JobShape shape_;
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_{0, 1};
  std::uniform_real_distribution<double> uniform_{0, 1};
  std::vector<int> node_of_{};     // by rank
  std::vector<double> factors_{};  // by rank, in the block that runs
  std::uint32_t step_ = 0;
};

}  // namespace grit::testing
