#include "harness/scenario/planner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/base/clock.hpp"
#include "harness/scenario/seeded_choice.hpp"
#include "injectors/injector.hpp"
#include "workloads/workload.hpp"

namespace grit {
namespace {

constexpr std::int64_t kUnknownBlockNs = 60 * kNsPerS;  // stands for a block whose length is given in steps
constexpr std::int64_t kLeaseMarginNs = 10 * kNsPerS;
constexpr std::uint64_t kOrderStream = 0x9e3779b97f4a7c15;  // keeps the order of blocks apart from the choice of nodes

Status check_index(int node, int nodes, const std::string& where) {
  if (node < nodes) return {};
  return usage_error(fmt::format("{}: node {} does not exist: this cluster has {}", where, node,
                                 nodes == 1 ? "node 0 only" : fmt::format("nodes 0 to {}", nodes - 1)));
}

Result<std::vector<int>> choose_nodes(const ScenarioFault& fault, int nodes, SeededChoice& choice) {
  switch (fault.on.kind) {
    case NodeSelector::Kind::any:
      return choice.sample(nodes, 1);
    case NodeSelector::Kind::all:
      return choice.sample(nodes, nodes);
    case NodeSelector::Kind::fraction: {
      // 0.07 × 100 is 7.000000000000001 as doubles; it must not round up to 8.
      const auto wanted = static_cast<int>(std::ceil(fault.on.share * nodes - 1e-9));
      return choice.sample(nodes, std::clamp(wanted, 1, nodes));
    }
    case NodeSelector::Kind::list:
      break;
  }
  for (const int node : fault.on.nodes) GRIT_CHECK(check_index(node, nodes, fault.where));
  return fault.on.nodes;
}

/// A block in time must hold all of the fault, or its end would be cut off in every block.
Status check_pulses(const ScenarioFault& fault, const std::vector<Pulse>& pulses, const Design& design) {
  if (pulses.empty()) return internal_error(fmt::format("fault {} has no pulses", fault.name));
  if (design.block_ns == 0) return {};
  for (const Pulse& pulse : pulses) {
    const bool open = pulse.end_ns < 0;
    const std::int64_t needed_ns = open ? pulse.start_ns : pulse.end_ns;
    if (needed_ns < design.block_ns || (!open && needed_ns == design.block_ns)) continue;
    return usage_error(
        fmt::format("{}: fault {} {} {} after the block's start, but design.block is {}: make the block "
                    "longer, or the fault shorter or earlier",
                    fault.where, fault.name, open ? "starts" : "ends", format_quantity(needed_ns, Unit::time_ns),
                    format_quantity(design.block_ns, Unit::time_ns)));
  }
  return {};
}

std::int64_t lease_ns(const std::vector<Pulse>& pulses, const Design& design) {
  const std::int64_t block_ns = design.block_ns > 0 ? design.block_ns : kUnknownBlockNs;
  std::int64_t longest_ns = 0;
  for (const Pulse& pulse : pulses) {
    longest_ns = std::max(longest_ns, pulse.end_ns < 0 ? block_ns : pulse.end_ns - pulse.start_ns);
  }
  return 2 * longest_ns + kLeaseMarginNs;
}

/// Two faults of one kind on one device would undo each other.
Status check_free(const Plan& plan, const PlannedFault& fault, const std::string& where) {
  for (const PlannedFault& other : plan.faults) {
    if (other.name != fault.name || other.node != fault.node || other.device != fault.device) continue;
    return usage_error(fmt::format("{}: {} already acts on node {}{}{}; use one fault there", where, fault.name,
                                   fault.node, fault.device.empty() ? "" : " ", fault.device));
  }
  return {};
}

/// The interface guard rail (DESIGN §7): the NIC that carries the management traffic.
void add_nic_guard(Plan& plan, const PlannedFault& fault, const Node& node, const PlanRequest& request) {
  const auto is_device = [&](const Nic& nic) { return nic.name == fault.device; };
  const auto nic = std::find_if(node.nics.begin(), node.nics.end(), is_device);
  if (nic == node.nics.end() || nic->role != NicRole::management) return;
  Guard guard;
  guard.what = fmt::format("{} on {} {}: a management NIC{}", fault.name, node.name, nic->name,
                           nic->role_evidence.empty() ? "" : fmt::format(" ({})", nic->role_evidence));
  guard.refused = !request.allow_management;
  guard.override_flag = "--allow-management";
  plan.guards.push_back(std::move(guard));
}

Status plan_fault(const ScenarioFault& fault, const PlanRequest& request, SeededChoice& choice, Plan& plan) {
  const Injector* injector = find_injector(fault.name);
  if (injector == nullptr) return usage_error(fmt::format("{}: there is no fault {}", fault.where, fault.name));
  const Params params(fault.params);
  const std::vector<Pulse> pulses = injector->pulses(params);
  GRIT_CHECK(check_pulses(fault, pulses, plan.design));
  const auto nodes = static_cast<int>(plan.topology.nodes.size());
  GRIT_TRY(const std::vector<int> chosen, choose_nodes(fault, nodes, choice));
  for (const int index : chosen) {
    const Node& node = plan.topology.nodes[static_cast<std::size_t>(index)];
    auto device = injector->resolve_device(node, params);
    if (!device) return with_context(std::move(device).error(), fault.where);
    PlannedFault planned{.id = static_cast<int>(plan.faults.size()),
                         .name = fault.name,
                         .node = index,
                         .device = std::move(*device),
                         .mechanism = injector->mechanism(node, params),
                         .undo = injector->info().undo,
                         .params = fault.params,
                         .pulses = pulses,
                         .lease_ns = lease_ns(pulses, plan.design)};
    GRIT_CHECK(check_free(plan, planned, fault.where));
    if (injector->info().takes_nic) add_nic_guard(plan, planned, node, request);
    plan.faults.push_back(std::move(planned));
  }
  return {};
}

std::vector<Block> lay_out_blocks(const Design& design, SeededChoice& choice) {
  std::vector<Block> blocks;
  const auto add = [&](int pair, BlockKind kind) { blocks.push_back({static_cast<int>(blocks.size()), pair, kind}); };
  if (design.warmup_steps > 0) add(-1, BlockKind::warmup);
  for (int pair = 0; pair < static_cast<int>(design.pairs); ++pair) {
    const bool fault_first = choice.below(2) == 1;
    add(pair, fault_first ? BlockKind::fault : BlockKind::baseline);
    add(pair, fault_first ? BlockKind::baseline : BlockKind::fault);
  }
  return blocks;
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
  SeededChoice node_choice(request.seed);
  for (const ScenarioFault& fault : scenario.faults) GRIT_CHECK(plan_fault(fault, request, node_choice, plan));
  SeededChoice order_choice(request.seed ^ kOrderStream);
  plan.blocks = lay_out_blocks(scenario.design, order_choice);
  return plan;
}

}  // namespace grit
