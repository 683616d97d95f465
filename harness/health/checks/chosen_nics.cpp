#include "harness/health/checks/chosen_nics.hpp"

namespace grit {

ParamSpec nic_param() {
  return {"nic", Unit::text, "data",
          "\"data\": all data NICs of the node; \"rail:1\": the second of them; or the name of an interface"};
}

Result<std::vector<Nic>> chosen_nics(const Node& node, const Params& params) {
  const std::string wanted = params.text("nic");
  if (wanted == "data" && rails(node).empty()) return std::vector<Nic>();
  GRIT_TRY(const auto chosen, choose_nics(node, wanted == "data" ? "all" : wanted));
  std::vector<Nic> nics;
  for (const Nic* nic : chosen) nics.push_back(*nic);
  return nics;
}

}  // namespace grit
