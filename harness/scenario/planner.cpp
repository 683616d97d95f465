#include "harness/scenario/planner.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "harness/base/clock.hpp"
#include "harness/base/shortened.hpp"
#include "harness/scenario/node_choice.hpp"
#include "harness/scenario/overlap.hpp"
#include "harness/scenario/seeded_choice.hpp"
#include "harness/scenario/timing.hpp"
#include "injectors/injector.hpp"
#include "injectors/node_list.hpp"
#include "injectors/traits.hpp"
#include "workloads/workload.hpp"

namespace grit {
namespace {

constexpr std::int64_t kUnknownBlockNs = 60 * kNsPerS;  // stands for a block whose length is given in steps
constexpr std::int64_t kLeaseMarginNs = 10 * kNsPerS;
// Keep the order of blocks and the moments of faults apart from the choice of nodes.
constexpr std::uint64_t kOrderStream = 0x9e3779b97f4a7c15;
constexpr std::uint64_t kTimesStream = 0xd1b54a32d192ed03;
constexpr std::uint64_t kTrialStream = 0xbf58476d1ce4e5b9;  // times the trial's number
constexpr int kLinkTests = 2;                               // of each kind of block

/// A block in time must hold all of the fault, or its end would be cut off in every block.
Status check_fits(const Plan& plan, const PlannedFault& fault) {
  const auto from_ns = anchor_ns(plan, fault.anchor);
  if (plan.design.block_ns == 0 || !from_ns) return {};
  for (const Pulse& pulse : fault.pulses) {
    const bool open = pulse.end_ns < 0;
    const std::int64_t needed_ns = *from_ns + (open ? pulse.start_ns : pulse.end_ns);
    if (needed_ns < plan.design.block_ns || (!open && needed_ns == plan.design.block_ns)) continue;
    return usage_error(
        fmt::format("it {} {} after the block's start, but design.block is {}: make the block longer, or "
                    "the fault shorter or earlier",
                    open ? "starts" : "ends", format_quantity(needed_ns, Unit::time_ns),
                    format_quantity(plan.design.block_ns, Unit::time_ns)));
  }
  return {};
}

std::int64_t lease_ns(const PlannedFault& fault, const Injector& injector, const Design& design) {
  const std::int64_t block_ns = design.block_ns > 0 ? design.block_ns : kUnknownBlockNs;
  std::int64_t longest_ns = 0;
  for (const Pulse& pulse : fault.pulses) {
    longest_ns = std::max(longest_ns, pulse.end_ns < 0 ? block_ns : pulse.end_ns - pulse.start_ns);
  }
  // A slow fault may take so long to start, to stop and to be read.
  const std::int64_t calls_ns = 3 * injector.call_limit_ns(Params(fault.params));
  return 2 * longest_ns + kLeaseMarginNs + calls_ns;
}

/// Plans the faults of a scenario into a plan that has its topology, design and blocks already.
class FaultPlanner {
 public:
  FaultPlanner(Plan& plan, const DrawnNodes& drawn, std::uint64_t seed, std::uint64_t trial)
      : plan_(plan), drawn_(drawn), nodes_(seed), times_(seed ^ kTimesStream ^ trial) {}

  /// One that is left out draws its nodes all the same, so that the others have the nodes that they have beside it.
  [[nodiscard]] Status add(const ScenarioFault& fault, bool left_out) {
    auto added = try_add(fault, left_out);
    if (added) return {};
    return with_context(std::move(added).error(), fmt::format("{}: fault {}", fault.where, fault.name));
  }

  [[nodiscard]] Status finish() const { return check_overlaps(plan_, where_); }

 private:
  /// The planned faults that one fault of the scenario became on a node: one, or one for each of its devices and each
  /// stage of its ramp.
  struct Made {
    int first = 0;
    int last = 0;
    bool ambiguous = false;
  };

