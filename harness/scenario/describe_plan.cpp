// The plan in words.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/base/units.hpp"
#include "harness/model/expected_culprit.hpp"
#include "harness/model/plan_warnings.hpp"
#include "harness/scenario/planner.hpp"
#include "injectors/injector.hpp"
#include "workloads/workload.hpp"

namespace grit {
namespace {

std::string row(std::string_view name, std::string_view text) { return fmt::format("  {:<13} {}\n", name, text); }

/// "down = 1s, nic = data": parameters in the units people write.
std::string describe_params(const std::vector<ParamSpec>* specs, const Json& params) {
  std::vector<std::string> words;
  for (const auto& [name, value] : params.items()) {
    Unit unit = Unit::text;
    if (specs != nullptr) {
      const auto same = [&key = name](const ParamSpec& spec) { return spec.name == key; };
      if (const auto spec = std::find_if(specs->begin(), specs->end(), same); spec != specs->end()) unit = spec->unit;
    }
    words.push_back(fmt::format("{} = {}", name, format_quantity(value, unit)));
  }
  return fmt::format("{}", fmt::join(words, ", "));
}

std::string describe_cluster(const Plan& plan) {
  constexpr std::size_t kNamed = 32;
  std::vector<std::string> names;
  for (const Node& node : plan.topology.nodes)
    if (names.size() < kNamed) names.push_back(node.name);
  const std::size_t count = plan.topology.nodes.size();
  return fmt::format("{} ({}{}), {}{}", plural(count, "node"), fmt::join(names, ", "),
                     count > kNamed ? fmt::format(" and {} more", count - kNamed) : "",
                     plural(rank_count(plan.topology), "rank"),
                     plan.topology.local_cluster ? "; namespaces of this machine" : "");
}

std::string describe_workload(const ScenarioPlugin& workload) {
  const WorkloadInfo* info = find_workload(workload.name);
  return fmt::format("{} ({})", workload.name,
                     describe_params(info == nullptr ? nullptr : &info->params, workload.params));
}

/// Of a list the first ones, and how it goes on: "0, 2, 4, ... 62".
std::string shortly(const std::vector<int>& ranks) {
  constexpr std::size_t kShown = 8;
  if (ranks.size() <= kShown) return fmt::format("{}", fmt::join(ranks, ", "));
  return fmt::format("{}, ... {}", fmt::join(ranks.begin(), ranks.begin() + 3, ", "), ranks.back());
}

/// "4 groups of 2: {0, 1} {2, 3} {4, 5} {6, 7}"
std::string describe_groups(const Mesh& mesh, Axis axis) {
  constexpr std::size_t kShown = 4;
  const std::vector<std::vector<int>> groups = mesh.groups(axis);
  std::string text = fmt::format("{:<4} {} of {}:", to_string(axis), plural(groups.size(), "group"), mesh.size(axis));
  for (std::size_t i = 0; i < std::min(kShown, groups.size()); ++i) text += fmt::format(" {{{}}}", shortly(groups[i]));
  return groups.size() > kShown ? text + " ..." : text;
}

/// "node0  0 (dp = 0, tp = 0), 1 (dp = 0, tp = 1)"
std::string describe_ranks(const Mesh& mesh, const Node& node) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> words;
  for (const int rank : node.ranks) {
    if (words.size() == kShown) {
      words.push_back(fmt::format("and {} more", node.ranks.size() - kShown));
      break;
    }
    words.push_back(fmt::format("{} ({})", rank, to_string(mesh.coordinates(rank))));
  }
  return fmt::format("{}  {}", node.name, fmt::join(words, ", "));
}

/// Its axes, groups and roles, and which ranks each node has; empty where all ranks are on dp, as without a mesh.
std::string describe_mesh(const Plan& plan) {
  constexpr std::size_t kShown = 8;
  const Mesh mesh = mesh_of(plan);
  if (mesh.only_dp()) return {};
  std::string text = row("mesh", to_string(mesh) + "; ranks are counted along tp first, then dp, then pp");
  for (const Axis axis : mesh.axes()) text += row("", describe_groups(mesh, axis));
  for (int role = 0; mesh.roles() > 1 && role < std::min(mesh.roles(), static_cast<int>(kShown)); ++role)
    text += row("", fmt::format("{}: {}", mesh.role_name(role), shortly(mesh.ranks_of(role))));
  if (mesh.roles() > static_cast<int>(kShown)) text += row("", fmt::format("... {} roles in all", mesh.roles()));
  const auto& nodes = plan.topology.nodes;
  for (std::size_t i = 0; i < std::min(kShown, nodes.size()); ++i) text += row("", describe_ranks(mesh, nodes[i]));
  if (nodes.size() > kShown)
    text += row("", fmt::format("and {} more: --json has the ranks of all", plural(nodes.size() - kShown, "node")));
  return text;
}

std::string describe_design(const Plan& plan) {
  const Design& design = plan.design;
  const bool timed = design.block_ns > 0;
  std::string text =
      fmt::format("{} of a baseline and a fault block of {} each, in random order; {} left out at the start of each",
                  plural(design.pairs, "pair"),
                  timed ? format_quantity(design.block_ns, Unit::time_ns) : plural(design.block_steps, "step"),
                  plural(design.settle_steps, "step"));
  if (design.warmup_steps > 0) text += fmt::format("; {} of warm-up before", plural(design.warmup_steps, "step"));
  if (design.restarts > 0)
    text +=
        fmt::format("; after a rank's death or a node's loss the job starts again from its last checkpoint, at most {}",
                    design.restarts == 1 ? "once" : fmt::format("{} times", design.restarts));
  if (design.sham) text += "; in each pair a sham block too, in which all is done but the fault";
  if (design.recovery_ns > 0)
    text += fmt::format("; {} without the fault after each fault block",
                        format_quantity(design.recovery_ns, Unit::time_ns));
  if (const std::vector<int> looks = looks_of(design); looks.size() > 1)
    text += fmt::format("; up to {} when it is not clear yet after {}", plural(design.max_pairs, "pair"),
                        fmt::join(looks.begin(), looks.end() - 1, ", "));
  return text;
}

std::string describe_duration(const Design& design) {
  const std::vector<int> looks = looks_of(design);
  if (design.block_ns > 0) {
    const auto blocks_ns = static_cast<double>((design.sham ? 3 : 2) * design.block_ns + design.recovery_ns);
    const auto takes = [&](int pairs) { return format_duration(pairs * blocks_ns); };
    return fmt::format("about {}{}, without start and warm-up", takes(looks.front()),
                       looks.size() > 1 ? fmt::format(" to {}", takes(looks.back())) : "");
  }
  const std::int64_t steps = looks.back() * (design.sham ? 3 : 2) * design.block_steps + design.warmup_steps;
  return fmt::format("{}{} in all; how long a step takes is not known yet", looks.size() > 1 ? "at most " : "",
                     plural(steps, "step"));
}

std::string describe_pulse(const Pulse& pulse) {
  if (pulse.end_ns < 0) {
    return pulse.start_ns == 0 ? "the whole block"
                               : fmt::format("{} to the block's end", format_quantity(pulse.start_ns, Unit::time_ns));
  }
  return fmt::format("{} to {}", format_quantity(pulse.start_ns, Unit::time_ns),
                     format_quantity(pulse.end_ns, Unit::time_ns));
}

std::string_view describe_undo(UndoClass undo) {
  switch (undo) {
    case UndoClass::process:
      return "process: ends with the injector's process";
    case UndoClass::kernel:
      return "kernel: the kernel takes it off when its descriptor is closed";
    case UndoClass::persistent:
      return "persistent: journalled before it is applied, reverted by the agent or `grit revert`";
  }
  return "";
}

std::string describe_anchor(const Plan& plan, const Anchor& anchor) {
  const auto followed = [&] {
    return fmt::format("fault {} ({})", anchor.fault, plan.faults.at(static_cast<std::size_t>(anchor.fault)).name);
  };
  switch (anchor.kind) {
    case Anchor::Kind::block:
      return "after the start of each fault block";
    case Anchor::Kind::step:
      return fmt::format("after the start of step {} of each fault block", anchor.step);
    case Anchor::Kind::applied:
      return fmt::format("after {} has come into force", followed());
    case Anchor::Kind::reverted:
      return fmt::format("after {} is off again", followed());
  }
  return "";
}

/// At most the first few pulses: a fault may have hundreds.
std::string describe_pulses(const std::vector<Pulse>& pulses) {
  constexpr std::size_t kShown = 4;
  std::vector<std::string> words;
  for (const Pulse& pulse : pulses) {
    if (words.size() == kShown) {
      words.push_back(fmt::format("... {} in all", pulses.size()));
      break;
    }
    words.push_back(describe_pulse(pulse) + (pulse.block < 0 ? "" : fmt::format(" in block {}", pulse.block)));
  }
  return fmt::format("{}", fmt::join(words, ", "));
}

/// Which of several data NICs a fault acts on, and why that one: "rail 1 of 8, RDMA mlx5_1 port 1 (InfiniBand), chosen
/// by NCCL_IB_HCA=mlx5_1". Empty where nothing had to be chosen.
/// `wanted` is the fault's parameter `nic`; of "all" the planner has made one of each rail.
std::string describe_choice(const Node& node, const std::string& device, const std::string& wanted) {
  const std::vector<const Nic*> all = rails(node);
  std::vector<std::string> words;
  for (std::size_t rail = 0; rail < all.size(); ++rail) {
    const Nic& nic = *all[rail];
    if (nic.name != device) continue;
    if (all.size() > 1) words.push_back(fmt::format("rail {} of {}", rail, all.size()));
    if (nic.rdma)
      words.push_back(fmt::format("RDMA {} port {} ({})", nic.rdma->device, nic.rdma->port, nic.rdma->link_layer));
    if (wanted != "data")
      words.emplace_back("chosen by the scenario");
    else if (!nic.chosen_by.empty())
      words.push_back("chosen by " + nic.chosen_by);
    else if (all.size() > 1)
      words.emplace_back(
          "OMPI_MCA_btl_tcp_if_include, UCX_NET_DEVICES, NCCL_IB_HCA and NCCL_SOCKET_IFNAME name none of them");
  }
  return fmt::format("{}", fmt::join(words, ", "));
}

/// "1, 3 (tp = 1)": of the whole job.
std::string describe_fault_ranks(const Plan& plan, const PlannedFault& fault) {
  const Node& node = plan.topology.nodes.at(static_cast<std::size_t>(fault.node));
  std::vector<int> ranks;
  for (const int place : places_at(mesh_of(plan), node, fault.ranks))
    ranks.push_back(node.ranks[static_cast<std::size_t>(place)]);
  return fmt::format("{} ({})", shortly(ranks), to_string(fault.ranks));
}

std::string describe_fault(const Plan& plan, const PlannedFault& fault) {
  const Injector* injector = find_injector(fault.name);
  const auto index = static_cast<std::size_t>(fault.node);
  std::string text =
      row(fmt::format("fault {}", fault.id), fmt::format("{} on {}{}{}", fault.name, plan.topology.nodes.at(index).name,
                                                         fault.device.empty() ? "" : " ", fault.device));
  if (!fault.on.empty()) text += row("", "chosen by  " + to_string(fault.on));
  if (!fault.ranks.empty()) text += row("", "ranks      " + describe_fault_ranks(plan, fault));
  text += row(
      "", fmt::format("with       {}", describe_params(injector ? &injector->info().params : nullptr, fault.params)));
  if (const auto choice =
          describe_choice(plan.topology.nodes.at(index), fault.device, fault.params.value("nic", "data"));
      !choice.empty())
    text += row("", "NIC        " + choice);
  text += row("", fmt::format("mechanism  {}", fault.mechanism));
  text +=
      row("", fmt::format("in force   {} ({})", describe_pulses(fault.pulses), describe_anchor(plan, fault.anchor)));
  text += row("", fmt::format("undo       {}", describe_undo(fault.undo)));
  text += row(
      "", fmt::format("lease      {}: off by then whatever happens", format_quantity(fault.lease_ns, Unit::time_ns)));
  return text;
}

std::string describe_guard(const Guard& guard) {
  if (guard.refused && guard.override_flag.empty()) return "REFUSED: " + guard.what;
  if (guard.refused) return fmt::format("REFUSED: {}. {} lets it pass", guard.what, guard.override_flag);
  return fmt::format("let pass by {}: {}", guard.override_flag, guard.what);
}

std::string describe_expectation(const Plan& plan) {
  const Expectation& expect = plan.expect;
  std::vector<std::string> words;
  const auto bound = [&](const std::optional<double>& value, std::string_view what) {
    if (value) words.push_back(fmt::format("{} {}", what, format_quantity(*value, Unit::fraction)));
  };
  bound(expect.slowdown_at_least, "slowdown of at least");
  bound(expect.slowdown_at_most, "slowdown of at most");
  bound(expect.p99_at_least, "p99 slowdown of at least");
  bound(expect.p99_at_most, "p99 slowdown of at most");
  bound(expect.throughput_at_least, "of the baseline's throughput at least");
  bound(expect.throughput_at_most, "of the baseline's throughput at most");
  for (const auto& [name, fails] : expect.checks)
    words.push_back(fmt::format("check {} {} under the fault", name, fails ? "fails" : "passes"));
  if (!expect.outcome.empty()) words.push_back("the run ends by " + expect.outcome);
  if (expect.culprit) words.push_back(expected_text(plan, *expect.culprit));
  if (expect.wrong_values_from) words.push_back(expected_senders_text(plan, *expect.wrong_values_from));
  if (expect.recovers_within_ns)
    words.push_back("steps are back within " + format_quantity(*expect.recovers_within_ns, Unit::time_ns));
  if (expect.detected_within_ns)
    words.push_back("a death is told within " + format_quantity(*expect.detected_within_ns, Unit::time_ns));
  if (expect.back_within_ns)
    words.push_back("the job is back within " + format_quantity(*expect.back_within_ns, Unit::time_ns));
  bound(expect.goodput_at_least, "goodput of at least");
  return fmt::format("{}", fmt::join(words, " and "));
}

}  // namespace

