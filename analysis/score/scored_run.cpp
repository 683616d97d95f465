#include "analysis/score/scored_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "analysis/records/node_clocks.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/model/damages.hpp"

namespace grit {
namespace {

/// A whole reading after the damage's end sees what happened just before it: two periods and the time of a reading, at
/// least this.
constexpr std::int64_t kLeastGrace_ns = 2'000'000'000;

CheckStatus status_of(const Json& event) {
  const std::string severity = text_at(event, "severity");
  if (severity == "warning") return CheckStatus::warning;
  if (severity == "critical") return CheckStatus::critical;
  return severity == "ok" ? CheckStatus::ok : CheckStatus::unknown;
}

std::string kind_of(const ScenarioPlugin& planned) {
  return planned.name == "command" || planned.name == "openmetrics" ? planned.name : "built-in";
}

/// When a block was begun and left on the node with the fault, and what was done there meanwhile.
struct BlockOnNode {
  std::optional<std::int64_t> begin_ns{}, end_ns{};
  std::optional<std::int64_t> applied_ns{}, reverted_ns{};
  std::int64_t planned_ns = 0;  // from the block's beginning to when it was to be applied
};

/// Of a window that has not proven the damage. What nobody could read is not said not to have happened.
std::string why_unproven(const WindowEvidence& window) {
  if (window.took_effect()) return "";
  if (window.applied && !window.unread) return "never acted";
  std::string why = window.applied   ? "not known whether it acted"
                    : window.unread  ? "not known whether it was in force"
                    : window.touched ? "not applied as planned"
                                     : "not applied";
  return window.error.empty() ? why : why + ": " + window.error;
}

class Reader {
 public:
  Reader(ScoreInput& input, const ScoredRun& run, const PlannedFault& fault)
      : input_(input), run_(run), fault_(fault), clocks_(run.plan, run.clock), blocks_(run.plan.blocks.size()) {
    for (const ScoredNode& node : input.nodes) later_ns_ = std::max(later_ns_, node.until_ns);
    first_node_ = static_cast<int>(input.nodes.size());
  }

  void read() {
    add_nodes();
    add_checks();
    run_.events.for_each_of({"block", "fault", "check_change", "check_summary"},
                            [this](const Json& event) { take(event); });
    set_costs();
  }

  void add_slots(int cell, const RunEvidence& evidence) {
    const std::size_t place = static_cast<std::size_t>(&fault_ - run_.plan.faults.data());
    std::map<int, const BlockOnNode*> injected;  // by pair
    for (const Block& block : run_.plan.blocks) {
      const BlockOnNode& one = blocks_[static_cast<std::size_t>(block.index)];
      if (block.kind == BlockKind::fault && one.begin_ns && one.end_ns) injected[block.pair] = &one;
    }
    for (const Block& block : run_.plan.blocks) {
      const BlockOnNode& one = blocks_[static_cast<std::size_t>(block.index)];
      const auto twin = injected.find(block.pair);
      if (!one.begin_ns || !one.end_ns || twin == injected.end()) continue;
      if (block.kind == BlockKind::sham) add_slot(cell, block, one, *twin->second, "");
      if (block.kind == BlockKind::fault)
        add_slot(cell, block, one, one,
                 why_unproven(evidence.faults[place].blocks[static_cast<std::size_t>(block.index)]));
    }
  }

 private:
  /// On the clock of the scorecard; empty: the node's clock was not measured.
  std::optional<std::int64_t> time_of(std::int64_t node, std::int64_t t_ns) {
    const auto aligned = clocks_.align(node, t_ns);
    if (!aligned) return std::nullopt;
    if (!begin_ns_) begin_ns_ = aligned->t_ns;
    return later_ns_ + aligned->t_ns - *begin_ns_;
  }

  void add_nodes() {
    input_.cluster_nodes = std::max(input_.cluster_nodes, run_.plan.topology.nodes.size());
    for (const Node& node : run_.plan.topology.nodes)
      input_.nodes.push_back({.name = node.name, .from_ns = later_ns_, .until_ns = later_ns_});
  }