  [[nodiscard]] Status try_add(const ScenarioFault& given_fault, bool left_out) {
    const Injector* injector = find_injector(given_fault.name);
    if (injector == nullptr) return usage_error("there is no such fault");
    GRIT_TRY(const ChosenNodes on, choose_nodes(given_fault.on, plan_, drawn_, nodes_));
    const std::vector<int>& chosen = on.nodes;
    GRIT_TRY(const ScenarioFault fault, with_peers(given_fault, injector->info(), chosen));
    if (left_out) return {};
    const Params params(fault.params);
    GRIT_CHECK(injector->suits(workload_traits(), params));
    GRIT_TRY(const std::vector<int> taking_part, injector->nodes(plan_.topology, chosen, params));
    GRIT_TRY(const auto pulses, pulses_of(fault, *injector, taking_part.size(), taking_part == chosen));
    for (std::size_t i = 0; i < taking_part.size(); ++i) {
      PlannedFault planned{.name = fault.name,
                           .node = taking_part[i],
                           .passive = std::find(chosen.begin(), chosen.end(), taking_part[i]) == chosen.end(),
                           .corrupts_data = injector->info().corrupts_data,
                           .undo = injector->info().undo,
                           .pulses = pulses[i]};
      const Node& node = plan_.topology.nodes[static_cast<std::size_t>(planned.node)];
      if (!planned.passive) (fault.ranks.empty() ? planned.on : planned.ranks) = on.at;
      GRIT_TRY(planned.anchor, anchor_of(fault, planned.node));
      const auto first = static_cast<int>(plan_.faults.size());
      GRIT_TRY(const auto all_params, params_by_device(fault, *injector, node));
      for (const Json& given : all_params) {
        planned.params = given;
        if (!fault.ranks.empty()) planned.params[kRankParam] = rank_list(node, fault.ranks);
        GRIT_TRY(planned.device, injector->resolve_device(node, Params(given)));
        GRIT_TRY(planned.resolved, injector->resolve(plan_.topology, chosen, node, Params(given)));
        planned.mechanism = injector->mechanism(node, Params(given));
        GRIT_CHECK(add_stages(fault, *injector, planned));
      }
      remember(fault, planned.node, first);
    }
    return {};
  }

  /// With the nodes at its other ends settled, once for all of its nodes and windows.
  [[nodiscard]] Result<ScenarioFault> with_peers(ScenarioFault fault, const InjectorInfo& info,
                                                 const std::vector<int>& chosen) {
    if (!fault.peers) return fault;
    const NodeSelector& wanted = *fault.peers;
    const bool anew = wanted.kind == NodeSelector::Kind::any || wanted.kind == NodeSelector::Kind::fraction;
    auto peers = anew ? choose_others(wanted, plan_, chosen, nodes_) : choose_nodes(wanted, plan_, drawn_, nodes_);
    if (!peers) return with_context(std::move(peers).error(), "`" + info.peers + "`");
    std::sort(peers->nodes.begin(), peers->nodes.end());
    fault.params[info.peers] = node_list_text(peers->nodes);
    return fault;
  }

  [[nodiscard]] WorkloadTraits workload_traits() const {
    const WorkloadInfo* info = find_workload(plan_.workload.name);
    return {.name = plan_.workload.name,
            .axes = info == nullptr ? std::vector<Axis>() : info->axes,
            .params = plan_.workload.params};
  }

  /// The node's ranks with these coordinates, as the parameter `rank` says them.
  [[nodiscard]] std::string rank_list(const Node& node, const AxisValues& coordinates) const {
    return node_list_text(places_at(mesh_of(plan_), node, coordinates));  // written alike
  }

  /// `nic = "all"` is one fault on each of the node's rails, but for those that stand on another (the VLAN of a NIC
  /// that has an address as well): what befalls that one befalls them. Any other is one fault.
  [[nodiscard]] static Result<std::vector<Json>> params_by_device(const ScenarioFault& fault, const Injector& injector,
                                                                  const Node& node) {
    if (!injector.info().takes_nic || fault.params.value("nic", "") != "all") return std::vector<Json>{fault.params};
    GRIT_TRY(const auto nics, choose_nics(node, "all"));
    std::vector<Json> all;
    for (std::size_t rail = 0; rail < nics.size(); ++rail) {
      if (std::any_of(nics.begin(), nics.end(),
                      [&](const Nic* other) { return stands_on(node, nics[rail]->name, other->name); }))
        continue;
      all.push_back(fault.params);
      all.back()["nic"] = fmt::format("rail:{}", rail);
    }
    return all;
  }

