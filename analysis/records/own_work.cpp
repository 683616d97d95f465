#include "analysis/records/own_work.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "analysis/records/block_times.hpp"

namespace grit {
namespace {

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
  // The sign bit of all of them together: this is asked once a record.
  return record.end_ns > record.start_ns && (record.exposed_comm_ns | record.input_ns | record.forward_ns |
                                             record.backward_ns | record.optimizer_ns | record.checkpoint_ns) >= 0;
}

/// As if it had waited for others while it was in input and checkpoint.
StepRecord with_storage_as_wait(StepRecord record) {
  record.exposed_comm_ns += record.input_ns + record.checkpoint_ns;
  record.input_ns = record.checkpoint_ns = 0;
  return record;
}

}  // namespace

void OwnWorkSum::Largest::take(std::int64_t one, std::int32_t of_rank, std::int32_t of_node) {
  if (one > value) {
    of_other_rank = value;
    if (of_node != node) of_other_node = value;
    value = one, rank = of_rank, node = of_node;
    return;
  }
  of_other_rank = std::max(of_other_rank, one);
  if (of_node != node) of_other_node = std::max(of_other_node, one);
}

double RankWork::own_ns() const {
  return steps == 0 ? 0 : static_cast<double>(std::accumulate(sum_ns.begin(), sum_ns.end(), std::int64_t{0})) / steps;
}

void OwnWork::replay_by(GraphGains graphs) {
  graphs_ = std::move(graphs);
  for (std::size_t block = 0; block < slot_of_block_.size(); ++block) {
    if (!can_replay(static_cast<int>(block))) continue;
    BlockWork& of_block = blocks_[slot_of_block_[block]];
    of_block.longest_ns = of_block.step_ns * graphs_->work_share(static_cast<int>(block));
    of_block.routed_ns = graphs_->routed_ns(static_cast<int>(block));
  }
}

OwnWork OwnWork::without_storage(const Plan& plan, std::span<const StepRecord> records,
                                 std::span<const CollectiveRecord> spans, const Json& clock,
                                 std::span<const std::size_t> nodes) const {
  const NodeClocks clocks(plan, clock);
  std::vector<bool> of_ranks(ranks(), false);
  for (std::size_t rank = 0; rank < ranks(); ++rank)
    of_ranks[rank] = std::find(nodes.begin(), nodes.end(), static_cast<std::size_t>(node_of(rank))) != nodes.end();
  OwnWorkSum sum(plan, clocks, records.size());
  for (const StepRecord& record : records) {
    const bool waits = record.rank < of_ranks.size() && of_ranks[record.rank] && is_sound(record);
    const StepRecord rest = waits ? with_storage_as_wait(record) : record;
    sum.take({&rest, 1});
  }
  OwnWork result = sum.finish();
  if (graphs_) {
    std::vector<BlockGraphs> graphs = step_graphs(plan, mesh_, records, spans, clocks);
    for (BlockGraphs& block : graphs)
      for (StepGraph& graph : block.graphs) take_off_storage(graph, of_ranks);
    result.replay_by(GraphGains(plan, mesh_, std::move(graphs), most_last()));
  }
  result.find_storage(*this);
  return result;
}

void OwnWork::find_storage(const OwnWork& whole) {
  for (std::size_t i = 0; i < slot_of_block_.size(); ++i) {
    const auto index = static_cast<int>(i);
    if (!can_replay(index) || !whole.can_replay(index)) continue;
    BlockWork& of_block = blocks_[slot_of_block_[i]];
    if (!graphs_) {
      of_block.storage_ns = whole.block(index).longest_ns - of_block.longest_ns;
      continue;
    }
    of_block.storage_ns = whole.graphs_->end_ns(index) - graphs_->end_ns(index);
    of_block.longest_ns = (of_block.step_ns - of_block.storage_ns) * graphs_->work_share(index);
  }
}

double OwnWork::rank_gain_ns(int block, std::size_t rank) const {
  if (graphs_) return graphs_->rank_gain_ns(block, rank);
  return this->rank(block, rank).gain_ns / static_cast<double>(this->block(block).steps);
}

double OwnWork::node_gain_ns(int block, std::size_t node, std::size_t last) const {
  if (graphs_) return graphs_->node_gain_ns(block, node, last);
  const std::size_t at = slot(block);
  return node_gain_ns_[at * nodes_ + node][last - 1] /
         static_cast<double>(std::max<std::int64_t>(blocks_[at].steps, 1));
}

