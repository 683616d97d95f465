#include "harness/health/checks/chosen_nics.hpp"

#include <map>
#include <optional>

namespace grit {

ParamSpec nic_param() {
  return {"nic", Unit::text, "data",
          "\"data\": all data NICs of the node; \"rail:1\": the second of them; or the name of an interface"};
}

namespace {

/// An interface that carries nothing of a job now, so that the node does not list it: what is down may be what somebody
/// asks about. None: the kernel knows no such name.
Result<std::optional<Nic>> unlisted_nic(const std::string& name) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const auto link, netlink.find_link(name));
  if (!link) return std::nullopt;
  return Nic{.name = link->name, .ifindex = link->ifindex, .mac = link->mac, .mtu_bytes = link->mtu_bytes};
}

}  // namespace

Result<std::vector<Nic>> chosen_nics(const Node& node, const Params& params) {
  const std::string wanted = params.text("nic");
  if (wanted == "data" && rails(node).empty()) return std::vector<Nic>();
  const auto chosen = choose_nics(node, wanted == "data" ? "all" : wanted);
  std::vector<Nic> nics;
  if (chosen) {
    for (const Nic* nic : *chosen) nics.push_back(*nic);
    return nics;
  }
  const auto unlisted = unlisted_nic(wanted);
  if (!unlisted || !*unlisted) return tl::make_unexpected(chosen.error());
  nics.push_back(**unlisted);
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