  /// For each node that takes part.
  [[nodiscard]] Result<std::vector<std::vector<Pulse>>> pulses_of(const ScenarioFault& fault, const Injector& injector,
                                                                  std::size_t nodes, bool independent) {
    const std::vector<Pulse> own = injector.pulses(Params(fault.params));
    const Timing& timing = fault.timing;
    if (!independent && timing.swizzle_ns > 0)
      return usage_error("it acts between nodes, which must begin and end together: leave out `swizzle`");
    std::vector<std::vector<Pulse>> all;
    if (!timing.poisson) {
      GRIT_TRY(const auto pulses, regular_pulses(own, timing, plan_.design));
      if (timing.swizzle_ns > 0) return swizzled(pulses, nodes, timing.swizzle_ns, times_);
      all.assign(nodes, pulses);
      return all;
    }
    for (std::size_t i = 0; i < nodes; ++i) {
      if (i > 0 && !independent) {
        all.push_back(all.front());
        continue;
      }
      GRIT_TRY(auto drawn, poisson_pulses(own, timing, plan_, times_));
      all.push_back(std::move(drawn));
    }
    return all;
  }

  [[nodiscard]] Result<Anchor> anchor_of(const ScenarioFault& fault, int node) const {
    const Timing& timing = fault.timing;
    if (timing.at_step > 0) {
      if (plan_.design.block_steps > 0 && timing.at_step >= plan_.design.block_steps)
        return usage_error(fmt::format("`at_step` is {}, but a block has the steps 0 to {}", timing.at_step,
                                       plan_.design.block_steps - 1));
      return Anchor{.kind = Anchor::Kind::step, .step = timing.at_step};
    }
    if (timing.follows.empty()) return Anchor{};
    const auto found = made_.find({timing.follows, node});
    const std::string& name = plan_.topology.nodes[static_cast<std::size_t>(node)].name;
    if (found == made_.end())
      return usage_error(fmt::format("no fault before this one in the list is called {} and acts on {}{}",
                                     shortened(timing.follows), name, others(node)));
    if (found->second.ambiguous)
      return usage_error(fmt::format("two faults on {} are called {}: give the one that is followed a `label`", name,
                                     shortened(timing.follows)));
    if (timing.follows_applied) return Anchor{.kind = Anchor::Kind::applied, .fault = found->second.first};
    const PlannedFault& followed = plan_.faults[static_cast<std::size_t>(found->second.last)];
    if (followed.pulses.back().end_ns < 0)
      return usage_error(fmt::format("{} lasts to the end of the block, so nothing can follow its end: give it `lasts`",
                                     shortened(timing.follows)));
    return Anchor{.kind = Anchor::Kind::reverted, .fault = found->second.last};
  }

  [[nodiscard]] std::string others(int node) const {
    std::vector<std::string> names;
    for (const auto& [key, made] : made_)
      if (key.second == node) names.push_back(shortened(key.first));
    return names.empty() ? "" : fmt::format("; there are: {}", fmt::join(names, ", "));
  }

  [[nodiscard]] Status add_stages(const ScenarioFault& fault, const Injector& injector, const PlannedFault& whole) {
    std::vector<Stage> stages{{whole.params, whole.pulses}};
    if (fault.timing.ramp_ns > 0) {
      GRIT_TRY(stages, ramp_stages(injector, whole.params, whole.pulses, fault.timing));
    }
    for (Stage& stage : stages) {
      PlannedFault planned = whole;
      planned.id = static_cast<int>(plan_.faults.size());
      planned.params = std::move(stage.params);
      planned.pulses = std::move(stage.pulses);
      planned.lease_ns = lease_ns(planned, injector, plan_.design);
      GRIT_CHECK(check_fits(plan_, planned));
      plan_.faults.push_back(std::move(planned));
      where_.push_back(fault.where);
    }
    return {};
  }

  /// What was planned since for that node is that fault, for those that follow it.
  void remember(const ScenarioFault& fault, int node, int first) {
    const std::string& label = fault.timing.label.empty() ? fault.name : fault.timing.label;
    const auto [at, is_new] = made_.try_emplace({label, node}, Made{first, static_cast<int>(plan_.faults.size()) - 1});
    if (!is_new) at->second.ambiguous = true;
  }

