// A job whose law is known: step records and spans as its ranks would have left them. It has nothing of the simulation
// that is tested with it.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "harness/model/collective_record.hpp"
#include "harness/model/event.hpp"
#include "harness/model/mesh_groups.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"

namespace grit::testing {

struct Law {
  int dp = 4, tp = 1;
  int pairs = 8, steps = 24;  // of a block
  double work_ns = 60e6;
  double spread = 0.02;          // of ranks, for good
  double noise = 0.02;           // of each rank in a step
  double autocorrelation = 0.6;  // of noise, from step to step
  double common = 0.01;          // of all ranks in a step
  double stalls = 0.01;          // share of steps in which a rank stalls, by 20 ms on average
  double latency_ns = 20e3, ns_per_byte = 0.5;
  std::vector<std::int64_t> buckets{1 << 20, 8 << 20, 24 << 20};
  // What the fault does to node 1 in fault blocks, and what it does to all operations across replicas.
  double slower = 0.3, bytes_slower = 0;
};

class LawfulJob {
 public:
  explicit LawfulJob(Law given, std::uint64_t seed = 1) : law(std::move(given)), random_(seed) {
    plan.scenario_name = "lawful";
    plan.workload = {"ddp", {{"compute", "emulated"}}};
    plan.design.pairs = law.pairs;
    plan.design.block_steps = law.steps;
    mesh_ = Mesh::over({{Axis::dp, law.dp}, {Axis::tp, law.tp}}, law.dp * law.tp).value();
    plan.mesh = mesh_;
    groups_ = recorded_groups(mesh_);
    for (int node = 0; node < law.dp; ++node) {
      Node one{.index = node, .name = "node" + std::to_string(node)};
      for (int i = 0; i < law.tp; ++i) one.ranks.push_back(node * law.tp + i);
      plan.topology.nodes.push_back(one);
    }
    PlannedFault fault{.id = 0, .name = "rank_delay", .node = 1};
    fault.pulses = {{0, -1}};
    plan.faults = {fault};
    for (int pair = 0; pair < law.pairs; ++pair)
      for (const bool is_fault : {pair % 3 == 1, pair % 3 != 1})
        plan.blocks.push_back(
            {static_cast<int>(plan.blocks.size()), pair, is_fault ? BlockKind::fault : BlockKind::baseline});
    effects_.resize(static_cast<std::size_t>(mesh_.ranks()));
    noise_.resize(effects_.size());
    for (double& effect : effects_) effect = law.spread * normal_(random_);
    for (double& one : noise_) one = law.noise * normal_(random_);
    run();
  }

  /// Mean time of a settled step, in baseline or fault blocks.
  [[nodiscard]] double step_ns(BlockKind kind) const {
    double sum = 0, count = 0;
    for (const StepRecord& record : records)
      if (plan.blocks[record.block].kind == kind && record.step_in_block >= 1)
        sum += static_cast<double>(record.end_ns - record.start_ns), ++count;
    return sum / count;
  }
  [[nodiscard]] double cost() const { return step_ns(BlockKind::fault) / step_ns(BlockKind::baseline) - 1; }

  Law law;
  Plan plan{};
  std::vector<StepRecord> records{};
  std::vector<CollectiveRecord> spans{};
  std::vector<Json> events{};

 private:
  void run() {
    std::vector<double> now(effects_.size(), 1e12);
    for (const Block& block : plan.blocks) {
      add_block_events(block);
      std::fill(now.begin(), now.end(), *std::max_element(now.begin(), now.end()) + 5e6);
      for (int step = 0; step < law.steps; ++step) one_step(block, step, now);
    }
    Json finished = make_event("run", 0, 0);
    finished["state"] = "finished";
    events.push_back(finished);
  }

  void add_block_events(const Block& block) {
    for (const char* edge : {"begin", "end"}) {
      Json event = make_event("block", 0, 0);
      event.update(Json{{"block", block.index}, {"kind", to_string(block.kind)}, {"edge", edge}});
      events.push_back(event);
    }
    if (block.kind != BlockKind::fault) return;
    for (const char* action : {"applied", "reverted"}) {
      Json event = make_event("fault", 1, 0);
      event.update(Json{{"fault", 0}, {"block", block.index}, {"pulse", 0}, {"action", action}, {"ok", true}});
      if (std::string_view(action) == "reverted") event["why"] = "block_end";
      events.push_back(event);
    }
    Json acting = make_event("acting", 1, 0);
    acting.update(Json{{"fault", 0}, {"block", block.index}, {"ok", true}});
    events.push_back(acting);
  }

