#include "analysis/report/run_data.hpp"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "analysis/block_times.hpp"
#include "harness/base/clock.hpp"

namespace grit {
namespace {

/// Destroys the order of its argument.
template <class T>
T median(std::vector<T>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

const Block* find_block(const Plan& plan, std::uint32_t index) {
  if (index < plan.blocks.size() && plan.blocks[index].index == static_cast<int>(index)) return &plan.blocks[index];
  const auto found = std::find_if(plan.blocks.begin(), plan.blocks.end(),
                                  [&](const Block& block) { return block.index == static_cast<int>(index); });
  return found == plan.blocks.end() ? nullptr : &*found;
}

bool is_settled(const Plan& plan, const StepRecord& record) { return record.step_in_block >= plan.design.settle_steps; }

double seconds_between(std::int64_t from_ns, std::int64_t to_ns) {
  return static_cast<double>(to_ns - from_ns) / static_cast<double>(kNsPerS);
}

struct StepSum {
  std::vector<std::uint32_t> ranks{};
  double total_ns = 0;
  StepPoint point{};
};

void add_record(StepSum& sum, const Plan& plan, const TimeAxis& axis, const StepRecord& record) {
  const double start_s = axis.seconds(static_cast<int>(record.node), record.start_ns);
  const double end_s = axis.seconds(static_cast<int>(record.node), record.end_ns);
  const auto duration_ns = static_cast<double>(record.end_ns - record.start_ns);
  StepPoint& point = sum.point;
  if (sum.ranks.empty()) {
    const Block* block = find_block(plan, record.block);
    point.step = record.step;
    point.block = record.block;
    point.kind = block != nullptr ? block->kind : BlockKind::warmup;
    point.measured = block != nullptr && is_settled(plan, record);
    point.start_s = start_s;
    point.end_s = end_s;
  }
  if (duration_ns > point.max_ns) point.max_ns = duration_ns, point.slowest_rank = record.rank;
  point.start_s = std::min(point.start_s, start_s);
  point.end_s = std::max(point.end_s, end_s);
  sum.total_ns += duration_ns;
  sum.ranks.push_back(record.rank);
}

std::vector<StepPoint> step_points(const ReportInput& input, const TimeAxis& axis, std::size_t ranks) {
  std::map<std::uint32_t, StepSum> sums;
  for (const StepRecord& record : input.steps) add_record(sums[record.step], input.plan, axis, record);
  std::vector<StepPoint> points;
  points.reserve(sums.size());
  for (auto& [step, sum] : sums) {
    sum.point.mean_ns = sum.total_ns / static_cast<double>(sum.ranks.size());
    if (sum.ranks.size() < ranks) sum.point.measured = false;
    points.push_back(sum.point);
  }
  return points;
}

std::vector<BlockSummary> block_summaries(const ReportInput& input, const std::vector<StepPoint>& points) {
  // The same step times that the verdict is made of.
  const RunTimes times = block_times(input.plan, input.steps);
  std::map<std::uint32_t, BlockSummary> blocks;
  for (const StepPoint& point : points) {
    const auto [found, is_new] = blocks.try_emplace(point.block);
    BlockSummary& block = found->second;
    if (is_new) {
      const Block* planned = find_block(input.plan, point.block);
      block.index = static_cast<int>(point.block);
      block.pair = planned != nullptr ? planned->pair : -1;
      block.kind = point.kind;
      block.start_s = point.start_s;
      block.end_s = point.end_s;
      if (point.block < times.blocks.size() && times.blocks[point.block].complete) {
        block.measured = static_cast<int>(times.blocks[point.block].steps);
        block.mean_ns = times.blocks[point.block].mean_ns;
        block.median_ns = times.blocks[point.block].median_ns;
      }
    }
    ++block.steps;
    block.start_s = std::min(block.start_s, point.start_s);
    block.end_s = std::max(block.end_s, point.end_s);
    block.max_ns = std::max(block.max_ns, point.max_ns);
  }
  std::vector<BlockSummary> result;
  for (const auto& [index, block] : blocks) result.push_back(block);
  return result;
}

/// When a window ends that no event closed: with its block, or with the last record.
double window_end(const std::vector<BlockSummary>& blocks, int block, double start_s) {
  double last_s = start_s;
  for (const BlockSummary& summary : blocks) {
    if (summary.index == block && summary.end_s > start_s) return summary.end_s;
    last_s = std::max(last_s, summary.end_s);
  }
  return last_s;
}

std::vector<FaultWindow> fault_windows(const ReportInput& input, const TimeAxis& axis,
                                       const std::vector<BlockSummary>& blocks) {
  using Key = std::array<std::int64_t, 3>;  // fault, block, pulse
  std::map<Key, FaultWindow> windows;
  for (const Json& event : input.events) {
    if (text_or(event, "type", "") != "fault" || !is_true(event, "ok")) continue;
    const Key key{integer_or(event, "fault", -1), integer_or(event, "block", -1), integer_or(event, "pulse", 0)};
    const double at_s = axis.seconds(static_cast<int>(integer_or(event, "node", 0)), integer_or(event, "t_ns", 0));
    const std::string action = text_or(event, "action", "");
    if (action == "applied") {
      FaultWindow& window = windows[key];
      window.fault = static_cast<int>(key[0]);
      window.block = static_cast<int>(key[1]);
      window.label = fault_label(input.plan, window.fault);
      window.start_s = at_s;
    } else if (const auto open = windows.find(key); action == "reverted" && open != windows.end()) {
      open->second.end_s = at_s;
      open->second.reverted = true;
    }
  }
  std::vector<FaultWindow> result;
  for (auto& [key, window] : windows) {
    if (!window.reverted) window.end_s = window_end(blocks, window.block, window.start_s);
    result.push_back(std::move(window));
  }
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.start_s < b.start_s; });
  return result;
}

std::vector<PairPoint> pair_points(const std::vector<BlockSummary>& blocks, bool use_median) {
  std::map<int, PairPoint> pairs;
  for (const BlockSummary& block : blocks) {
    if (block.pair < 0 || block.measured == 0) continue;
    PairPoint& pair = pairs[block.pair];
    pair.pair = block.pair;
    const double value_ns = use_median ? block.median_ns : block.mean_ns;
    if (block.kind == BlockKind::baseline) pair.baseline_ns = value_ns;
    if (block.kind == BlockKind::fault) pair.fault_ns = value_ns;
  }
  std::vector<PairPoint> complete;
  for (const auto& [index, pair] : pairs)
    if (pair.baseline_ns > 0 && pair.fault_ns > 0) complete.push_back(pair);
  return complete;
}

std::vector<PhaseRow> phase_rows(const ReportInput& input) {
  std::map<std::pair<std::uint32_t, BlockKind>, PhaseRow> rows;
  for (const StepRecord& record : input.steps) {
    const Block* block = find_block(input.plan, record.block);
    if (block == nullptr || block->kind == BlockKind::warmup || !is_settled(input.plan, record)) continue;
    PhaseRow& row = rows[{record.rank, block->kind}];
    row.rank = record.rank;
    row.node = record.node;
    row.kind = block->kind;
    ++row.steps;
    const std::array<std::int64_t, 6> phases{record.input_ns,        record.forward_ns,   record.backward_ns,
                                             record.exposed_comm_ns, record.optimizer_ns, record.checkpoint_ns};
    std::int64_t rest_ns = record.end_ns - record.start_ns;
    for (std::size_t i = 0; i < phases.size(); ++i) {
      row.mean_ns[i] += static_cast<double>(phases[i]);
      rest_ns -= phases[i];
    }
    row.mean_ns.back() += static_cast<double>(std::max<std::int64_t>(rest_ns, 0));
  }
  std::vector<PhaseRow> result;
  for (auto& [key, row] : rows) {
    for (double& value_ns : row.mean_ns) value_ns /= row.steps;
    result.push_back(row);
  }
  return result;
}

}  // namespace

