#include "injectors/node_list.hpp"

#include <fmt/format.h>

#include "harness/base/json.hpp"
#include "harness/base/shortened.hpp"
#include "harness/os/cpus.hpp"

namespace grit {

Result<std::vector<int>> listed_nodes(const std::string& name, const std::string& text, const Topology& topology,
                                      const std::vector<int>& on) {
  const auto count = topology.nodes.size();
  std::vector<bool> listed(count, text == "all" || text == "others");
  if (text == "others")
    for (const int node : on) listed.at(static_cast<std::size_t>(node)) = false;
  if (text != "all" && text != "others") {
    const auto numbers = cpus_from_list(text);  // written like a list of CPUs
    if (!numbers)
      return usage_error(fmt::format("{} = \"{}\": expected \"others\", \"any\", \"all\" or nodes such as \"1,3-5\"",
                                     name, shortened(text)));
    for (const int node : *numbers) {
      if (static_cast<std::size_t>(node) >= count)
        return usage_error(fmt::format("{} = \"{}\": there is no node {}; there are nodes 0 to {}", name,
                                       shortened(text), node, count - 1));
      listed[static_cast<std::size_t>(node)] = true;
    }
  }
  std::vector<int> nodes;
  for (std::size_t node = 0; node < count; ++node)
    if (listed[node]) nodes.push_back(static_cast<int>(node));
  return nodes;
}

std::string node_list_text(const std::vector<int>& ascending) {
  std::string text;
  for (const Json& range : node_ranges(ascending)) {
    const int first = range[0].get<int>(), last = range[1].get<int>();
    text += fmt::format("{}{}", text.empty() ? "" : ",",
                        first == last ? std::to_string(first) : fmt::format("{}-{}", first, last));
  }
  return text;
}

Json node_ranges(const std::vector<int>& ascending) {
  Json ranges = Json::array();
  int last = -2;
  for (const int node : ascending) {
    if (node == last + 1)
      ranges.back()[1] = node;
    else
      ranges.push_back(Json::array({node, node}));
    last = node;
  }
  return ranges;
}

Result<std::vector<int>> nodes_of_ranges(const Json& ranges, std::size_t nodes) {
  std::vector<int> list;
  const auto in_range = [&](const Json& one) {
    return one.is_number_integer() && one.get<std::int64_t>() >= 0 &&
           one.get<std::int64_t>() < static_cast<std::int64_t>(nodes);
  };
  bool sound = ranges.is_array();
  for (std::size_t i = 0; sound && i < ranges.size(); ++i) {
    const Json& range = ranges[i];
    sound = range.is_array() && range.size() == 2 && in_range(range[0]) && in_range(range[1]);
    if (!sound) break;
    const int first = range[0].get<int>(), last = range[1].get<int>();
    sound = list.empty() || first > list.back();
    for (int node = first; sound && node <= last; ++node) list.push_back(node);
  }
  if (!sound)
    return usage_error(
        fmt::format("{} is no list of ranges, in ascending order, of {} nodes", shortened(json_text(ranges)), nodes));
  return list;
}

std::vector<std::string> addresses_of(const Nic& nic) {
  std::vector<std::string> addresses;
  for (const std::string& address : nic.addresses)
    if (!address.starts_with("fe80")) addresses.push_back(address.substr(0, address.find('/')));
  return addresses;
}

}  // namespace grit
