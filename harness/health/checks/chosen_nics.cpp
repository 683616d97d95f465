#include "harness/health/checks/chosen_nics.hpp"

#include <map>

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

Result<std::vector<Nic>> chosen_nics_and_lower(const Node& node, const Params& params) {
  GRIT_TRY(const std::vector<Nic> chosen, chosen_nics(node, params));
  std::map<std::string, Nic> by_name;
  for (const Nic& nic : chosen) {
    by_name.emplace(nic.name, nic);
    for (const Nic& other : node.nics)
      if (other.up && stands_on(node, nic.name, other.name)) by_name.emplace(other.name, other);
  }
  std::vector<Nic> nics;
  for (const auto& [name, nic] : by_name) nics.push_back(nic);
  return nics;
}

Result<std::vector<Outcome>> look_at_links(const std::vector<Nic>& nics,
                                           const std::function<Outcome(const Nic&, const Link&)>& judge) {
  if (nics.empty()) return std::vector{not_here("no data NIC")};
  GRIT_TRY(Netlink netlink, Netlink::open());
  std::vector<Outcome> outcomes;
  for (const Nic& nic : nics) {
    GRIT_TRY(const auto link, netlink.find_link(nic.name));
    if (link)
      outcomes.push_back(judge(nic, *link));
    else
      outcomes.push_back({.severity = Severity::critical, .subject = nic.name, .detail = "is gone"});
  }
  return outcomes;
}

}  // namespace grit