double OwnWork::gain_ns(int block, std::span<const std::size_t> nodes) const {
  if (graphs_) return graphs_->gain_ns(block, nodes);
  std::vector<bool> repaired(nodes_, false);
  for (const std::size_t node : nodes) repaired[node] = true;
  if (std::find(repaired.begin(), repaired.end(), false) == repaired.end()) return 0;
  const std::vector<float>& work_ns = node_work_ns_[slot(block)];
  double sum_ns = 0;
  for (std::size_t first = 0; first < work_ns.size(); first += nodes_) {
    float longest_ns = 0, of_others_ns = 0;
    for (std::size_t node = 0; node < nodes_; ++node) {
      longest_ns = std::max(longest_ns, work_ns[first + node]);
      if (!repaired[node]) of_others_ns = std::max(of_others_ns, work_ns[first + node]);
    }
    sum_ns += static_cast<double>(longest_ns - of_others_ns);
  }
  return sum_ns / static_cast<double>(std::max<std::int64_t>(blocks_[slot(block)].steps, 1));
}

OwnWorkSum::OwnWorkSum(const Plan& plan, NodeClocks clocks, std::size_t records)
    : clocks_(std::move(clocks)),
      records_(records),
      settle_steps_(static_cast<std::uint32_t>(std::max<std::int64_t>(plan.design.settle_steps, 0))) {
  result_.nodes_ = plan.topology.nodes.size();
  result_.mesh_ = mesh_of(plan);
  result_.node_of_rank_ = nodes_of_ranks(plan.topology);
  result_.slot_of_block_.resize(plan.blocks.size(), OwnWork::kNone);
  std::size_t slots = 0;
  for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
    const Block& block = plan.blocks[i];
    if (block.pair >= 0 && (block.kind == BlockKind::baseline || block.kind == BlockKind::fault))
      result_.slot_of_block_[i] = slots++;
  }
  result_.blocks_.resize(slots);
  result_.work_.resize(slots * result_.ranks());
  result_.node_work_ns_.resize(slots);
  result_.node_gain_ns_.resize(slots * result_.nodes_);
  result_.arrivals_.resize(slots * result_.nodes_);
  for (std::size_t node = 0; node < result_.nodes_; ++node)
    if (const auto own = clocks_.align(static_cast<std::int64_t>(node), 0))
      result_.clock_bound_ns_ = std::max(result_.clock_bound_ns_, 2 * own->bound_ns);
  steps_.resize(slots);
  before_.resize(result_.ranks());
}

void OwnWorkSum::take(std::span<const StepRecord> records) {
  for (const StepRecord& record : records) take(record);
}

void OwnWorkSum::take(const StepRecord& record) {
  if (record.rank >= before_.size() || record.block >= result_.slot_of_block_.size() ||
      record.step_in_block >= records_ || !is_sound(record))
    return;
  const std::size_t at = result_.slot_of_block_[record.block];
  if (at == OwnWork::kNone) return;
  const std::int64_t rest_ns = record.optimizer_ns + record.checkpoint_ns;
  const std::int64_t own_ns = std::max<std::int64_t>(record.end_ns - record.start_ns - record.exposed_comm_ns, 0);
  Before& last = before_[record.rank];
  // The optimizer and checkpoint of the step before delay this step's collectives. A block's first step has none before
  // it; if the record of the step before is missing, they are taken to have been as long as this step's.
  const std::int64_t left_ns = record.step_in_block == 0 ? 0 : last.step + 1 == record.step ? last.rest_ns : rest_ns;
  last = {rest_ns, record.step};
  if (record.step_in_block < settle_steps_) return;

  RankWork& work = result_.work_[at * before_.size() + record.rank];
  const auto times_ns = phase_times_ns(record);
  for (std::size_t i = 0, own = 0; i < times_ns.size(); ++i)
    if (i != kExposedComm) work.sum_ns[own++] += times_ns[i];
  ++work.steps;

  std::vector<Step>& of_block = steps_[at];
  if (of_block.size() <= record.step_in_block) of_block.resize(record.step_in_block + std::size_t{1});
  Step& step = of_block[record.step_in_block];
  const auto rank = static_cast<std::int32_t>(record.rank);
  const std::int32_t node = result_.node_of_rank_[record.rank];
  step.duration_ns += record.end_ns - record.start_ns;
  ++step.records;
  const std::int64_t work_ns = std::max<std::int64_t>(own_ns - rest_ns, 0) + left_ns;
  step.work.take(work_ns, rank, node);
  if (step.work_of_nodes_ns.empty()) step.work_of_nodes_ns.resize(result_.nodes_);
  float& of_node_ns = step.work_of_nodes_ns[static_cast<std::size_t>(node)];
  of_node_ns = std::max(of_node_ns, static_cast<float>(work_ns));
  if (const auto entered = clocks_.align(node, record.collective_entry_ns))
    step.arrival.take(entered->t_ns, rank, node);
  else
    step.clocks_known = false;
}