  Plan& plan_;
  const DrawnNodes& drawn_;
  SeededChoice nodes_;
  SeededChoice times_;
  std::vector<std::string> where_{};                    // by PlannedFault::id
  std::map<std::pair<std::string, int>, Made> made_{};  // by label and node
};

std::vector<Block> lay_out_blocks(const Design& design, SeededChoice& choice) {
  std::vector<Block> blocks;
  const auto add = [&](int pair, BlockKind kind) { blocks.push_back({static_cast<int>(blocks.size()), pair, kind}); };
  if (design.warmup_steps > 0) add(-1, BlockKind::warmup);
  // Before the pairs, since the run may stop at any look.
  for (int i = 0; design.link_test && i < kLinkTests; ++i) {
    add(-1, BlockKind::link_baseline);
    add(-1, BlockKind::link_fault);
  }
  const int pairs = looks_of(design).back();
  for (int pair = 0; pair < pairs; ++pair) {
    std::vector<BlockKind> kinds{BlockKind::baseline, BlockKind::fault};
    if (design.sham) kinds.push_back(BlockKind::sham);
    for (const int place : choice.order(static_cast<int>(kinds.size()))) {
      const BlockKind kind = kinds[static_cast<std::size_t>(place)];
      add(pair, kind);
      if (kind == BlockKind::fault && design.recovery_ns > 0) add(pair, BlockKind::recovery);
    }
  }
  return blocks;
}

Result<Mesh> mesh_over(const AxisValues& sizes, const Topology& topology) {
  auto mesh = Mesh::over(sizes, static_cast<int>(rank_count(topology)));
  if (!mesh) return with_context(std::move(mesh).error(), "mesh");
  return mesh;
}

/// Whoever is expected on nodes of a draw, or with coordinates, is on one of these nodes.
Status settle_expected(std::optional<NodeSelector>& expected, const char* name, const Plan& plan,
                       const DrawnNodes& drawn) {
  if (!expected) return {};
  NodeSelector& on = *expected;
  if (on.kind != NodeSelector::Kind::drawn && on.kind != NodeSelector::Kind::coordinates) return {};
  SeededChoice unused(plan.seed);  // neither is drawn here
  auto chosen = choose_nodes(on, plan, drawn, unused);
  if (!chosen) return with_context(std::move(chosen).error(), name);
  on = NodeSelector{.nodes = std::move(chosen->nodes)};
  return {};
}

}  // namespace

Result<Plan> make_plan(const Scenario& scenario, const Topology& topology, const PlanRequest& request) {
  if (topology.nodes.empty()) return usage_error("the cluster has no nodes");
  Plan plan;
  plan.scenario_name = scenario.name;
  plan.summary = scenario.summary;
  plan.seed = request.seed;
  for (const ScenarioOption& option : scenario.options) plan.options[option.name] = option.value;
  plan.topology = topology;
  plan.workload = scenario.workload;
  plan.emulated = emulated_parts(scenario.workload.name, Params(scenario.workload.params));
  plan.checks = scenario.checks;
  plan.design = scenario.design;
  plan.expect = scenario.expect;
  if (!scenario.mesh.empty()) {
    GRIT_TRY(plan.mesh, mesh_over(scenario.mesh, topology));
  }
  GRIT_TRY(WorkloadOnMesh work, check_workload(plan.workload.name, Params(plan.workload.params), mesh_of(plan)));
  plan.by_formula = std::move(work.by_formula);
  plan.remarks = std::move(work.remarks);
  GRIT_TRY(const DrawnNodes drawn, draw_nodes(scenario, plan, request.seed));
  if (auto& culprit = plan.expect.culprit) GRIT_CHECK(settle_expected(culprit->on, "expect.culprit.node", plan, drawn));
  GRIT_CHECK(settle_expected(plan.expect.wrong_values_from, "expect.wrong_values.from", plan, drawn));
  const std::uint64_t trial = kTrialStream * static_cast<std::uint64_t>(request.trial);
  SeededChoice order_choice(request.seed ^ kOrderStream ^ trial);
  plan.blocks = lay_out_blocks(scenario.design, order_choice);
  FaultPlanner planner(plan, drawn, request.seed, trial);
  const auto is_left_out = [&](int place) {
    return request.faults && std::find(request.faults->begin(), request.faults->end(), place) == request.faults->end();
  };
  for (std::size_t i = 0; i < scenario.faults.size(); ++i)
    GRIT_CHECK(planner.add(scenario.faults[i], is_left_out(static_cast<int>(i))));
  GRIT_CHECK(planner.finish());
  plan.allowed = request.allowed;
  plan.guards = guard_rails(plan);
  return plan;
}

}  // namespace grit
