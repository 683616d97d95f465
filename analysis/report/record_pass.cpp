#include "analysis/report/record_pass.hpp"

#include <algorithm>
#include <bit>
#include <optional>

#include "analysis/records/block_times.hpp"

namespace grit {
namespace {

/// Where the phases of a block are summed: 0 baseline, 1 fault; empty: nowhere.
std::vector<std::optional<std::size_t>> phase_places(const Plan& plan) {
  std::vector<std::optional<std::size_t>> places(plan.blocks.size());
  for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
    if (plan.blocks[i].pair < 0) continue;
    if (plan.blocks[i].kind == BlockKind::baseline) places[i] = 0;
    if (plan.blocks[i].kind == BlockKind::fault) places[i] = 1;
  }
  return places;
}

void add_to_step(StepSum& sum, const StepRecord& record, const TimeAxis& axis) {
  if (sum.records++ == 0) sum.block = record.block, sum.step_in_block = record.step_in_block;
  const std::int64_t duration_ns = record.end_ns - record.start_ns;
  sum.total_ns += duration_ns;
  if (duration_ns > sum.max_ns) sum.max_ns = duration_ns, sum.slowest_rank = record.rank;
  sum.start_ns = std::min(sum.start_ns, axis.since_start_ns(record.node, record.start_ns));
  sum.end_ns = std::max(sum.end_ns, axis.since_start_ns(record.node, record.end_ns));
}

void add_to_phases(PhaseSum& sum, const StepRecord& record) {
  const auto times_ns = phase_times_ns(record);
  for (std::size_t i = 0; i < times_ns.size(); ++i) sum.total_ns[i] += times_ns[i];
  ++sum.steps;
  sum.node = record.node;
}

constexpr std::size_t kSampledSteps = 256;  // at least half as many, evenly spread over the run
constexpr std::int64_t kNever = INT64_MIN;

/// What is known of a node's clock.
struct NodeClock {
  bool any_record = false;
  std::uint32_t rank = 0;  // of its first record: the one that is compared
  std::int64_t start_ns = INT64_MAX;
  std::vector<std::int64_t> exits_ns{};  // when that rank left the last collective of the sampled steps
};

/// The median difference between two clocks at the same steps' ends.
std::int64_t offset_between(const NodeClock& node, const NodeClock& reference) {
  std::vector<std::int64_t> values;
  for (std::size_t i = 0; i < std::min(node.exits_ns.size(), reference.exits_ns.size()); ++i)
    if (node.exits_ns[i] != kNever && reference.exits_ns[i] != kNever)
      values.push_back(node.exits_ns[i] - reference.exits_ns[i]);
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return values.size() % 2 == 1 ? *middle : (*middle + *std::max_element(values.begin(), middle)) / 2;
}

}  // namespace

TimeAxis::TimeAxis(const Plan& plan, std::span<const StepRecord> steps) {
  std::vector<NodeClock> nodes(plan.topology.nodes.size());
  const bool shared = plan.topology.local_cluster;
  const std::size_t ranks = std::max<std::size_t>(rank_count(plan.topology), 1);
  const std::size_t stride = std::bit_ceil(steps.size() / ranks / kSampledSteps + 1);
  for (const StepRecord& record : steps) {
    if (record.node >= nodes.size() || record.step >= steps.size()) continue;
    NodeClock& node = nodes[record.node];
    if (!node.any_record) node.any_record = true, node.rank = record.rank;
    node.start_ns = std::min(node.start_ns, record.start_ns);
    if (shared || (record.step & (stride - 1)) != 0 || record.rank != node.rank) continue;
    const std::size_t sample = record.step / stride;
    if (sample >= kSampledSteps) continue;
    if (node.exits_ns.size() <= sample) node.exits_ns.resize(sample + 1, kNever);
    node.exits_ns[sample] = record.collective_exit_ns;
  }
  const auto reference =
      std::find_if(nodes.begin(), nodes.end(), [](const NodeClock& node) { return node.any_record; });
  offset_ns_.resize(nodes.size());
  std::int64_t first_ns = INT64_MAX;
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    if (!nodes[node].any_record) continue;
    if (!shared) offset_ns_[node] = offset_between(nodes[node], *reference);
    first_ns = std::min(first_ns, nodes[node].start_ns - offset_ns_[node]);
  }
  if (first_ns != INT64_MAX) origin_ns_ = first_ns;
}

RecordSums sum_records(const Plan& plan, std::span<const StepRecord> records, const TimeAxis& axis) {
  RecordSums sums;
  sums.rank_count = rank_count(plan.topology);
  sums.rank_seen.resize(sums.rank_count);
  sums.phases.resize(2 * sums.rank_count);
  const std::vector<std::optional<std::size_t>> places = phase_places(plan);
  const std::size_t nodes = plan.topology.nodes.size();
  for (const StepRecord& record : records) {
    // A run has at most as many steps as there are records.
    const std::int64_t step = record.step - plan.first_step;
    if (record.rank >= sums.rank_count || record.node >= nodes || step < 0 ||
        step >= static_cast<std::int64_t>(records.size()))
      continue;
    sums.rank_seen[record.rank] = 1;
    add_to_step(sums.steps[static_cast<std::size_t>(step)], record, axis);
    if (record.block >= places.size() || !places[record.block]) continue;
    if (record.step_in_block < plan.design.settle_steps) continue;
    add_to_phases(sums.phases[2 * record.rank + *places[record.block]], record);
  }
  return sums;
}

}  // namespace grit