double PhaseRow::total_ns() const { return std::accumulate(mean_ns.begin(), mean_ns.end(), 0.0); }

TimeAxis::TimeAxis(const Plan& plan, const std::vector<StepRecord>& steps) {
  if (steps.empty()) return;
  std::map<std::uint32_t, std::int64_t> reference_ns;  // step -> when the reference node left its last collective
  const std::uint32_t reference =
      std::min_element(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.node < b.node; })->node;
  for (const StepRecord& record : steps)
    if (record.node == reference) reference_ns.try_emplace(record.step, record.collective_exit_ns);
  if (!plan.topology.local_cluster) {
    std::map<int, std::vector<std::int64_t>> differences_ns;
    for (const StepRecord& record : steps)
      if (const auto same = reference_ns.find(record.step); same != reference_ns.end())
        differences_ns[static_cast<int>(record.node)].push_back(record.collective_exit_ns - same->second);
    for (auto& [node, values] : differences_ns) offset_ns_[node] = median(values);
  }
  bool first = true;
  for (const StepRecord& record : steps) {
    const auto offset = offset_ns_.find(static_cast<int>(record.node));
    const std::int64_t start_ns = record.start_ns - (offset == offset_ns_.end() ? 0 : offset->second);
    if (first || start_ns < origin_ns_) origin_ns_ = start_ns, first = false;
  }
}

