#include "injectors/nic.hpp"

namespace grit {
Result<std::string> resolve_nic(const Node& node, const std::string& nic) {
  for (const Nic& candidate : node.nics)
    if (nic == "data" ? candidate.role == NicRole::data : candidate.name == nic) return candidate.name;
  return no_such_nic(node, nic);
}

}  // namespace grit