  void add_checks() {
    for (const ScenarioPlugin& planned : run_.plan.checks) {
      const std::string name = check_label(planned);
      const auto known = std::find_if(input_.checks.begin(), input_.checks.end(),
                                      [&](const ScoredCheck& check) { return check.name == name; });
      places_[name] = static_cast<int>(known - input_.checks.begin());
      if (known != input_.checks.end()) continue;
      const std::int64_t period_ns = integer_at(planned.params, "every", 1'000'000'000);
      const std::int64_t limit_ns = integer_at(planned.params, "limit", 2'000'000'000);
      input_.checks.push_back({.name = name,
                               .kind = kind_of(planned),
                               .period_ns = period_ns,
                               .grace_ns = std::max(2 * period_ns + limit_ns, kLeastGrace_ns),
                               .limit_ns = limit_ns});
    }
  }

  void take(const Json& event) {
    const std::int64_t node = integer_at(event, "node");
    if (node < 0 || static_cast<std::size_t>(node) >= run_.plan.topology.nodes.size()) return;
    const auto t_ns = time_of(node, integer_at(event, "t_ns", 0));
    if (!t_ns) return;
    ScoredNode& of_run = input_.nodes[static_cast<std::size_t>(first_node_ + node)];
    of_run.until_ns = std::max(of_run.until_ns, *t_ns);
    const std::string type = text_at(event, "type");
    if (type == "block" && node == fault_.node) take_block(event, *t_ns);
    if (type == "fault" && integer_at(event, "fault") == fault_.id) take_fault(event, *t_ns);
    if (type == "check_change") take_change(event, node, *t_ns);
    if (type == "check_summary") take_cost(event);
  }

  BlockOnNode* block_of(const Json& event) {
    const std::int64_t block = integer_at(event, "block");
    return block < 0 || static_cast<std::size_t>(block) >= blocks_.size() ? nullptr
                                                                          : &blocks_[static_cast<std::size_t>(block)];
  }

  void take_block(const Json& event, std::int64_t t_ns) {
    BlockOnNode* block = block_of(event);
    if (block == nullptr) return;
    (has_text(event, "edge", "end") ? block->end_ns : block->begin_ns) = t_ns;
  }

  /// The first pulse's beginning and the last one's end are the injection's.
  void take_fault(const Json& event, std::int64_t t_ns) {
    BlockOnNode* block = block_of(event);
    if (block == nullptr) return;
    const std::string action = text_at(event, "action");
    if (action == "applied" && !block->applied_ns) {
      block->applied_ns = t_ns;
      block->planned_ns = integer_at(event, "planned_ns", 0);
    }
    if (action == "reverted") block->reverted_ns = t_ns;
  }

  /// What is the machine's is said by the first of its nodes; here by the one with the fault: it is asked whether it
  /// noticed, not where.
  void take_change(const Json& event, std::int64_t node, std::int64_t t_ns) {
    const auto check = places_.find(text_at(event, "check"));
    if (check == places_.end()) return;
    const bool of_machine = truth_at(event, "of_machine");
    ScoredCheck& scored = input_.checks[static_cast<std::size_t>(check->second)];
    if (of_machine) scored.of_machine = true;
    if (status_of(event) == CheckStatus::unknown && scored.unknown.empty()) scored.unknown = text_at(event, "detail");
    input_.changes.push_back({.check = check->second,
                              .node = first_node_ + (of_machine ? fault_.node : static_cast<int>(node)),
                              .subject = text_at(event, "subject"),
                              .t_ns = t_ns,
                              .status = status_of(event)});
  }

  void take_cost(const Json& event) {
    const auto check = places_.find(text_at(event, "check"));
    if (check == places_.end()) return;
    auto& [cpu_ns, readings] = costs_[check->second];
    cpu_ns += integer_at(event, "cpu_ns", 0);
    readings += integer_at(event, "readings", 0) + integer_at(event, "not_made", 0);
  }

  /// A mean over runs is close enough to one over readings: the last run's counts.
  void set_costs() {
    for (const auto& [check, cost] : costs_)
      if (cost.second > 0)
        input_.checks[static_cast<std::size_t>(check)].cpu_s_per_reading =
            static_cast<double>(cost.first) / static_cast<double>(cost.second) / 1e9;
  }

  /// `twin`: the block in which the fault was in force, which is this one or, of a sham, its pair's.
  void add_slot(int cell, const Block& block, const BlockOnNode& one, const BlockOnNode& twin, std::string unproven) {
    const bool sham = block.kind == BlockKind::sham;
    const std::int64_t begin_ns = *one.begin_ns, shift_ns = begin_ns - *twin.begin_ns;
    const std::int64_t onset_ns = twin.applied_ns.value_or(*twin.begin_ns) + shift_ns;
    const std::int64_t end_ns = std::min(twin.reverted_ns.value_or(*twin.end_ns) + shift_ns, *one.end_ns);
    input_.slots.push_back({.cell = cell,
                            .sham = sham,
                            .round = block.pair,
                            .node = first_node_ + fault_.node,
                            .begin_ns = begin_ns,
                            .touched_ns = std::min(onset_ns, begin_ns + twin.planned_ns),
                            .onset_ns = onset_ns,
                            .end_ns = std::max(end_ns, onset_ns),
                            .until_ns = *one.end_ns,
                            .unproven = std::move(unproven),
                            .subjects = right_subjects()});
  }

  std::vector<std::string> right_subjects() const {
    if (!fault_.device.empty()) return {fault_.device};
    std::vector<std::string> subjects{""};
    for (const int rank : run_.plan.topology.nodes[static_cast<std::size_t>(fault_.node)].ranks)
      subjects.push_back(fmt::format("rank {}", rank));
    return subjects;
  }

  ScoreInput& input_;
  const ScoredRun& run_;
  const PlannedFault& fault_;
  NodeClocks clocks_;
  std::vector<BlockOnNode> blocks_;  // one for each of Plan::blocks
  std::map<std::string, int> places_{};
  std::map<int, std::pair<std::int64_t, std::int64_t>> costs_{};  // of a check: CPU time, readings
  std::optional<std::int64_t> begin_ns_{};                        // the run's first event
  std::int64_t later_ns_ = 0;                                     // when the runs before ended
  int first_node_ = 0;
};

int place_of(ScoreInput& input, DamageCell cell) {
  const auto same = [&](const DamageCell& one) {
    return std::tie(one.fault, one.magnitude, one.mechanism) == std::tie(cell.fault, cell.magnitude, cell.mechanism);
  };
  const auto known = std::find_if(input.cells.begin(), input.cells.end(), same);
  const int place = static_cast<int>(known - input.cells.begin());
  if (known == input.cells.end()) {
    input.cells.push_back(std::move(cell));
    return place;
  }
  known->step_times.insert(known->step_times.end(), cell.step_times.begin(), cell.step_times.end());
  for (const std::string& damage : cell.damages)
    if (std::find(known->damages.begin(), known->damages.end(), damage) == known->damages.end())
      known->damages.push_back(damage);
  return place;
}

}  // namespace

Result<const PlannedFault*> scored_fault(const Plan& plan) {
  if (plan.checks.empty())
    return usage_error(
        fmt::format("{}: no health checks, so there is nothing to score: checks = {{ ... }}", plan.scenario_name));
  if (std::none_of(plan.blocks.begin(), plan.blocks.end(),
                   [](const Block& block) { return block.kind == BlockKind::sham; }))
    return usage_error(
        fmt::format("{}: no sham blocks, and without them nobody could tell what a check noticed from what it says by "
                    "chance: design = {{ sham = true }}",
                    plan.scenario_name));
  const PlannedFault* found = nullptr;
  for (const PlannedFault& fault : plan.faults) {
    if (fault.passive) continue;
    if (found != nullptr)
      return usage_error(fmt::format(
          "{}: {} on node {} and {} on node {} are in force at once, and nobody could tell which of them a check "
          "noticed: a scorecard takes runs with one fault on one node",
          plan.scenario_name, found->name, found->node, fault.name, fault.node));
    found = &fault;
  }
  if (found == nullptr)
    return usage_error(fmt::format("{}: no fault, so there is nothing to notice", plan.scenario_name));
  return found;
}

Status add_run(ScoreInput& input, const ScoredRun& run, DamageCell cell) {
  GRIT_TRY(const PlannedFault* fault, scored_fault(run.plan));
  const RunEvidence evidence = collect_evidence(run.plan, run.events, run.clock);
  const std::string& used = evidence.faults[static_cast<std::size_t>(fault - run.plan.faults.data())].mechanism;
  cell.mechanism = used.empty() ? fault->mechanism : used;
  cell.step_times = run.step_times;
  if (const std::string damage = text_at(run.plan.options, kDamageOption); !damage.empty())
    cell.damages.push_back(damage);
  Reader reader(input, run, *fault);
  reader.read();
  reader.add_slots(place_of(input, std::move(cell)), evidence);
  return {};
}

}  // namespace grit