void OwnWorkSum::add_gains(std::size_t slot, std::span<const float> work_of_nodes_ns) {
  std::array<std::size_t, kMostLast + 1> latest{};  // nodes, that with the most work first
  const std::size_t most = result_.most_last();
  std::size_t found = 0;
  for (std::size_t node = 0; node < work_of_nodes_ns.size(); ++node) {
    if (found > most && work_of_nodes_ns[node] <= work_of_nodes_ns[latest[most]]) continue;
    std::size_t place = std::min(found, most);
    for (; place > 0 && work_of_nodes_ns[latest[place - 1]] < work_of_nodes_ns[node]; --place)
      latest[place] = latest[place - 1];
    latest[place] = node;
    found = std::min(found + 1, most + 1);
  }
  for (std::size_t last = 1; last <= most; ++last) {
    double each_ns = 0;
    for (std::size_t i = last; i-- > 0;) {
      each_ns += static_cast<double>(work_of_nodes_ns[latest[i]] - work_of_nodes_ns[latest[i + 1]]) /
                 static_cast<double>(i + 1);
      result_.node_gain_ns_[slot * result_.nodes_ + latest[i]][last - 1] += each_ns;
    }
  }
}

void OwnWorkSum::finish(std::size_t slot) {
  const std::size_t ranks = result_.ranks();
  BlockWork& block = result_.blocks_[slot];
  const std::vector<Step> steps = std::move(steps_[slot]);
  for (const Step& step : steps) {
    if (step.records > 0) ++block.measured;
    if (step.records != ranks) continue;
    ++block.steps;
    block.step_ns += static_cast<double>(step.duration_ns) / static_cast<double>(ranks);
    block.longest_ns += static_cast<double>(step.work.value);
    std::vector<float>& kept_ns = result_.node_work_ns_[slot];
    kept_ns.insert(kept_ns.end(), step.work_of_nodes_ns.begin(), step.work_of_nodes_ns.end());
    if (step.work.of_other_rank != Largest::kNever)
      result_.work_[slot * ranks + static_cast<std::size_t>(step.work.rank)].gain_ns +=
          static_cast<double>(step.work.value - step.work.of_other_rank);
    add_gains(slot, step.work_of_nodes_ns);
    if (!step.clocks_known || step.arrival.of_other_node == Largest::kNever) continue;
    const std::int64_t by_ns = step.arrival.value - step.arrival.of_other_node;
    if (by_ns <= result_.clock_bound_ns_) continue;
    NodeArrivals& arrivals = result_.arrivals_[slot * result_.nodes_ + static_cast<std::size_t>(step.arrival.node)];
    ++arrivals.last;
    arrivals.by_ns += static_cast<double>(by_ns);
  }
  if (block.steps == 0) return;
  block.step_ns /= static_cast<double>(block.steps);
  block.longest_ns /= static_cast<double>(block.steps);
}

OwnWork OwnWorkSum::finish() {
  for (std::size_t slot = 0; slot < steps_.size(); ++slot) finish(slot);
  return std::move(result_);
}

OwnWork own_work(const Plan& plan, std::span<const StepRecord> records, const Json& clock) {
  OwnWorkSum sum(plan, NodeClocks(plan, clock), records.size());
  sum.take(records);
  return sum.finish();
}

void add_graphs(OwnWork& work, const Plan& plan, std::span<const StepRecord> records,
                std::span<const CollectiveRecord> spans, const NodeClocks& clocks) {
  if (work.is_one_group() || spans.empty() || static_cast<std::size_t>(work.mesh().ranks()) != work.ranks()) return;
  work.replay_by(
      GraphGains(plan, work.mesh(), step_graphs(plan, work.mesh(), records, spans, clocks), work.most_last()));
}

}  // namespace grit
