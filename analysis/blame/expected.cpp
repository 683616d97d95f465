#include "analysis/blame/expected.hpp"

#include <algorithm>
#include <span>
#include <vector>

#include "analysis/blame/culprit.hpp"
#include "analysis/blame/culprit_answer.hpp"
#include "harness/model/expected_culprit.hpp"

namespace grit {
namespace {

/// Is it where it is expected? Empty: a link, or a network whose node nobody knows.
std::optional<bool> fits_place(const Plan& plan, const NodeSelector& on, const Suspect& suspect, bool named) {
  const bool all = are_all_expected(plan, on);
  if (!named) return all;  // all are alike
  if (suspect.node < 0 && is_network(suspect)) return std::nullopt;
  if (suspect.node < 0 && suspect.nodes.empty()) return all ? std::optional<bool>(true) : std::nullopt;
  const std::vector<int> nodes = suspect.nodes.empty() ? std::vector<int>{suspect.node} : suspect.nodes;
  if (all && nodes.size() == 1) return false;
  return std::all_of(nodes.begin(), nodes.end(), [&](int node) { return is_expected_node(plan, on, node); });
}

std::optional<bool> fits(const Plan& plan, const Suspect& suspect, bool named) {
  const ExpectedCulprit& expected = *plan.expect.culprit;
  if (is_untold(suspect)) return std::nullopt;
  const bool known = suspect.resource != "unknown" || expected.resource.empty();
  if (known && !expected.resource.empty() && suspect.resource != expected.resource) return false;
  const auto place = expected.on ? fits_place(plan, *expected.on, suspect, named) : std::optional<bool>(true);
  return known || place == false ? place : std::nullopt;
}

}  // namespace

std::optional<bool> names_expected(const Plan& plan, const std::optional<Culprit>& culprit, bool slowdown_shown) {
  if (!slowdown_shown || !culprit || culprit->suspects.empty()) return std::nullopt;
  if (culprit->named == 0 && culprit->suspects.front().share_explained < kNamedShare) return std::nullopt;
  std::optional<bool> met = true;
  const std::size_t judged = std::max<std::size_t>(static_cast<std::size_t>(culprit->named), 1);
  for (const Suspect& suspect : std::span(culprit->suspects).first(std::min(judged, culprit->suspects.size()))) {
    const auto one = fits(plan, suspect, culprit->named > 0);
    if (one == false) return false;
    if (!one) met = std::nullopt;
  }
  return met;
}

}  // namespace grit
