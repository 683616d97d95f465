#include "analysis/report/run_data.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "analysis/facts/node_names.hpp"
#include "analysis/records/block_times.hpp"
#include "analysis/report/record_pass.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/json_fields.hpp"

namespace grit {
namespace {

const Block* find_block(const Plan& plan, std::uint32_t index) {
  if (index < plan.blocks.size() && plan.blocks[index].index == static_cast<int>(index)) return &plan.blocks[index];
  const auto found = std::find_if(plan.blocks.begin(), plan.blocks.end(),
                                  [&](const Block& block) { return block.index == static_cast<int>(index); });
  return found == plan.blocks.end() ? nullptr : &*found;
}

double in_seconds(std::int64_t ns) { return static_cast<double>(ns) / static_cast<double>(kNsPerS); }

std::vector<StepPoint> step_points(const Plan& plan, const RecordSums& sums) {
  std::vector<StepPoint> points;
  for (std::size_t i = 0; i < sums.steps.size(); ++i) {
    const StepSum* sum = sums.steps.find(i);
    if (sum == nullptr || sum->records == 0) continue;
    const Block* block = find_block(plan, sum->block);
    StepPoint point;
    point.step = static_cast<std::uint32_t>(i + static_cast<std::size_t>(plan.first_step));
    point.block = sum->block;
    point.kind = block != nullptr ? block->kind : BlockKind::warmup;
    point.measured =
        block != nullptr && sum->step_in_block >= plan.design.settle_steps && sum->records >= sums.rank_count;
    point.start_s = in_seconds(sum->start_ns);
    point.end_s = in_seconds(sum->end_ns);
    point.mean_ns = static_cast<double>(sum->total_ns) / sum->records;
    point.max_ns = static_cast<double>(sum->max_ns);
    point.slowest_rank = sum->slowest_rank;
    points.push_back(point);
  }
  return points;
}

std::vector<BlockSummary> block_summaries(const ReportInput& input, const std::vector<StepPoint>& points) {
  // The same step times that the verdict is made of.
  const RunTimes times = input.times ? *input.times : block_times(input.plan, input.steps);
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
  input.events.for_each_of({"fault"}, [&](const Json& event) {
    if (text_or(event, "type", "") != "fault" || !truth_at(event, "ok")) return;
    const Key key{integer_at(event, "fault", -1), integer_at(event, "block", -1), integer_at(event, "pulse", 0)};
    const double at_s = axis.seconds(static_cast<int>(integer_at(event, "node", 0)), integer_at(event, "t_ns", 0));
    const std::string action = text_or(event, "action", "");
    if (action == "applied") {
      FaultWindow& window = windows[key];
      window.fault = static_cast<int>(key[0]);
      window.block = static_cast<int>(key[1]);
      if (const Block* block = find_block(input.plan, static_cast<std::uint32_t>(key[1]))) window.kind = block->kind;
      window.label = fault_label(input.plan, window.fault);
      window.start_s = at_s;
    } else if (const auto open = windows.find(key); action == "reverted" && open != windows.end()) {
      open->second.end_s = at_s;
      open->second.reverted = true;
    }
  });
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

std::vector<PhaseRow> phase_rows(const RecordSums& sums) {
  std::vector<PhaseRow> rows;
  for (std::size_t i = 0; i < sums.phases.size(); ++i) {
    const PhaseSum& sum = sums.phases[i];
    if (sum.steps == 0) continue;
    PhaseRow row;
    row.rank = static_cast<std::uint32_t>(i / 2);
    row.node = sum.node;
    row.kind = i % 2 == 0 ? BlockKind::baseline : BlockKind::fault;
    row.steps = static_cast<int>(sum.steps);
    for (std::size_t phase = 0; phase < row.mean_ns.size(); ++phase)
      row.mean_ns[phase] = static_cast<double>(sum.total_ns[phase]) / sum.steps;
    rows.push_back(row);
  }
  return rows;
}

}  // namespace

double PhaseRow::total_ns() const { return std::accumulate(mean_ns.begin(), mean_ns.end(), 0.0); }

double TimeAxis::seconds(int node, std::int64_t t_ns) const {
  return in_seconds(since_start_ns(static_cast<std::uint32_t>(node), t_ns));
}

RunData summarize(const ReportInput& input) {
  RunData data;
  data.axis = TimeAxis(input.plan, input.steps);
  if (const Json event = input.events.first(); input.steps.empty() && !event.is_null()) {
    // Without steps, time starts with the first event.
    StepRecord first;
    first.start_ns = integer_at(event, "t_ns", 0);
    first.node = static_cast<std::uint32_t>(integer_at(event, "node", 0));
    data.axis = TimeAxis(input.plan, {&first, 1});
  }
  const RecordSums sums = sum_records(input.plan, input.steps, data.axis);
  data.ranks = static_cast<int>(std::count(sums.rank_seen.begin(), sums.rank_seen.end(), 1));
  data.steps = step_points(input.plan, sums);
  data.blocks = block_summaries(input, data.steps);
  data.windows = fault_windows(input, data.axis, data.blocks);
  if (input.verdict.effect && !input.verdict.effect->statistic.empty())
    data.statistic = input.verdict.effect->statistic;
  data.pairs = pair_points(data.blocks, data.statistic == "median");
  data.phases = phase_rows(sums);
  data.operations = sum_operations(input.plan, data.steps, input.spans);
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

std::string node_name(const Plan& plan, int node) { return name_of_node(plan, node); }

std::string fault_label(const Plan& plan, int fault) {
  for (const PlannedFault& planned : plan.faults) {
    if (planned.id != fault) continue;
    const std::string label = planned.name + " on " + node_name(plan, planned.node);
    return planned.device.empty() ? label : label + " " + planned.device;
  }
  return "fault " + std::to_string(fault);
}

std::string text_or(const Json& object, const char* key, std::string otherwise) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::move(otherwise);
}

}  // namespace grit
