// link_mtu: a network interface carries smaller packets than it did, as after a mistake in its configuration.
//
// TCP connections notice with their next segment and cut their data smaller; larger datagrams are fragmented. The other
// side still sends its own size: what is larger than this interface now takes is lost on most hardware. Under 1280
// bytes (RFC 8200) the kernel takes IPv6 off the interface, with its addresses, routes and settings; these are kept and
// put back.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/os/closed_object.hpp"
#include "harness/os/link_config.hpp"
#include "harness/os/link_sysctl.hpp"
#include "harness/os/netlink.hpp"
#include "harness/os/snmp.hpp"
#include "harness/os/tcp_diag.hpp"
#include "injectors/faults.hpp"
#include "injectors/link_state.hpp"
#include "injectors/nic.hpp"
#include "injectors/root_qdisc.hpp"
#include "injectors/setting.hpp"

namespace grit {
namespace {

constexpr std::int64_t kMin_bytes = 68;  // RFC 791
constexpr std::int64_t kMax_bytes = 65535;
constexpr std::int64_t kIpv6Min_bytes = 1280;
constexpr const char* kIpv6Mtu = "conf/mtu";  // what IPv6 sends at most; the interface's own MTU, or less

/// The undo record, typed.
struct Undo {
  LinkConfig link{};
  std::int64_t before_bytes = 0;
  std::int64_t asked_bytes = 0;
  std::map<std::string, std::int64_t> ipv6_settings{};  // for an MTU under 1280 all, else its MTU only
};

Json to_json(const Undo& undo) {
  return Json{{"link", to_json(undo.link)},
              {"before_bytes", undo.before_bytes},
              {"asked_bytes", undo.asked_bytes},
              {"ipv6_settings", undo.ipv6_settings}};
}

Result<Undo> undo_from_json(const Json& json) {
  ClosedObject object(json, "undo record of link_mtu");
  Undo undo;
  const Json& link = object.object("link");
  undo.before_bytes = object.integer("before_bytes", kMin_bytes, INT32_MAX);
  undo.asked_bytes = object.integer("asked_bytes", kMin_bytes, kMax_bytes);
  const Json& settings = object.object("ipv6_settings");
  GRIT_CHECK(object.done());
  GRIT_TRY(undo.link, link_config_from_json(link));
  ClosedObject values(settings, "ipv6_settings");
  for (const auto& [name, value] : settings.items())
    if (is_ipv6_setting(name)) undo.ipv6_settings[name] = values.integer(name, INT32_MIN, UINT32_MAX);
  GRIT_CHECK(values.done());
  return undo;
}

/// What stands on the interface, or holds it, follows its MTU down and not up again.
Status refuse_followers(Netlink& netlink, const Link& link) {
  if (link.master_ifindex != 0) {
    GRIT_TRY(const auto master, netlink.find_link(link.master_ifindex));
    return unavailable_error(fmt::format("{} belongs to {}, whose MTU follows it. Name {} instead", link.name,
                                         master ? master->name : "another", master ? master->name : "that"));
  }
  GRIT_TRY(const auto all, netlink.links());
  for (const Link& other : all)
    if (other.link_ifindex == link.ifindex && !other.link_netnsid && other.kind != "veth")
      return unavailable_error(fmt::format(
          "{0} carries {1}, whose MTU would follow and not come back. Name {1} instead", link.name, other.name));
  return {};
}

Status refuse_secret(const std::string& name) {
  if (!read_file("/proc/sys/net/ipv6/conf/" + name + "/stable_secret")) return {};  // not set, or no IPv6
  return unavailable_error(
      fmt::format("{} has a stable_secret (RFC 7217), which an MTU under 1280 would lose. Use "
                  "mtu = \"1280B\" or more",
                  name));
}

/// Data segments that connections over these addresses have sent which have noticed a path of at most so many bytes.
std::int64_t small_segments(const std::vector<Address>& addresses, std::int64_t mtu_bytes) {
  const auto connections = tcp_connections();
  if (!connections) return 0;  // fragments still count
  std::int64_t segments = 0;
  for (const TcpConnection& one : *connections) {
    const bool ours = std::any_of(addresses.begin(), addresses.end(),
                                  [&](const Address& address) { return address.local == one.local; });
    if (ours && one.pmtu_bytes <= mtu_bytes) segments += one.data_segments_sent;
  }
  return segments;
}

class LinkMtu final : public SettingInjector<Undo> {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "link_mtu",
        .summary = "A network interface has a smaller MTU than it had",
        .params = {fault_nic_param(),
                   {"mtu",
                    Unit::size_bytes,
                    kIpv6Min_bytes,
                    "the largest IP packet it then carries; under 1280 it has no IPv6",
                    {},
                    static_cast<double>(kMin_bytes),
                    static_cast<double>(kMax_bytes)}},
        .mechanisms = {"mtu"},
        .needs = {"CAP_NET_ADMIN in the node's network namespace"},
        // A root qdisc is made for the MTU: of frames that are larger later, loss and rate would drop all.
        .touches = {"the MTU", kRootQdisc},
        .undo = UndoClass::persistent,
        .takes_nic = true};
    return info;
  }

