#include "analysis/own_work.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "analysis/block_times.hpp"

namespace grit {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();

/// The largest of what the ranks of a step have, and the largest of another rank and of another node.
struct Largest {
  std::int64_t value = kNever, of_other_rank = kNever, of_other_node = kNever;
  std::int32_t rank = -1, node = -1;

  void take(std::int64_t one, std::int32_t of_rank, std::int32_t of_node) {
    if (one > value) {
      of_other_rank = value;
      if (of_node != node) of_other_node = value;
      value = one, rank = of_rank, node = of_node;
      return;
    }
    of_other_rank = std::max(of_other_rank, one);
    if (of_node != node) of_other_node = std::max(of_other_node, one);
  }
};

/// Ranks of the topology are 0 .. n - 1, each on one node; empty when they are not.
std::vector<int> nodes_of_ranks(const Topology& topology) {
  const std::size_t ranks = rank_count(topology);
  std::vector<int> node_of(ranks, -1);
  for (std::size_t node = 0; node < topology.nodes.size(); ++node)
    for (const int rank : topology.nodes[node].ranks) {
      if (rank < 0 || static_cast<std::size_t>(rank) >= ranks) return {};
      node_of[static_cast<std::size_t>(rank)] = static_cast<int>(node);
    }
  return std::find(node_of.begin(), node_of.end(), -1) == node_of.end() ? node_of : std::vector<int>{};
}

bool is_sound(const StepRecord& record) {
  return record.end_ns > record.start_ns && record.exposed_comm_ns >= 0 && record.input_ns >= 0 &&
         record.forward_ns >= 0 && record.backward_ns >= 0 && record.optimizer_ns >= 0 && record.checkpoint_ns >= 0;
}

}  // namespace

struct OwnWork::Step {
  std::int64_t duration_ns = 0;  // sum over ranks
  std::uint32_t records = 0;
  bool clocks_known = true;
  Largest work{};
  Largest arrival{};
};

/// What a rank still had to do when its last step's collectives were over.
struct OwnWork::Before {
  std::int64_t rest_ns = 0;
  std::uint32_t step = std::numeric_limits<std::uint32_t>::max();
};

double RankWork::own_ns() const { return steps == 0 ? 0 : std::accumulate(sum_ns.begin(), sum_ns.end(), 0.0) / steps; }

double OwnWork::node_gain_ns(int block, std::size_t node) const {
  const std::size_t at = slot(block);
  return node_gain_ns_[at * nodes_ + node] / static_cast<double>(std::max<std::int64_t>(blocks_[at].steps, 1));
}

OwnWork::OwnWork(const Plan& plan, std::span<const StepRecord> records, const NodeClocks& clocks)
    : nodes_(plan.topology.nodes.size()),
      node_of_rank_(nodes_of_ranks(plan.topology)),
      slot_of_block_(plan.blocks.size(), kNone) {
  std::size_t slots = 0;
  for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
    const Block& block = plan.blocks[i];
    if (block.pair >= 0 && (block.kind == BlockKind::baseline || block.kind == BlockKind::fault))
      slot_of_block_[i] = slots++;
  }
  blocks_.resize(slots);
  work_.resize(slots * ranks());
  node_gain_ns_.resize(slots * nodes_);
  arrivals_.resize(slots * nodes_);
  for (std::size_t node = 0; node < nodes_; ++node)
    if (const auto own = clocks.align(static_cast<std::int64_t>(node), 0))
      clock_bound_ns_ = std::max(clock_bound_ns_, 2 * own->bound_ns);
  std::vector<std::vector<Step>> steps(slots);
  std::vector<Before> before(ranks());
  for (const StepRecord& record : records) take(record, plan, records.size(), clocks, steps, before);
  for (std::size_t slot = 0; slot < slots; ++slot) finish(slot, steps[slot]);
}

void OwnWork::take(const StepRecord& record, const Plan& plan, std::size_t records, const NodeClocks& clocks,
                   std::vector<std::vector<Step>>& steps, std::vector<Before>& before) {
  if (record.rank >= ranks() || record.block >= slot_of_block_.size() || record.step_in_block >= records ||
      !is_sound(record))
    return;
  const std::size_t at = slot_of_block_[record.block];
  if (at == kNone) return;
  const std::int64_t rest_ns = record.optimizer_ns + record.checkpoint_ns;
  const std::int64_t own_ns = std::max<std::int64_t>(record.end_ns - record.start_ns - record.exposed_comm_ns, 0);
  Before& last = before[record.rank];
  // In the first step nothing was left to do; where the records are out of order, take it that steps are alike.
  const std::int64_t left_ns = record.step_in_block == 0 ? 0 : last.step + 1 == record.step ? last.rest_ns : rest_ns;
  last = {rest_ns, record.step};
  if (record.step_in_block < plan.design.settle_steps) return;

  RankWork& work = work_[at * ranks() + record.rank];
  const std::array<std::int64_t, 5> phases{record.input_ns, record.forward_ns, record.backward_ns, record.optimizer_ns,
                                           record.checkpoint_ns};
  std::int64_t other_ns = own_ns;
  for (std::size_t i = 0; i < phases.size(); ++i) {
    work.sum_ns[i] += static_cast<double>(phases[i]);
    other_ns -= phases[i];
  }
  work.sum_ns[phases.size()] += static_cast<double>(std::max<std::int64_t>(other_ns, 0));
  ++work.steps;

  std::vector<Step>& of_block = steps[at];
  if (of_block.size() <= record.step_in_block) of_block.resize(record.step_in_block + std::size_t{1});
  Step& step = of_block[record.step_in_block];
  const auto rank = static_cast<std::int32_t>(record.rank);
  const std::int32_t node = node_of_rank_[record.rank];
  step.duration_ns += record.end_ns - record.start_ns;
  ++step.records;
  step.work.take(std::max<std::int64_t>(own_ns - rest_ns, 0) + left_ns, rank, node);
  if (const auto entered = clocks.align(node, record.collective_entry_ns))
    step.arrival.take(entered->t_ns, rank, node);
  else
    step.clocks_known = false;
}

void OwnWork::finish(std::size_t slot, const std::vector<Step>& steps) {
  BlockWork& block = blocks_[slot];
  for (const Step& step : steps) {
    if (step.records != ranks()) continue;
    ++block.steps;
    block.step_ns += static_cast<double>(step.duration_ns) / static_cast<double>(ranks());
    block.longest_ns += static_cast<double>(step.work.value);
    if (step.work.of_other_rank != kNever)
      work_[slot * ranks() + static_cast<std::size_t>(step.work.rank)].gain_ns +=
          static_cast<double>(step.work.value - step.work.of_other_rank);
    if (step.work.of_other_node != kNever)
      node_gain_ns_[slot * nodes_ + static_cast<std::size_t>(step.work.node)] +=
          static_cast<double>(step.work.value - step.work.of_other_node);
    if (!step.clocks_known || step.arrival.of_other_node == kNever) continue;
    const std::int64_t by_ns = step.arrival.value - step.arrival.of_other_node;
    if (by_ns <= clock_bound_ns_) continue;
    NodeArrivals& arrivals = arrivals_[slot * nodes_ + static_cast<std::size_t>(step.arrival.node)];
    ++arrivals.last;
    arrivals.by_ns += static_cast<double>(by_ns);
  }
  if (block.steps == 0) return;
  block.step_ns /= static_cast<double>(block.steps);
  block.longest_ns /= static_cast<double>(block.steps);
}

}  // namespace grit
