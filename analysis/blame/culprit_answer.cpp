#include "analysis/blame/culprit_answer.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>

#include "analysis/blame/culprit.hpp"
#include "analysis/blame/router.hpp"
#include "analysis/facts/evidence.hpp"

namespace grit {
namespace {

/// Of several culprits each must explain so much of the loss.
constexpr double kNamedBesideShare = 0.2;
constexpr std::size_t kNamesSaid = 5;

bool is_place(const Suspect& suspect) { return suspect.node >= 0 || !suspect.node_name.empty(); }

bool is_shared_storage(const Suspect& suspect) { return !is_place(suspect) && suspect.resource == "storage"; }

std::string name_of(const Plan& plan, const Suspect& suspect) {
  if (suspect.resource == kRouter) return "the router (no node is bad)";
  if (is_untold(suspect)) return "the network, or CPUs that others took (which of them cannot be told),";
  if (!is_place(suspect))
    return suspect.resource == "network" ? "network, node cannot be told" : "all nodes alike, " + suspect.resource;
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
  const std::size_t count = findings.outstanding.size();
  if (count < 2) return "no rank's own work and no communication explains the loss";
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(count, kNamesSaid); ++i)
    names.push_back(name_of_node(plan, plan.topology.nodes[static_cast<std::size_t>(findings.outstanding[i])].index));
  const std::string more = count > kNamesSaid ? fmt::format(" and {} more nodes", count - kNamesSaid) : "";
  return fmt::format("{}{} all do more work of their own, and whether the loss is theirs cannot be told",
                     fmt::join(names, ", "), more);
}

/// Those to blame, moved to the front: how many there are.
int put_culprits_first(CulpritFindings& findings) {
  auto& suspects = findings.suspects;
  if (suspects.empty()) return 0;
  const Suspect& first = suspects.front();
  const bool enough = first.share_explained >= kNamedShare;
  const bool placeless_network = enough && !is_place(first) && is_network(first) && !findings.all_links_alike;
  const bool shared_storage = enough && is_shared_storage(first);
  if (enough && !is_place(first) && !placeless_network && !shared_storage) return 0;
  const auto to_blame = [&](const Suspect& suspect) {
    return (is_place(suspect) || (placeless_network && is_network(suspect)) ||
            (shared_storage && is_shared_storage(suspect))) &&
           suspect.share_explained >= kNamedBesideShare;
  };
  double share = 0;
  for (const Suspect& suspect : suspects) share += to_blame(suspect) ? suspect.share_explained : 0;
  if (share < kNamedShare) return 0;
  if (shared_storage && std::none_of(suspects.begin() + 1, suspects.end(), to_blame)) return 0;
  const auto rest = std::stable_partition(suspects.begin(), suspects.end(), to_blame);
  return static_cast<int>(rest - suspects.begin());
}

std::string named_text(const Plan& plan, std::span<const Suspect> named) {
  std::vector<std::string> parts;
  for (const Suspect& suspect : named) parts.push_back(fmt::format("{}, {}", name_of(plan, suspect), of_loss(suspect)));
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace

bool is_untold(const Suspect& suspect) {
  return !is_place(suspect) && suspect.phase == "exposed_comm" && suspect.resource == "unknown";
}

bool is_network(const Suspect& suspect) { return suspect.resource == "network" && suspect.phase == "exposed_comm"; }

Culprit answer_of(const Plan& plan, CulpritFindings findings) {
  Culprit culprit;
  culprit.named = put_culprits_first(findings);
  auto& suspects = findings.suspects;
  if (culprit.named > 0) {
    culprit.text = named_text(plan, std::span(suspects).first(static_cast<std::size_t>(culprit.named)));
  } else if (!suspects.empty() && suspects.front().share_explained >= kNamedShare && !is_untold(suspects.front())) {
    const Suspect& first = suspects.front();
    culprit.text = fmt::format("no single culprit: all {} alike: a shared resource, {}, {}",
                               is_network(first) ? "links" : "nodes", first.resource, of_loss(first));
  } else {
    culprit.text = "no single culprit: " + scattered_text(plan, findings);
  }
  culprit.suspects = std::move(suspects);
  return culprit;
}

}  // namespace grit