  void one_step(const Block& block, int step_in_block, std::vector<double>& now) {
    const bool fault = block.kind == BlockKind::fault;
    const double common = law.common * normal_(random_);
    const auto first = records.size();
    std::vector<double> work(now.size());
    for (std::size_t rank = 0; rank < now.size(); ++rank) {
      const double kept = law.autocorrelation;
      noise_[rank] = kept * noise_[rank] + std::sqrt(1 - kept * kept) * law.noise * normal_(random_);
      work[rank] = law.work_ns * std::exp(effects_[rank] + common + noise_[rank]);
      if (uniform_(random_) < law.stalls) work[rank] += -20e6 * std::log(1 - uniform_(random_));
      if (fault && static_cast<int>(rank) / law.tp == 1) work[rank] *= 1 + law.slower;
      now[rank] += 2e3;  // between steps
      StepRecord record{.rank = static_cast<std::uint32_t>(rank),
                        .node = static_cast<std::uint32_t>(static_cast<int>(rank) / law.tp),
                        .block = static_cast<std::uint32_t>(block.index),
                        .step = step_,
                        .step_in_block = static_cast<std::uint32_t>(step_in_block),
                        .start_ns = whole(now[rank])};
      record.forward_ns = whole(0.3 * work[rank]), record.backward_ns = whole(0.6 * work[rank]);
      record.optimizer_ns = whole(0.1 * work[rank]);
      records.push_back(record);
    }
    if (law.tp > 1) within_replicas(work, now);
    across_replicas(work, now, first, fault);
    for (std::size_t rank = 0; rank < now.size(); ++rank) {
      StepRecord& record = records[first + rank];
      record.collective_exit_ns = whole(now[rank]);
      now[rank] += 0.1 * work[rank];
      record.end_ns = whole(now[rank]);
      record.exposed_comm_ns =
          record.end_ns - record.start_ns - record.forward_ns - record.backward_ns - record.optimizer_ns;
    }
    ++step_;
  }

  /// Forward, then one operation of each replica that is waited for at once.
  void within_replicas(const std::vector<double>& work, std::vector<double>& now) {
    for (int replica = 0; replica < law.dp; ++replica) {
      double latest = 0;
      for (int i = 0; i < law.tp; ++i) {
        const auto rank = static_cast<std::size_t>(replica * law.tp + i);
        now[rank] += 0.3 * work[rank];
        latest = std::max(latest, now[rank]);
      }
      const double over = latest + 1e6;
      for (int i = 0; i < law.tp; ++i) {
        const auto rank = static_cast<std::size_t>(replica * law.tp + i);
        add_span(rank, groups_.id_of("tp", replica), 1 << 20, now[rank], over, now[rank]);
        now[rank] = over;
      }
    }
  }

  /// Each bucket while the next one is computed; all are waited for together.
  void across_replicas(const std::vector<double>& work, std::vector<double>& now, std::size_t first, bool fault) {
    const double before = law.tp > 1 ? 0 : 0.3, part = 0.6 / static_cast<double>(law.buckets.size());
    for (std::size_t rank = 0; rank < now.size(); ++rank) now[rank] += before * work[rank];
    std::vector<std::vector<double>> entries;
    std::vector<std::vector<double>> over(law.buckets.size(), std::vector<double>(static_cast<std::size_t>(law.tp), 0));
    for (std::size_t bucket = 0; bucket < law.buckets.size(); ++bucket) {
      entries.emplace_back();
      for (std::size_t rank = 0; rank < now.size(); ++rank) {
        now[rank] += part * work[rank];
        entries.back().push_back(now[rank]);
      }
      for (std::size_t i = 0; i < static_cast<std::size_t>(law.tp); ++i) {
        double begin = bucket > 0 ? over[bucket - 1][i] : 0;
        for (std::size_t rank = i; rank < now.size(); rank += static_cast<std::size_t>(law.tp))
          begin = std::max(begin, now[rank]);
        over[bucket][i] = begin + transfer_ns(law.buckets[bucket], fault) * (1 + 0.02 * uniform_(random_));
      }
    }
    for (std::size_t rank = 0; rank < now.size(); ++rank) {
      const std::size_t group = rank % static_cast<std::size_t>(law.tp);
      const double asked = now[rank];
      for (std::size_t bucket = 0; bucket < law.buckets.size(); ++bucket) {
        const double exit = std::max(over[bucket][group], entries[bucket][rank]);
        add_span(rank, across(rank), law.buckets[bucket], entries[bucket][rank], exit, exit > asked ? asked : 0);
        now[rank] = std::max(now[rank], exit);
      }
      records[first + rank].collective_entry_ns = whole(entries.front()[rank]);
    }
  }

  /// The group in which a rank sums its gradients; of one rank it is in no list.
  [[nodiscard]] std::uint16_t across(std::size_t rank) const {
    return law.dp > 1 ? groups_.id_of("dp", static_cast<int>(rank) % law.tp)
                      : static_cast<std::uint16_t>(groups_.list.size() + rank);
  }

  /// A ring's.
  [[nodiscard]] double transfer_ns(std::int64_t bytes, bool fault) const {
    const double ranks = law.dp, per_byte = law.ns_per_byte * (fault ? 1 + law.bytes_slower : 1);
    return 2 * (ranks - 1) * law.latency_ns + 2 * (ranks - 1) / ranks * static_cast<double>(bytes) * per_byte;
  }

  void add_span(std::size_t rank, std::uint16_t group, std::int64_t bytes, double entry, double exit, double wait) {
    if (sequences_.size() <= group) sequences_.resize(std::size_t{group} + 1);
    auto& of_rank = sequences_[group];
    if (of_rank.size() <= rank) of_rank.resize(rank + 1);
    spans.push_back({.rank = static_cast<std::uint32_t>(rank),
                     .step = step_,
                     .sequence = of_rank[rank]++,
                     .group = group,
                     .bytes = bytes,
                     .entry_ns = whole(entry),
                     .exit_ns = whole(exit),
                     .wait_ns = whole(wait)});
  }

  static std::int64_t whole(double value) { return std::llround(value); }

  Mesh mesh_{};
  RecordedGroups groups_{};
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_{};
  std::uniform_real_distribution<double> uniform_{0, 1};
  std::vector<double> effects_{}, noise_{};              // by rank
  std::vector<std::vector<std::uint32_t>> sequences_{};  // by group and rank
  std::uint32_t step_ = 0;
};

}  // namespace grit::testing
