// How often the node's data NICs have lost their carrier.
#include <algorithm>

#include "harness/agent/journal.hpp"
#include "harness/base/clock.hpp"
#include "harness/cluster/discovery.hpp"
#include "harness/os/identity.hpp"
#include "harness/os/netlink.hpp"
#include "harness/run/measure_kinds.hpp"

namespace grit {

std::vector<std::string> data_links() {
  const auto node = discover_node({"", default_journal_directory()});
  std::vector<std::string> names;
  if (!node) return names;
  for (const Nic* nic : rails(*node)) {
    names.push_back(nic->name);
    for (const Nic& other : node->nics)
      if (stands_on(*node, nic->name, other.name)) names.push_back(other.name);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::optional<BurninCarriers> read_carriers(const std::vector<std::string>& nics) {
  auto netns = netns_id();
  auto netlink = Netlink::open();
  if (!netns || !netlink) return std::nullopt;
  BurninCarriers carriers{.netns = std::move(*netns), .read_ns = realtime_ns()};
  for (const std::string& name : nics) {
    const auto link = netlink->find_link(name);
    if (link && *link)
      carriers.nics.push_back({.nic = name, .ifindex = (*link)->ifindex, .lost = (*link)->carrier_down_count});
  }
  return carriers;
}

}  // namespace grit