  [[nodiscard]] std::string mechanism(const Node& node, const Params& params) const override {
    return SettingInjector::mechanism(node, params) + past_infiniband(node, params);
  }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    // The same privilege.
    const Status allowed = may_take_links_down();
    return {{"mtu", allowed ? std::nullopt : std::optional(allowed.error().message)}};
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    const auto probe = [&]() -> Status {
      GRIT_CHECK(snapshot(target));
      GRIT_TRY(Netlink netlink, Netlink::open());
      GRIT_TRY(const Link link, netlink.link(target.device));
      return netlink.set_mtu(link.ifindex, link.mtu_bytes);  // changes nothing, but needs the same privilege
    };
    const Status allowed = probe();
    return allowed ? std::nullopt : std::optional(allowed.error().message);
  }

  /// Something was cut smaller than it would have been, or could not be.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "fragments_made") || grew(before, after, "too_large_to_send") ||
           grew(before, after, "tcp_segments_within_mtu");
  }

 protected:
  [[nodiscard]] Result<Undo> snapshot(const Target& target) const override {
    Undo undo;
    GRIT_TRY(Netlink netlink, Netlink::open());
    GRIT_TRY(const Link link, netlink.link(target.device));
    GRIT_CHECK(refuse_followers(netlink, link));
    GRIT_TRY(undo.link, read_link_to_take_down(target.device));
    undo.before_bytes = link.mtu_bytes;
    undo.asked_bytes = target.params.integer("mtu");
    if (undo.asked_bytes >= undo.before_bytes)
      return unavailable_error(
          fmt::format("the MTU of {} is {} already: ask for a smaller one than that", link.name, undo.before_bytes));
    undo.ipv6_settings = read_all_ipv6_settings(link.name);
    if (undo.asked_bytes < kIpv6Min_bytes)
      GRIT_CHECK(refuse_secret(link.name));
    else  // IPv6 stays, but its MTU follows each change (addrconf_notify() in net/ipv6/addrconf.c)
      std::erase_if(undo.ipv6_settings, [](const auto& one) { return one.first != kIpv6Mtu; });
    return undo;
  }
  [[nodiscard]] Result<Undo> parse(const Json& record) const override { return undo_from_json(record); }

  [[nodiscard]] Status set(const Target&, const Undo& undo) const override {
    GRIT_TRY(Netlink netlink, Netlink::open());
    GRIT_TRY(const Link link, present_link(netlink, undo.link.identity));
    return netlink.set_mtu(link.ifindex, undo.asked_bytes);
  }

  [[nodiscard]] Result<Reading> read(const Target&, const Undo& undo) const override {
    GRIT_TRY(Netlink netlink, Netlink::open());
    GRIT_TRY(const auto link, find_same_link(netlink, undo.link.identity));
    Reading reading;
    reading.details["interface"] = undo.link.identity.name;
    reading.details["present"] = link.has_value();
    if (!link) return reading;
    reading.holds = reading.left = link->mtu_bytes == undo.asked_bytes;  // any other was set by somebody else
    reading.details["mtu_bytes"] = link->mtu_bytes;
    return reading;
  }

  [[nodiscard]] Result<Json> counters(const Target&, const Undo& undo) const override {
    GRIT_TRY(const FragmentCounters fragments, read_fragment_counters());
    return Json{{"fragments_made", fragments.made},
                {"too_large_to_send", fragments.failed},
                {"tcp_segments_within_mtu", small_segments(undo.link.addresses, undo.asked_bytes)}};
  }

  [[nodiscard]] Result<Reverted> restore(const Undo& undo) const override {
    GRIT_TRY(Netlink netlink, Netlink::open());
    GRIT_TRY(const auto link, find_same_link(netlink, undo.link.identity));
    if (!link) return Reverted::gone;
    // Any other MTU than ours was set by somebody else meanwhile, or is back already.
    if (link->mtu_bytes == undo.asked_bytes) {
      const Status set = netlink.set_mtu(link->ifindex, undo.before_bytes);
      GRIT_TRY(const auto still_there, find_same_link(netlink, undo.link.identity));
      if (!still_there) return Reverted::gone;
      GRIT_CHECK(set);
    }
    auto settings = undo.ipv6_settings;
    if (link->mtu_bytes != undo.asked_bytes && link->mtu_bytes != undo.before_bytes) settings.erase(kIpv6Mtu);
    GRIT_CHECK(write_ipv6_settings(link->name, settings));
    return restore_link_config(undo.link);
  }
};

}  // namespace

const Injector& link_mtu() {
  static const LinkMtu injector;
  return injector;
}

}  // namespace grit