double TimeAxis::seconds(int node, std::int64_t t_ns) const {
  const auto offset = offset_ns_.find(node);
  return seconds_between(origin_ns_, t_ns - (offset == offset_ns_.end() ? 0 : offset->second));
}

RunData summarize(const ReportInput& input) {
  RunData data;
  data.axis = TimeAxis(input.plan, input.steps);
  if (input.steps.empty() && !input.events.empty()) {
    // Without steps, time starts with the first event.
    StepRecord first;
    first.start_ns = integer_or(input.events.front(), "t_ns", 0);
    first.node = static_cast<std::uint32_t>(integer_or(input.events.front(), "node", 0));
    data.axis = TimeAxis(input.plan, {first});
  }
  std::set<std::uint32_t> ranks;
  for (const StepRecord& record : input.steps) ranks.insert(record.rank);
  data.ranks = static_cast<int>(ranks.size());
  std::size_t expected = 0;
  for (const Node& node : input.plan.topology.nodes) expected += node.ranks.size();
  data.steps = step_points(input, data.axis, expected);
  data.blocks = block_summaries(input, data.steps);
  data.windows = fault_windows(input, data.axis, data.blocks);
  if (input.verdict.effect && !input.verdict.effect->statistic.empty())
    data.statistic = input.verdict.effect->statistic;
  data.pairs = pair_points(data.blocks, data.statistic == "median");
  data.phases = phase_rows(input);
  return data;
}

std::vector<StepPoint> thin_out(const std::vector<StepPoint>& steps, std::size_t limit) {
  if (steps.size() <= limit || limit < 2) return steps;
  const std::size_t stretches = limit / 2;
  std::vector<StepPoint> kept;
  kept.reserve(limit);
  const auto slower = [](const StepPoint& a, const StepPoint& b) { return a.max_ns < b.max_ns; };
  for (std::size_t i = 0; i < stretches; ++i) {
    const auto begin = steps.begin() + static_cast<std::ptrdiff_t>(i * steps.size() / stretches);
    const auto end = steps.begin() + static_cast<std::ptrdiff_t>((i + 1) * steps.size() / stretches);
    const auto [low, high] = std::minmax_element(begin, end, slower);
    kept.push_back(*std::min(low, high));
    if (low != high) kept.push_back(*std::max(low, high));
  }
  return kept;
}

std::string node_name(const Plan& plan, int node) {
  for (const Node& candidate : plan.topology.nodes)
    if (candidate.index == node && !candidate.name.empty()) return candidate.name;
  return "node " + std::to_string(node);
}

std::string fault_label(const Plan& plan, int fault) {
  for (const PlannedFault& planned : plan.faults) {
    if (planned.id != fault) continue;
    const std::string label = planned.name + " on " + node_name(plan, planned.node);
    return planned.device.empty() ? label : label + " " + planned.device;
  }
  return "fault " + std::to_string(fault);
}

std::int64_t integer_or(const Json& object, const char* key, std::int64_t otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : otherwise;
}

std::string text_or(const Json& object, const char* key, std::string otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::move(otherwise);
}

bool is_true(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace grit
