#include "harness/health/chosen_nics.hpp"

namespace grit {

ParamSpec nic_param() {
  return {"nic", Unit::text, "data", "\"data\": all data NICs of the node; or the name of an interface"};
}

Result<std::vector<Nic>> chosen_nics(const Node& node, const Params& params) {
  const std::string wanted = params.text("nic");
  std::vector<Nic> nics;
  for (const Nic& nic : node.nics)
    if (wanted == "data" ? nic.role == NicRole::data : nic.name == wanted) nics.push_back(nic);
  if (!nics.empty()) return nics;
  return no_such_nic(node, wanted);
}

Status has_named_nic(const Node& node, const Params& params) {
  if (params.text("nic") != "data") GRIT_CHECK(chosen_nics(node, params));
  return {};
}

}  // namespace grit