std::string describe_plan(const Plan& plan, const std::string& series) {
  std::string text = fmt::format("{}{}{}\n", plan.scenario_name, plan.summary.empty() ? "" : ": ", plan.summary);
  if (!series.empty()) text += row("series", series);
  if (!plan.options.empty()) text += row("options", describe_params(nullptr, plan.options));
  text += row("cluster", describe_cluster(plan));
  text += row("emulated", plan.emulated.empty() ? "nothing" : fmt::format("{}", fmt::join(plan.emulated, "; ")));
  text += row("workload", describe_workload(plan.workload)) + describe_mesh(plan);
  text += row("design", describe_design(plan));
  text += row("takes", describe_duration(plan.design));
  if (plan.faults.empty()) text += row("fault", "none: both blocks of a pair are alike");
  constexpr std::size_t kMostFaults = 24;
  for (std::size_t i = 0; i < std::min(kMostFaults, plan.faults.size()); ++i)
    text += describe_fault(plan, plan.faults[i]);
  if (plan.faults.size() > kMostFaults)
    text += row("", fmt::format("and {} more faults: --json has all", plan.faults.size() - kMostFaults));
  for (const ScenarioPlugin& check : plan.checks) text += row("check", check_label(check));
  for (const Guard& guard : plan.guards)
    if (!guard.refused) text += row("guard rail", describe_guard(guard));
  text += row("expectation", describe_expectation(plan));
  for (const std::string& warning : plan_warnings(plan)) text += row("warning", warning);
  text += row("seed", std::to_string(plan.seed));
  std::string refused;
  for (const Guard& guard : plan.guards)
    if (guard.refused) refused += describe_guard(guard) + "\n";
  return refused.empty() ? text : "REFUSED by the guard rails and not run; why is said at the end\n" + text + refused;
}

}  // namespace grit
