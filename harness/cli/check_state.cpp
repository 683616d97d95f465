#include "harness/cli/check_state.hpp"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "harness/base/files.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/base/shortened.hpp"
#include "harness/model/format.hpp"

namespace grit {
namespace {

constexpr Format kFormat{"state of grit check", 1};
constexpr std::size_t kMost_bytes = std::size_t{16} << 20U;

const Nic* find_nic(const Node& node, const std::string& name) {
  const auto found = std::find_if(node.nics.begin(), node.nics.end(), [&](const Nic& one) { return one.name == name; });
  return found == node.nics.end() ? nullptr : &*found;
}

const Nic* same_hardware(const Node& node, const Nic& nic) {
  if (nic.pci.empty() || nic.mac.empty()) return nullptr;
  // A bond has the addresses of its first port.
  const auto is_same = [&](const Nic& one) {
    return one.pci == nic.pci && one.mac == nic.mac && one.lower.empty() == nic.lower.empty();
  };
  const auto found = std::find_if(node.nics.begin(), node.nics.end(), is_same);
  if (found == node.nics.end() || std::any_of(std::next(found), node.nics.end(), is_same)) return nullptr;
  return &*found;
}

/// A NIC of `before` as it is `now`; nullptr: it is not there. Another one may have got its name.
const Nic* find_same(const Node& before, const Node& now, const Nic& nic) {
  if (const Nic* same = same_hardware(now, nic)) return same;
  const Nic* named = find_nic(now, nic.name);
  const Nic* was = named == nullptr ? nullptr : same_hardware(before, *named);
  return was == nullptr || was == &nic ? named : nullptr;
}

/// The ends of pods' and containers' links come and go with them; GRIT_DATA_NICS says which of them are to stay.
bool comes_and_goes(const Nic& nic) {
  if (!nic.pci.empty() || (nic.driver != "veth" && nic.driver != "macvlan" && nic.driver != "ipvlan")) return false;
  const char* named = ::secure_getenv("GRIT_DATA_NICS");
  return fmt::format(",{},", named != nullptr ? named : "").find("," + nic.name + ",") == std::string::npos;
}

/// Not what the job or the site does with it.
bool is_kept(const Node& before, const Nic& nic) {
  if (comes_and_goes(nic)) return false;
  return nic.role != NicRole::other || std::any_of(before.nics.begin(), before.nics.end(), [&](const Nic& upper) {
           return upper.role != NicRole::other && stands_on(before, upper.name, nic.name);
         });
}

bool is_ipv6(const std::string& address) { return address.find(':') != std::string::npos; }

/// Those of now, and of a family of which there is none any more those of before.
std::vector<std::string> expected_addresses(const Nic& before, const Nic& now) {
  std::vector<std::string> addresses = now.addresses;
  for (const bool ipv6 : {false, true}) {
    const auto is_of_family = [&](const std::string& one) { return is_ipv6(one) == ipv6; };
    if (std::any_of(now.addresses.begin(), now.addresses.end(), is_of_family)) continue;
    std::copy_if(before.addresses.begin(), before.addresses.end(), std::back_inserter(addresses), is_of_family);
  }
  return addresses;
}

/// A NIC that is still there. What stands on another one now has handed on its role and its addresses.
Nic expected_nic(const Nic& before, const Nic& now, bool carries_another) {
  Nic nic = now;
  if (before.mtu_bytes > 0) nic.mtu_bytes = before.mtu_bytes;
  if (!before.driver.empty()) nic.driver = before.driver;
  if (before.duplex == "full" || nic.duplex.empty()) nic.duplex = before.duplex;
  nic.speed_bits_per_s = std::max(before.speed_bits_per_s, now.speed_bits_per_s);
  if (nic.pci.empty()) nic.pci = before.pci, nic.numa_node = before.numa_node;
  if (!nic.rdma) nic.rdma = before.rdma;
  if (carries_another && now.up) return nic;
  nic.up = now.up || before.up;
  nic.addresses = expected_addresses(before, now);
  // Management is what a call over ssh, or from a directory behind that NIC, takes it for.
  if (now.role == NicRole::other || (now.role == NicRole::management && before.role == NicRole::data)) {
    nic.role = before.role, nic.role_evidence = before.role_evidence, nic.chosen_by = before.chosen_by;
    if (nic.lower.empty()) nic.lower = before.lower;
  }
  return nic;
}

Failure no_state(const std::filesystem::path& file, const std::string& why) {
  return usage_error(
      fmt::format("{}: {}; it is left as it is, and nothing is known of an earlier call: remove it, or "
                  "name another with --state",
                  file.string(), why));
}

/// Its member "node". Nothing: it has none, as of a version that kept none.
Result<std::optional<Node>> node_in(const Json& json) {
  const auto found = json.find("node");
  if (found == json.end()) return std::nullopt;
  GRIT_TRY(Node node, node_from_json(*found));
  return node;
}

}  // namespace

Result<std::optional<CheckState>> read_check_state(const std::filesystem::path& file, const std::string& node) {
  std::error_code failed;
  if (const auto status = std::filesystem::status(file, failed); status.type() == std::filesystem::file_type::not_found)
    return std::nullopt;
  else if (status.type() != std::filesystem::file_type::regular)
    return no_state(file, "it is no file");
  const auto text = read_file(file, kMost_bytes);
  if (!text) return no_state(file, text.error().message);
  if (text->empty()) return std::nullopt;
  const auto json = parse_json(*text);
  if (!json || !json->is_object() || !json->contains("boot") || !json->contains("checks") ||
      !json->at("checks").is_object())
    return no_state(file, "it is no state of grit check, or damaged");
  if (const Status known = check_format(*json, kFormat); !known) return no_state(file, known.error().message);
  auto earlier = node_in(*json);
  if (!earlier) return no_state(file, "it is damaged: " + earlier.error().message);
  if (*earlier && (*earlier)->name != node)
    return no_state(file, fmt::format("it is of the node {}, and this is {}: each needs a file of its own",
                                      shortened((*earlier)->name), node));
  return CheckState{.node = std::move(*earlier),
                    .boot = text_at(*json, "boot"),
                    .t_ns = integer_at(*json, "t_ns", 0),
                    .checks = json->at("checks")};
}

Status write_check_state(const std::filesystem::path& file, const CheckState& state) {
  Json json{{"format", kFormat.number}, {"boot", state.boot}, {"t_ns", state.t_ns}, {"checks", state.checks}};
  if (state.node) json["node"] = to_json(*state.node);
  return write_file_durably(file, json_text(json) + "\n");
}

Node expected_node(const Node& before, const Node& now) {
  Node expected = now;
  std::set<std::string> carry_others;
  for (const Nic& nic : now.nics) carry_others.insert(nic.lower.begin(), nic.lower.end());
  for (const Nic& nic : before.nics) {
    if (!is_kept(before, nic)) continue;
    const Nic* same = find_same(before, now, nic);
    if (same != nullptr) {
      Nic& place = expected.nics.at(static_cast<std::size_t>(same - now.nics.data()));
      place = expected_nic(nic, *same, carry_others.contains(same->name));
    } else {
      Nic gone = nic;
      gone.ifindex = 0;
      if (find_nic(now, gone.name) != nullptr) gone.name = ("was-" + gone.name).substr(0, IFNAMSIZ - 1);
      expected.nics.push_back(std::move(gone));
    }
  }
  return expected;
}

bool contradicts(const Node& expected, const Node& now, const std::string& nic) {
  const Nic* was = find_nic(expected, nic);
  const Nic* is = find_nic(now, nic);
  if (was == nullptr) return false;
  return is == nullptr || was->up != is->up || was->addresses != is->addresses || was->mtu_bytes != is->mtu_bytes ||
         was->speed_bits_per_s != is->speed_bits_per_s || was->driver != is->driver || was->duplex != is->duplex;
}

}  // namespace grit
