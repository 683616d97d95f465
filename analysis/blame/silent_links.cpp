#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "analysis/blame/blame_facts.hpp"
#include "analysis/blame/link_candidates.hpp"

namespace grit {
namespace {

constexpr double kNearlyAll = 0.75;  // of a node's links

/// The node at which all of these links end, and which hardly has others; -1: none.
int common_node(const LinkFigures& figures, const std::vector<SilentLink>& silent) {
  const auto ends_at = [](const auto& link, int node) { return link.a == node || link.b == node; };
  for (const int node : {silent.front().a, silent.front().b}) {
    const bool all =
        std::all_of(silent.begin(), silent.end(), [&](const SilentLink& link) { return ends_at(link, node); });
    const auto compared = std::count_if(figures.changes.begin(), figures.changes.end(), [&](const LinkChange& link) {
      return ends_at(link, node) && std::none_of(silent.begin(), silent.end(), [&](const SilentLink& one) {
               return one.a == link.a && one.b == link.b;
             });
    });
    const auto count = static_cast<double>(silent.size());
    if (all && count >= kNearlyAll * (count + static_cast<double>(compared))) return node;
  }
  return -1;
}

}  // namespace

std::optional<LinkFinding> find_silent(const LinkFigures& figures) {
  const auto links = static_cast<double>(figures.changes.size() + figures.silent.size());
  std::vector<SilentLink> silent;
  std::copy_if(figures.silent.begin(), figures.silent.end(), std::back_inserter(silent),
               [&](const SilentLink& link) { return links * std::exp(-link.due) <= kByChance; });
  if (silent.empty() || silent.size() < figures.silent.size()) return std::nullopt;
  LinkFinding found;
  double least_due = silent.front().due;
  bool transfers_only = true;
  for (const SilentLink& link : silent) {
    least_due = std::min(least_due, link.due);
    transfers_only = transfers_only && link.transfers_only;
  }
  found.silent = true;
  const char* what = transfers_only ? "transfer" : "message";
  if (silent.size() == 1) {
    found.a = silent.front().a, found.b = silent.front().b;
    found.text = fmt::format("no {} came through over this link under the fault ({:.0f} without it)", what, least_due);
    return found;
  }
  const int node = common_node(figures, silent);
  if (node < 0) return std::nullopt;
  found.nodes = {node}, found.parts = {1};
  found.text = fmt::format("no {} came through over its links under the fault ({:.0f} and more each without it)", what,
                           least_due);
  return found;
}

}  // namespace grit
