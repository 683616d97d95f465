#include "harness/model/same_nodes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace grit {
namespace {

std::string nic_difference(const Nic& planned, const Node& here) {
  const auto now =
      std::find_if(here.nics.begin(), here.nics.end(), [&](const Nic& nic) { return nic.name == planned.name; });
  if (now == here.nics.end()) return fmt::format("has no {} now", planned.name);
  std::vector<std::string> gone;
  for (const std::string& address : planned.addresses)
    if (std::find(now->addresses.begin(), now->addresses.end(), address) == now->addresses.end())
      gone.push_back(address);
  if (gone.empty()) return "";
  return fmt::format("{} had {} and has {} now", planned.name, fmt::join(gone, ", "),
                     now->addresses.empty() ? "no address" : fmt::format("{}", fmt::join(now->addresses, ", ")));
}

std::string node_difference(const Node& planned, const Node& here) {
  if (planned.name != here.name)
    return fmt::format("node {} was {} and is {} now", planned.index, planned.name, here.name);
  if (planned.ranks != here.ranks)
    return fmt::format("{} had ranks [{}] and has [{}] now", planned.name, fmt::join(planned.ranks, ", "),
                       fmt::join(here.ranks, ", "));
  for (const Nic& nic : planned.nics) {
    if (nic.role == NicRole::other) continue;
    if (const std::string found = nic_difference(nic, here); !found.empty()) return planned.name + ": " + found;
  }
  return "";
}

template <class Compare>
std::vector<std::string> differences(const Topology& earlier, const Topology& here, const Compare& compare) {
  if (earlier.nodes.size() != here.nodes.size())
    return {fmt::format("there were {} nodes and are {} now", earlier.nodes.size(), here.nodes.size())};
  std::vector<std::string> found;
  for (std::size_t i = 0; i < here.nodes.size(); ++i)
    if (std::string one = compare(earlier.nodes[i], here.nodes[i]); !one.empty()) found.push_back(std::move(one));
  return found;
}

}  // namespace

std::vector<std::string> node_differences(const Topology& planned, const Topology& here) {
  return differences(planned, here, node_difference);
}

std::vector<std::string> name_differences(const Topology& earlier, const Topology& here) {
  return differences(earlier, here, [](const Node& one, const Node& now) {
    return one.name == now.name ? std::string()
                                : fmt::format("node {} was {} and is {} now", one.index, one.name, now.name);
  });
}

}  // namespace grit
