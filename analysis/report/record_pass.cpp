#include "analysis/report/record_pass.hpp"

#include <algorithm>
#include <optional>

#include "analysis/block_times.hpp"

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
  const std::array<std::int64_t, 6> phases{record.input_ns,        record.forward_ns,   record.backward_ns,
                                           record.exposed_comm_ns, record.optimizer_ns, record.checkpoint_ns};
  static_assert(phases.size() + 1 == kPhaseNames.size());
  std::int64_t rest_ns = record.end_ns - record.start_ns;
  for (std::size_t i = 0; i < phases.size(); ++i) sum.total_ns[i] += phases[i], rest_ns -= phases[i];
  sum.total_ns.back() += std::max<std::int64_t>(rest_ns, 0);
  ++sum.steps;
  sum.node = record.node;
}

/// Some hundred of many values, evenly spread: when there are too many, every second one goes, and from then on only
/// every second one is taken.
class Sample {
 public:
  void add(std::int64_t value) {
    if (seen_++ % stride_ != 0) return;
    values_.push_back(value);
    if (values_.size() < kMost) return;
    for (std::size_t i = 0; i < values_.size() / 2; ++i) values_[i] = values_[2 * i];
    values_.resize(values_.size() / 2);
    stride_ *= 2;
  }
  [[nodiscard]] std::int64_t median() {
    if (values_.empty()) return 0;
    const auto middle = values_.begin() + static_cast<std::ptrdiff_t>(values_.size() / 2);
    std::nth_element(values_.begin(), middle, values_.end());
    return values_.size() % 2 == 1 ? *middle : (*middle + *std::max_element(values_.begin(), middle)) / 2;
  }

 private:
  static constexpr std::size_t kMost = 256;
  std::uint64_t seen_ = 0, stride_ = 1;
  std::vector<std::int64_t> values_{};
};

/// What the first pass learns of a node.
struct NodeClock {
  bool any_record = false;
  std::uint32_t rank = 0;  // of its first record: the one that is compared
  std::int64_t start_ns = INT64_MAX;
};

struct Exit {
  std::int64_t t_ns = 0;
  bool known = false;
};

/// When the node with the lowest number left the last collective of each step.
struct Reference {
  std::uint32_t node = UINT32_MAX;
  Paged<Exit> exits{};
  void take(const StepRecord& record) {
    if (record.node > node) return;
    if (record.node < node) node = record.node, exits = {};
    exits[record.step] = {record.collective_exit_ns, true};
  }
};

}  // namespace

TimeAxis::TimeAxis(const Plan& plan, std::span<const StepRecord> steps) {
  std::vector<NodeClock> nodes(plan.topology.nodes.size());
  const bool shared = plan.topology.local_cluster;
  Reference reference;
  for (const StepRecord& record : steps) {
    if (record.node >= nodes.size() || record.step >= steps.size()) continue;
    NodeClock& node = nodes[record.node];
    if (!node.any_record) node.any_record = true, node.rank = record.rank;
    node.start_ns = std::min(node.start_ns, record.start_ns);
    if (!shared && record.rank == node.rank) reference.take(record);
  }
  offset_ns_.resize(nodes.size());
  if (!shared) {
    std::vector<Sample> differences_ns(nodes.size());
    for (const StepRecord& record : steps) {
      if (record.node >= nodes.size() || record.rank != nodes[record.node].rank) continue;
      const Exit* same = reference.exits.find(record.step);
      if (same != nullptr && same->known) differences_ns[record.node].add(record.collective_exit_ns - same->t_ns);
    }
    for (std::size_t node = 0; node < nodes.size(); ++node) offset_ns_[node] = differences_ns[node].median();
  }
  std::int64_t first_ns = INT64_MAX;
  for (std::size_t node = 0; node < nodes.size(); ++node)
    if (nodes[node].any_record) first_ns = std::min(first_ns, nodes[node].start_ns - offset_ns_[node]);
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
    if (record.rank >= sums.rank_count || record.node >= nodes || record.step >= records.size()) continue;
    sums.rank_seen[record.rank] = true;
    add_to_step(sums.steps[record.step], record, axis);
    if (record.block >= places.size() || !places[record.block]) continue;
    if (record.step_in_block < plan.design.settle_steps) continue;
    add_to_phases(sums.phases[2 * record.rank + *places[record.block]], record);
  }
  return sums;
}

}  // namespace grit
