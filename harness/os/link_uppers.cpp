#include "harness/os/link_uppers.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace grit {
namespace {

/// These pass on their lower interface's operational state and stay IFF_UP when it goes down
/// (netif_stacked_transfer_operstate() in drivers/net/macvlan.c, ipvlan/ipvlan_main.c, macsec.c).
bool keeps_up(const Link& link) {
  constexpr std::array<std::string_view, 5> kinds{"macvlan", "macvtap", "ipvlan", "ipvtap", "macsec"};
  return std::find(kinds.begin(), kinds.end(), link.kind) != kinds.end();
}

/// IFLA_LINK of a veth is its peer; and an index of another namespace says nothing about this one.
bool built_on(const Link& link, int ifindex) {
  return link.link_ifindex == ifindex && link.ifindex != ifindex && !link.link_netnsid && link.kind != "veth";
}

}  // namespace

std::vector<UpperLink> link_uppers(const std::vector<Link>& all, int ifindex) {
  const auto self = std::find_if(all.begin(), all.end(), [&](const Link& link) { return link.ifindex == ifindex; });
  if (self == all.end()) return {};
  std::vector<UpperLink> found{{.link = *self, .by_master = false, .goes_down = true}};
  for (std::size_t at = 0; at < found.size(); ++at) {
    const UpperLink lower = found[at];
    for (const Link& link : all) {
      const bool master = link.ifindex == lower.link.master_ifindex;
      if (!master && !built_on(link, lower.link.ifindex)) continue;
      if (std::any_of(found.begin(), found.end(),
                      [&](const UpperLink& one) { return one.link.ifindex == link.ifindex; }))
        continue;
      found.push_back({.link = link,
                       .by_master = master || lower.by_master,
                       .goes_down = lower.goes_down && !master && !keeps_up(link)});
    }
  }
  found.erase(found.begin());
  return found;
}

}  // namespace grit
