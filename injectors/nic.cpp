#include "injectors/nic.hpp"

namespace grit {
Result<std::string> resolve_nic(const Node& node, const std::string& nic) {
  GRIT_TRY(const auto chosen, choose_nics(node, nic));
  return chosen.front()->name;
}

}  // namespace grit
