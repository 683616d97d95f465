#include "harness/model/plan_warnings.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "harness/model/expected_culprit.hpp"

namespace grit {
namespace {

constexpr int kFewestPairs = 6;  // Design::pairs says why
/// Ranks wait for each other in every step: with 24 a CPU processes were seen to get none for 3.6 s. A local cluster of
/// 8 nodes on 2 cores, with 4, measures what a fault does.
constexpr int kMostRanksACpu = 4;

/// Has every node the same faults? Then no node stands out, whatever they do.
bool all_nodes_alike(const Plan& plan) {
  std::vector<std::set<std::pair<std::string, std::string>>> faults(plan.topology.nodes.size());
  for (const PlannedFault& fault : plan.faults)
    if (!fault.passive) faults.at(static_cast<std::size_t>(fault.node)).emplace(fault.name, json_text(fault.params));
  return !faults.empty() && !faults.front().empty() &&
         std::all_of(faults.begin(), faults.end(), [&](const auto& one) { return one == faults.front(); });
}

/// Why the expected node cannot be named, whatever happens; empty where it can.
std::string why_no_node(const Plan& plan) {
  const auto& expected = plan.expect.culprit;
  if (!expected || !expected->on) return {};
  const auto nodes = plan.topology.nodes.size();
  const char* more = plan.topology.local_cluster ? "run with -n 3 or more" : "run on 3 nodes or more";
  if (nodes == 1) return std::string("there is no other node to compare with: ") + more;
  if (all_nodes_alike(plan) && !are_all_expected(plan, *expected->on))
    return "all nodes have the same fault, and none stands out: leave one without it";
  if (plan.topology.local_cluster && (expected->resource == "memory" || expected->resource == "storage"))
    return "the nodes of a local cluster share one machine's memory and disks: expect the resource alone";
  if (expected->resource != "network") return {};
  if (plan.design.link_test && nodes == 2)
    return std::string("with 2 nodes the link between them can be named, not the node: ") + more;
  if (!plan.design.link_test && plan.checks.empty())
    return "whose network it is only a link test or a check tells: set design.link_test = true";
  return {};
}

/// "node1 eth1: the job is told to use eth0 (OMPI_MCA_btl_tcp_if_include=eth0)"; empty where nobody says which, or it
/// is that one.
std::string why_unused(const Node& node, const std::string& device) {
  std::vector<std::string> used;
  const auto is = [&](const Nic& nic) { return nic.name == device; };
  if (std::none_of(node.nics.begin(), node.nics.end(), is)) return {};
  for (const Nic& nic : node.nics) {
    if (nic.chosen_by.empty()) continue;
    if (are_one(node, nic.name, device)) return {};
    used.push_back(fmt::format("{} ({})", nic.name, nic.chosen_by));
  }
  return used.empty() ? "" : fmt::format("{} {}: the job is told to use {}", node.name, device, fmt::join(used, ", "));
}

/// The nodes of a local cluster share one machine's CPUs. Empty where there are enough, or nobody knows how many.
std::string why_crowded(const Topology& topology) {
  std::size_t together = 0;
  for (const Node& node : topology.nodes) together += node.ranks.size();
  for (const Node& node : topology.nodes) {
    const std::size_t ranks = topology.local_cluster ? together : node.ranks.size();
    if (node.cores <= 0 || ranks <= static_cast<std::size_t>(kMostRanksACpu * node.cores)) continue;
    return fmt::format(
        "{} ranks on {}'s {} CPUs: most of a step is waiting for a CPU, so that what a fault costs here is not what it "
        "costs where each rank has its own, and a node that gets no CPU for 5 s is taken for lost",
        ranks, topology.local_cluster ? "this machine" : node.name, node.cores);
  }
  return {};
}

/// The first few, and how many there are beside them.
std::string first_of(const std::vector<std::string>& all, std::string_view between) {
  constexpr std::size_t kNamed = 3;
  const auto shown = static_cast<std::ptrdiff_t>(std::min(kNamed, all.size()));
  return fmt::format("{}{}", fmt::join(all.begin(), all.begin() + shown, between),
                     all.size() > kNamed ? fmt::format("{}and {} more", between, all.size() - kNamed) : "");
}

/// "node1 (rank 2: dp = 0, tp = 0)": the first of the node's ranks that does not have these coordinates; empty where
/// all have.
std::string other_rank(const Mesh& mesh, const Node& node, const AxisValues& wanted) {
  const auto other =
      std::find_if(node.ranks.begin(), node.ranks.end(), [&](int rank) { return !mesh.is_at(rank, wanted); });
  if (other == node.ranks.end()) return {};
  return fmt::format("{} (rank {}: {})", node.name, *other, to_string(mesh.coordinates(*other)));
}

/// Of faults on nodes that were chosen by coordinates: those that also befall ranks with other coordinates.
std::vector<std::string> beside_coordinates(const Plan& plan) {
  std::map<std::pair<std::string, AxisValues>, std::vector<std::string>> found;
  std::set<std::string> by_rank;  // faults that could act on single ranks
  const Mesh mesh = mesh_of(plan);
  for (const PlannedFault& fault : plan.faults) {
    if (fault.on.empty()) continue;
    std::string other = other_rank(mesh, plan.topology.nodes.at(static_cast<std::size_t>(fault.node)), fault.on);
    if (other.empty()) continue;
    std::vector<std::string>& others = found[{fault.name, fault.on}];
    if (std::find(others.begin(), others.end(), other) == others.end()) others.push_back(std::move(other));
    if (fault.params.contains("rank")) by_rank.insert(fault.name);
  }
  std::vector<std::string> warnings;
  for (const auto& [chosen, others] : found) {
    const auto& [name, on] = chosen;
    warnings.push_back(fmt::format(
        "{} on {} goes by nodes, and these also hold ranks of other coordinates: {}; {}", name, to_string(on),
        first_of(others, ", "),
        by_rank.contains(name) ? fmt::format("rank = {{ {} }} instead of `on` names the ranks alone", to_string(on))
                               : "what it does befalls them, too"));
  }
  return warnings;
}

}  // namespace

std::vector<std::string> plan_warnings(const Plan& plan) {
  std::vector<std::string> warnings;
  if (plan.design.pairs < kFewestPairs && !expects_restart(plan.expect))
    warnings.push_back(fmt::format("a quick look: with so few pairs ({}) there is no verdict, which needs {}",
                                   plan.design.pairs, kFewestPairs));
  if (const std::string why = why_no_node(plan); !why.empty())
    warnings.push_back("the expected culprit cannot be shown: " + why);
  if (std::string crowded = why_crowded(plan.topology); !crowded.empty()) warnings.push_back(std::move(crowded));
  std::vector<std::string> unused;
  for (const PlannedFault& fault : plan.faults) {
    std::string why = why_unused(plan.topology.nodes.at(static_cast<std::size_t>(fault.node)), fault.device);
    if (!why.empty() && std::find(unused.begin(), unused.end(), why) == unused.end()) unused.push_back(std::move(why));
  }
  if (!unused.empty()) warnings.push_back("a fault on a NIC without traffic slows nothing: " + first_of(unused, "; "));
  warnings.insert(warnings.end(), plan.remarks.begin(), plan.remarks.end());
  for (std::string& beside : beside_coordinates(plan)) warnings.push_back(std::move(beside));
  return warnings;
}

}  // namespace grit
