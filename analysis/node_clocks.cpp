#include "analysis/node_clocks.hpp"

#include <algorithm>
#include <cmath>

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
        line = {true, *offset, *at, 0, 0, *bound};
        continue;
      }
      line.more_ns = *offset - line.offset_ns;
      line.for_ns = *at - line.from_ns;
      line.bound_ns = std::max(line.bound_ns, *bound);
    }
  }
}

std::int64_t NodeClocks::Line::drift_ns(std::int64_t t_ns) const {
  if (for_ns == 0) return 0;
  const double part = static_cast<double>(t_ns - offset_ns - from_ns) / static_cast<double>(for_ns);
  return std::llround(std::clamp(part, 0.0, 1.0) * static_cast<double>(more_ns));
}

}  // namespace grit
