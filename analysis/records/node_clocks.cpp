#include "analysis/records/node_clocks.hpp"

#include <algorithm>

namespace grit {
namespace {

std::optional<std::int64_t> integer_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

}  // namespace

NodeClocks::NodeClocks(const Plan& plan, const Json& clock) : lines_(plan.topology.nodes.size()) {
  if (plan.topology.local_cluster) {
    for (Line& line : lines_) line.known = true;
    return;
  }
  if (!clock.is_object()) return;
  for (const char* when : {"before", "after"}) {
    const auto list = clock.find(when);
    if (list == clock.end() || !list->is_array()) continue;
    for (const Json& one : *list) {
      if (!one.is_object()) continue;
      const auto node = integer_at(one, "node"), offset = integer_at(one, "offset_ns"),
                 bound = integer_at(one, "bound_ns"), at = integer_at(one, "at_ns");
      if (!node || !offset || !bound || !at || *node < 0 || static_cast<std::size_t>(*node) >= lines_.size()) continue;
      Line& line = lines_[static_cast<std::size_t>(*node)];
      if (!line.known) {
        line = {.known = true, .offset_ns = *offset, .from_ns = *at, .bound_ns = *bound};
        continue;
      }
      line.more_ns = *offset - line.offset_ns;
      line.part_per_ns = *at == line.from_ns ? 0 : 1 / static_cast<double>(*at - line.from_ns);
      line.bound_ns = std::max(line.bound_ns, *bound);
    }
  }
}

}  // namespace grit
