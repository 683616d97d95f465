#include "injectors/nic.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace grit {
namespace {

std::string_view role_name(NicRole role) {
  switch (role) {
    case NicRole::data:
      return "data";
    case NicRole::management:
      return "management";
    case NicRole::other:
      return "other";
  }
  return "other";
}

std::string list_nics(const Node& node) {
  std::vector<std::string> lines;
  for (const Nic& nic : node.nics)
    lines.push_back(fmt::format("{} ({}{}{})", nic.name, role_name(nic.role), nic.role_evidence.empty() ? "" : ": ",
                                nic.role_evidence));
  return lines.empty() ? std::string("it has no NIC at all") : fmt::format("{}", fmt::join(lines, ", "));
}

}  // namespace

Result<std::string> resolve_nic(const Node& node, const std::string& nic) {
  for (const Nic& candidate : node.nics)
    if (nic == "data" ? candidate.role == NicRole::data : candidate.name == nic) return candidate.name;
  const std::string missing = nic == "data" ? std::string("no data NIC") : "no NIC called " + nic;
  return usage_error(fmt::format("{} has {}: {}. Name one with nic = \"...\"", node.name, missing, list_nics(node)));
}

}  // namespace grit
