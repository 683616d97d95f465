#include "harness/scenario/node_choice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace grit {
namespace {

constexpr std::uint64_t kDrawStream = 0x94d049bb133111eb;  // times the draw's place, from 1

int node_count(const Plan& plan) { return static_cast<int>(plan.topology.nodes.size()); }

Status check_index(int node, int nodes) {
  if (node < nodes) return {};
  return usage_error(fmt::format("node {} does not exist: this cluster has {}", node,
                                 nodes == 1 ? "node 0 only" : fmt::format("nodes 0 to {}", nodes - 1)));
}

/// Of so many: all of them, one, or a share, by chance.
std::vector<int> sampled(const NodeSelector& on, int nodes, SeededChoice& choice) {
  if (on.kind == NodeSelector::Kind::any) return choice.sample(nodes, 1);
  if (on.kind == NodeSelector::Kind::all) return choice.sample(nodes, nodes);
  // 0.07 × 100 is 7.000000000000001 as doubles; it must not round up to 8.
  const auto wanted = static_cast<int>(std::ceil(on.share * nodes - 1e-9));
  return choice.sample(nodes, std::clamp(wanted, 1, nodes));
}

/// The nodes with at least one rank that has these coordinates.
Result<std::vector<int>> nodes_at(const Plan& plan, const AxisValues& coordinates) {
  const Mesh mesh = mesh_of(plan);
  GRIT_CHECK(mesh.check(coordinates));
  std::vector<int> nodes;
  for (const Node& node : plan.topology.nodes)
    if (!places_at(mesh, node, coordinates).empty()) nodes.push_back(node.index);
  if (nodes.empty()) return usage_error("no node has a rank with " + to_string(coordinates));
  return nodes;
}

}  // namespace

Result<ChosenNodes> choose_nodes(const NodeSelector& on, const Plan& plan, const DrawnNodes& drawn,
                                 SeededChoice& choice) {
  const int nodes = node_count(plan);
  switch (on.kind) {
    case NodeSelector::Kind::any:
    case NodeSelector::Kind::all:
    case NodeSelector::Kind::fraction:
      return ChosenNodes{sampled(on, nodes, choice)};
    case NodeSelector::Kind::drawn:
      return drawn.at(on.draw);
    case NodeSelector::Kind::coordinates: {
      GRIT_TRY(std::vector<int> at, nodes_at(plan, on.at));
      return ChosenNodes{std::move(at), on.at};
    }
    case NodeSelector::Kind::list:
      break;
  }
  for (const int node : on.nodes) GRIT_CHECK(check_index(node, nodes));
  return ChosenNodes{on.nodes};
}

Result<ChosenNodes> choose_others(const NodeSelector& on, const Plan& plan, const std::vector<int>& taken,
                                  SeededChoice& choice) {
  const auto is_taken = [&](int node) { return std::find(taken.begin(), taken.end(), node) != taken.end(); };
  std::vector<int> left;
  for (int node = 0; node < node_count(plan); ++node)
    if (!is_taken(node)) left.push_back(node);
  if (left.empty()) return usage_error("there are no other nodes: all are taken already");
  if (on.kind == NodeSelector::Kind::list || on.kind == NodeSelector::Kind::coordinates) {
    GRIT_TRY(ChosenNodes chosen, choose_nodes(on, plan, {}, choice));
    for (const int node : on.nodes)
      if (is_taken(node)) return usage_error(fmt::format("node {} is none of the others", node));
    std::erase_if(chosen.nodes, is_taken);
    if (chosen.nodes.empty())
      return usage_error(fmt::format("none of the others has a rank with {}", to_string(on.at)));
    return chosen;
  }
  std::vector<int> chosen = sampled(on, static_cast<int>(left.size()), choice);
  for (int& node : chosen) node = left[static_cast<std::size_t>(node)];
  return ChosenNodes{std::move(chosen)};
}

Result<DrawnNodes> draw_nodes(const Scenario& scenario, const Plan& plan, std::uint64_t seed) {
  DrawnNodes drawn;
  for (const NodeDraw& draw : scenario.draws) {
    SeededChoice choice(seed ^ kDrawStream * (drawn.size() + 1));
    auto chosen = draw.others_than ? choose_others(draw.from, plan, drawn.at(*draw.others_than).nodes, choice)
                                   : choose_nodes(draw.from, plan, drawn, choice);
    if (!chosen) return with_context(std::move(chosen).error(), draw.where);
    drawn.push_back(std::move(*chosen));
  }
  return drawn;
}

}  // namespace grit
