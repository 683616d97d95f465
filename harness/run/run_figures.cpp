#include "harness/run/run_figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "analysis/facts/evidence.hpp"
#include "analysis/records/own_work.hpp"
#include "harness/base/clock.hpp"
#include "harness/model/format.hpp"
#include "harness/record/json_lines.hpp"
#include "harness/record/run_dir.hpp"
#include "injectors/injector.hpp"

namespace grit {
namespace {

/// TCP and the carrier take their time after a flap: what they need is no fault of the link (harness/agent/
/// carrier_watch.hpp waits for the carrier already).
constexpr std::int64_t kAfterFlap_ns = 5 * kNsPerS;

/// What a run left, as far as figures need it.
struct FinishedRun {
  Plan plan{};
  RunEvidence evidence{};
  StepsFile steps;
  Json clock{};
};

Result<FinishedRun> read_run(const std::filesystem::path& directory) {
  GRIT_TRY(const Json document, read_json(directory / "plan.json"));
  GRIT_TRY(Plan plan, plan_from_json(document));
  GRIT_TRY(StepsFile steps, StepsFile::open(directory / "steps.npy"));
  const Json clock = read_json(directory / "clock.json").value_or(Json());
  GRIT_TRY(const JsonLines events, JsonLines::open(directory / "events.jsonl", formats::kEvents));
  RunEvidence evidence = collect_evidence(plan, events, clock);
  if (!evidence.finished)
    return usage_error(fmt::format("{} is no finished run{}", directory.string(),
                                   evidence.ending_reason.empty() ? "" : ": " + evidence.ending_reason));
  return FinishedRun{std::move(plan), std::move(evidence), std::move(steps), clock};
}

bool takes_link_down(const PlannedFault& fault) {
  return !fault.passive && (fault.name == "link_flap" || fault.name == "link_down");
}

/// What is wrong with the faults of a node: its figures would be of another experiment. Empty: nothing.
std::string problem_of(const FinishedRun& run, int node, const std::string& node_name) {
  for (const PlannedFault& fault : run.plan.faults) {
    if (fault.node != node || fault.passive) continue;
    const FaultEvidence& evidence = run.evidence.faults.at(static_cast<std::size_t>(fault.id));
    for (const Block& block : run.plan.blocks) {
      const WindowEvidence& window = evidence.blocks.at(static_cast<std::size_t>(block.index));
      if (window.revert_failed || window.unreverted)
        return fmt::format("NOT REVERTED: {}{}", fault.name, evidence.last_error());
      if (block.kind == BlockKind::fault && window.began && !window.applied)
        return fmt::format("{} was not applied{}", fault.name, evidence.last_error());
    }
  }
  for (const Residue& residue : run.evidence.residue)
    if (residue.node == node_name) return "the run left something behind on it";
  return "";
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// Over its fault blocks the median of the own work of a step, of its slowest rank. None: no such block was measured.
std::optional<double> stress_own_s(const FinishedRun& run, const OwnWork& work, int node) {
  std::vector<double> blocks_ns;
  for (const Block& block : run.plan.blocks) {
    if (block.kind != BlockKind::fault || !work.has(block.index)) continue;
    double slowest_ns = 0;
    for (std::size_t rank = 0; rank < work.ranks(); ++rank)
      if (work.node_of(rank) == node) slowest_ns = std::max(slowest_ns, work.rank(block.index, rank).own_ns());
    blocks_ns.push_back(slowest_ns);
  }
  if (blocks_ns.empty()) return std::nullopt;
  return median_of(std::move(blocks_ns)) / static_cast<double>(kNsPerS);
}

/// Steps and how long they took together.
struct Pace {
  std::int64_t steps = 0, took_ns = 0;
  void take(const StepRecord& record) {
    ++steps;
    took_ns += record.end_ns - record.start_ns;
  }
  [[nodiscard]] double per_s() const {
    return static_cast<double>(steps) * static_cast<double>(kNsPerS) / static_cast<double>(took_ns);
  }
};

/// At the beginning of a block; of the warm-up half of it.
std::uint32_t unsettled_steps(const Design& design, BlockKind kind) {
  return static_cast<std::uint32_t>(kind == BlockKind::warmup ? design.warmup_steps / 2 : design.settle_steps);
}

/// How fast steps are when the link has long been back, as a share of how fast they were before it was ever taken down
/// (a link that stays slow after the first time is slow in all later blocks). Of the node's first rank: all ranks meet
/// in every step. None: nothing was measured so early, or so late.
std::optional<double> after_flap(const FinishedRun& run, int node) {
  const std::vector<int>& ranks = run.plan.topology.nodes.at(static_cast<std::size_t>(node)).ranks;
  if (ranks.empty()) return std::nullopt;
  const auto first_rank = static_cast<std::uint32_t>(ranks.front());
  const auto first_fault = std::find_if(run.plan.blocks.begin(), run.plan.blocks.end(),
                                        [](const Block& block) { return block.kind == BlockKind::fault; });
  const auto undisturbed = static_cast<std::uint32_t>(first_fault - run.plan.blocks.begin());  // blocks
  std::map<std::uint32_t, std::int64_t> begins_ns;  // of recovery blocks: the fault is off since then
  Pace before, after;
  const auto kind_of = [&](const StepRecord& record) -> std::optional<BlockKind> {
    if (record.rank != first_rank || record.block >= run.plan.blocks.size()) return std::nullopt;
    return run.plan.blocks[record.block].kind;
  };
  for (const StepRecord& record : run.steps.records()) {
    if (kind_of(record) != BlockKind::recovery) continue;
    const auto [begin, is_new] = begins_ns.try_emplace(record.block, record.start_ns);
    if (!is_new) begin->second = std::min(begin->second, record.start_ns);
  }
  for (const StepRecord& record : run.steps.records()) {
    const auto kind = kind_of(record);
    if (kind == BlockKind::recovery && record.start_ns >= begins_ns.at(record.block) + kAfterFlap_ns)
      after.take(record);
    if (record.block < undisturbed && kind && record.step_in_block >= unsettled_steps(run.plan.design, *kind))
      before.take(record);
  }
  if (before.took_ns <= 0 || after.took_ns <= 0) return std::nullopt;
  return after.per_s() / before.per_s();
}

/// Of all ranks of the node.
BurninObservation wrong_sums(const FinishedRun& run, int node) {
  BurninObservation wrong{.measure = "wrong_results"};
  for (const StepRecord& record : run.steps.records()) {
    if (static_cast<int>(record.node) != node) continue;
    wrong.value += record.corrupted;
    wrong.exposure += 1;
  }
  return wrong;
}

BurninLine line_of(const FinishedRun& run, const OwnWork& work, const Node& node) {
  BurninLine line{.host = node.name, .error = problem_of(run, node.index, node.name)};
  if (!line.error.empty()) return line;
  line.observations.push_back(wrong_sums(run, node.index));
  const auto add = [&](const char* measure, std::optional<double> value) {
    if (value)
      line.observations.push_back({.measure = measure, .value = *value});
    else
      line.skipped.push_back(fmt::format("{}: the run has no steps that show it", measure));
  };
  const auto has = [&](bool link_down) {
    return std::any_of(run.plan.faults.begin(), run.plan.faults.end(), [&](const PlannedFault& fault) {
      return fault.node == node.index && takes_link_down(fault) == link_down;
    });
  };
  if (has(false)) add("stress_own", stress_own_s(run, work, node.index));
  if (has(true)) add("link_after_flap", after_flap(run, node.index));
  return line;
}

}  // namespace

Result<std::vector<BurninLine>> figures_of_run(const std::filesystem::path& run_directory) {
  GRIT_TRY(const FinishedRun run, read_run(run_directory));
  const OwnWork work = own_work(run.plan, run.steps.records(), run.clock);
  std::vector<BurninLine> lines;
  for (const Node& node : run.plan.topology.nodes) lines.push_back(line_of(run, work, node));
  return lines;
}

bool leaves_carriers_alone(const Plan& plan) {
  return std::none_of(plan.faults.begin(), plan.faults.end(), [&](const PlannedFault& fault) {
    const Injector* injector = find_injector(fault.name);
    const bool runs_commands = injector != nullptr && injector->runs_commands(Params(fault.params));
    return takes_link_down(fault) || fault.name == "link_mtu" || runs_commands;
  });
}

}  // namespace grit
