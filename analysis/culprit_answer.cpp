#include "analysis/culprit_answer.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "analysis/culprit.hpp"
#include "analysis/evidence.hpp"
#include "harness/model/expected_culprit.hpp"

namespace grit {
namespace {

bool is_place(const Suspect& suspect) { return suspect.node >= 0 || !suspect.node_name.empty(); }

std::string name_of(const Plan& plan, const Suspect& suspect) {
  if (!is_place(suspect)) return suspect.resource == "network" ? "network, node cannot be told" : "all nodes alike";
  const bool one_of_many =
      suspect.rank >= 0 && plan.topology.nodes[static_cast<std::size_t>(suspect.node)].ranks.size() > 1;
  return fmt::format("{}{}, {}", one_of_many ? fmt::format("rank {} on ", suspect.rank) : "", suspect.node_name,
                     suspect.resource);
}

std::string of_loss(const Suspect& suspect) {
  return fmt::format("explains {:.0f} % of the loss", 100 * suspect.share_explained);
}

std::string scattered_text(const Plan& plan, const CulpritFindings& findings) {
  std::vector<std::string> parts;
  for (const Suspect& suspect : findings.suspects)
    parts.push_back(fmt::format("{} {}", name_of(plan, suspect), of_loss(suspect)));
  if (!parts.empty()) return fmt::format("{}", fmt::join(parts, "; "));
  if (findings.outstanding.size() < 2) return "no rank's own work and no communication explains the loss";
  std::vector<std::string> names;
  for (const int node : findings.outstanding)
    names.push_back(name_of_node(plan, plan.topology.nodes[static_cast<std::size_t>(node)].index));
  return fmt::format("{} all do more work of their own, and putting one of them right would not help",
                     fmt::join(names, ", "));
}

}  // namespace

Culprit answer_of(const Plan& plan, CulpritFindings findings) {
  Culprit culprit;
  const bool enough = !findings.suspects.empty() && findings.suspects.front().share_explained >= kNamedShare;
  if (enough) {
    const Suspect& first = findings.suspects.front();
    const bool network = first.resource == "network" && first.phase == "exposed_comm";
    culprit.named = is_place(first) || (network && !findings.all_links_alike);
    culprit.text = culprit.named ? fmt::format("{}, {}", name_of(plan, first), of_loss(first))
                                 : fmt::format("no single culprit: all {} alike: a shared resource, {}, {}",
                                               network ? "links" : "nodes", first.resource, of_loss(first));
  } else {
    culprit.text = "no single culprit: " + scattered_text(plan, findings);
  }
  culprit.suspects = std::move(findings.suspects);
  return culprit;
}

std::optional<bool> names_expected(const Plan& plan, const std::optional<Culprit>& culprit, bool slowdown_shown) {
  if (!slowdown_shown || !culprit || culprit->suspects.empty()) return std::nullopt;
  const Suspect& first = culprit->suspects.front();
  if (first.share_explained < kNamedShare) return std::nullopt;
  const ExpectedCulprit& expected = *plan.expect.culprit;
  if (first.resource != "unknown" && !expected.resource.empty() && first.resource != expected.resource) return false;
  if (expected.on && culprit->named && first.node >= 0 && !is_expected_node(plan, *expected.on, first.node))
    return false;
  const auto& nodes = plan.topology.nodes;
  const bool all_expected = expected.on && std::all_of(nodes.begin(), nodes.end(), [&](const Node& node) {
                              return is_expected_node(plan, *expected.on, node.index);
                            });
  if (expected.on && !culprit->named && !all_expected) return false;  // all are alike
  const bool nowhere = expected.on && culprit->named && first.node < 0;
  if (nowhere || (first.resource == "unknown" && !expected.resource.empty())) return std::nullopt;
  return true;
}

}  // namespace grit
