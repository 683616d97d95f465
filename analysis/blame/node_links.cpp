#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/blame/link_candidates.hpp"
#include "analysis/blame/link_measures.hpp"

namespace grit {
namespace {

constexpr std::size_t kNodesNamed = 3;  // at most
constexpr double kMoreThanBoth = 1.5;   // of what two nodes' links are slower, both taken together

/// Of the values that are in `sorted` and not in `without`, both in ascending order: by nearest rank.
double quantile_without(const std::vector<double>& sorted, const std::vector<double>& without, double share) {
  const std::size_t count = sorted.size() - without.size();
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(count)));
  std::size_t place = std::clamp<std::size_t>(rank, 1, count) - 1;
  for (const double value : without) place += value <= sorted[place] ? 1 : 0;
  return sorted[place];
}

std::vector<double> values_of(const std::vector<const LinkChange*>& links, LinkMeasure measure) {
  std::vector<double> values;
  for (const LinkChange* link : links) values.push_back(measure(*link));
  return values;
}

}  // namespace

std::vector<const LinkChange*> links_to_others(const std::vector<LinkChange>& links, const std::vector<int>& members,
                                               int node) {
  const auto is_member = [&](int end) { return std::find(members.begin(), members.end(), end) != members.end(); };
  std::vector<const LinkChange*> found;
  for (const LinkChange& link : links)
    if ((link.a == node && !is_member(link.b)) || (link.b == node && !is_member(link.a))) found.push_back(&link);
  return found;
}

bool touches(const LinkChange& link, const std::vector<int>& nodes) {
  return std::any_of(nodes.begin(), nodes.end(), [&](int node) { return link.a == node || link.b == node; });
}

std::optional<LinkCandidate> find_node(const std::vector<LinkChange>& links, std::size_t measure, double noise_log) {
  std::map<int, std::vector<double>> of_nodes;
  std::vector<double> all;
  for (const LinkChange& link : links) {
    all.push_back(kMeasures[measure].log(link));
    of_nodes[link.a].push_back(all.back()), of_nodes[link.b].push_back(all.back());
  }
  std::sort(all.begin(), all.end());
  std::optional<LinkCandidate> best;
  for (auto& [node, own] : of_nodes) {
    const std::size_t others = all.size() - own.size();
    if (own.size() < 2 || others == 0) continue;  // one link has two ends
    std::sort(own.begin(), own.end());
    const double low = quantile(own, 0.25), apart = low - quantile_without(all, own, 0.75);
    // One or two figures lie below the node's by chance: they count as a single link does.
    const double needed = (others < 3 ? 2 : 1) * std::max(kApart_log, noise_log);
    if (low < kSlow_log || apart < needed || (best && best->apart >= apart)) continue;
    best = LinkCandidate{{.nodes = {node}, .parts = {1}}, apart};
  }
  return best;
}

std::optional<LinkCandidate> find_nodes(const std::vector<LinkChange>& links, std::size_t measure, double noise_log) {
  const LinkMeasure log_times = kMeasures[measure].log, increase = kMeasures[measure].increase;
  std::map<int, std::vector<double>> of_nodes;
  for (const LinkChange& link : links)
    of_nodes[link.a].push_back(log_times(link)), of_nodes[link.b].push_back(log_times(link));
  LinkCandidate found;
  std::vector<int>& members = found.finding.nodes;
  for (const auto& [node, own] : of_nodes)
    if (own.size() >= 2 && quantile(own, 0.25) >= kSlow_log) members.push_back(node);
  if (members.size() < 2 || members.size() > kNodesNamed || 2 * members.size() > of_nodes.size()) return std::nullopt;
  std::vector<double> others;
  for (const LinkChange& link : links)
    if (!touches(link, members)) others.push_back(log_times(link));
  if (others.empty()) return std::nullopt;
  const double needed = (others.size() < 3 ? 2 : 1) * std::max(kApart_log, noise_log);
  double sum = 0;
  for (const int member : members) {
    const auto own = links_to_others(links, members, member);
    if (own.empty()) return std::nullopt;
    const double apart = quantile(values_of(own, log_times), 0.25) - quantile(others, 0.75);
    if (apart < needed) return std::nullopt;
    found.apart = found.finding.parts.empty() ? apart : std::min(found.apart, apart);
    found.finding.parts.push_back(std::max(quantile(values_of(own, increase), 0.5), 0.0));
    sum += found.finding.parts.back();
  }
  if (sum <= 0) return std::nullopt;
  for (const LinkChange& link : links)
    if (members.size() == 2 && link.a == members[0] && link.b == members[1] && increase(link) > kMoreThanBoth * sum)
      return LinkCandidate{{.a = link.a, .b = link.b}, found.apart};
  for (double& part : found.finding.parts) part /= sum;
  return found;
}

}  // namespace grit
