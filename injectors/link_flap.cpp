// link_flap: a network interface goes down and up again.
//
// Two mechanisms. "admin" clears IFF_UP on the node's own interface. "carrier" takes the far end of the cable away: on
// the local cluster that is the peer of the node's veth, in the network namespace of the switch, which every local node
// finds at the path in GRIT_SWITCH_NETNS. The first also loses routes and IPv6 addresses (harness/os/link_config.hpp
// puts them back); the second leaves them alone, as a pulled cable does.
#include <fmt/format.h>

#include <cstdlib>

#include "harness/base/clock.hpp"
#include "harness/os/closed_object.hpp"
#include "harness/os/link_config.hpp"
#include "harness/os/netlink.hpp"
#include "harness/os/netns.hpp"
#include "injectors/faults.hpp"
#include "injectors/link_state.hpp"
#include "injectors/link_witness.hpp"
#include "injectors/nic.hpp"
#include "injectors/setting.hpp"

namespace grit {
namespace {

constexpr const char* kSwitchVariable = "GRIT_SWITCH_NETNS";

/// The undo record, typed.
struct Undo {
  std::string side;
  LinkConfig link;                 // the node's own interface
  std::optional<LinkConfig> peer;  // side "carrier": the switch's end
};

Json to_json(const Undo& undo) {
  Json json{{"side", undo.side}, {"link", to_json(undo.link)}};
  if (undo.peer) json["peer"] = to_json(*undo.peer);
  return json;
}

Result<Undo> undo_from_json(const Json& json) {
  ClosedObject object(json, "undo record of link_flap");
  Undo undo;
  undo.side = object.choice("side", {"admin", "carrier"});
  const Json& link = object.object("link");
  const Json* peer = undo.side == "carrier" ? &object.object("peer") : nullptr;
  GRIT_CHECK(object.done());
  GRIT_TRY(undo.link, link_config_from_json(link));
  if (peer != nullptr) {
    GRIT_TRY(undo.peer, link_config_from_json(*peer));
  }
  return undo;
}

/// The switch's network namespace; never from an undo record, which could name any other.
Result<Fd> open_switch() {
  const char* path = ::secure_getenv(kSwitchVariable);
  if (path == nullptr || *path == '\0')
    return unavailable_error(
        fmt::format("the far end of the link cannot be reached: {} is not set. side = \"carrier\" works on the "
                    "local cluster (start grit without mpirun); elsewhere use side = \"admin\"",
                    kSwitchVariable));
  return open_netns(path);
}

/// The name of the switch's end of a veth.
Result<std::string> find_peer(const Link& link, int switch_netns) {
  if (link.kind != "veth" || !link.link_netnsid)
    return unavailable_error(
        fmt::format("{} is no veth into the switch's network namespace, so its carrier cannot be taken away. "
                    "Use side = \"admin\"",
                    link.name));
  GRIT_TRY(Netlink netlink, Netlink::open_in(switch_netns));
  GRIT_TRY(const auto peer, netlink.find_link(link.link_ifindex));
  if (!peer || peer->kind != "veth" || peer->link_ifindex != link.ifindex)
    return unavailable_error(
        fmt::format("the far end of {} is not in the namespace that {} names", link.name, kSwitchVariable));
  return peer->name;
}

Result<LinkConfig> read_peer(const Link& link) {
  GRIT_TRY(const Fd switch_netns, open_switch());
  GRIT_TRY(const std::string name, find_peer(link, switch_netns.get()));
  Result<LinkConfig> peer = internal_error("not read");
  GRIT_CHECK(run_in_netns(switch_netns.get(), [&]() -> Status {
    peer = read_link_config(name);
    return {};
  }));
  return peer;
}

Status restore_peer(const LinkConfig& peer) {
  GRIT_TRY(const Fd switch_netns, open_switch());
  return run_in_netns(switch_netns.get(), [&]() -> Status {
    GRIT_CHECK(restore_link_config(peer));
    return {};
  });
}

class LinkFlap final : public SettingInjector<Undo> {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "link_flap",
        .summary = "A network interface goes down and comes back, once or several times",
        .params = {fault_nic_param(),
                   {"down", Unit::time_ns, kNsPerS, "how long it stays down", {}, static_cast<double>(kNsPerMs), {}},
                   {"after", Unit::time_ns, kNsPerS / 2, "from the start of the block to the first time", {}, 0.0, {}},
                   {"side",
                    Unit::text,
                    "admin",
                    "whose end goes down: the node's own, or the switch's (local cluster)",
                    {"admin", "carrier"}}},
        .mechanisms = {"admin", "carrier"},
        .needs = {"CAP_NET_ADMIN in the node's network namespace",
                  "side = \"carrier\": the local cluster (GRIT_SWITCH_NETNS)"},
        .touches = {kLinkState},
        .undo = UndoClass::persistent,
        .takes_nic = true};
    return info;
  }

  [[nodiscard]] std::string mechanism(const Node& node, const Params& params) const override {
    return params.text("side") + past_infiniband(node, params);
  }

  [[nodiscard]] std::vector<Pulse> pulses(const Params& params) const override {
    const std::int64_t start_ns = params.integer("after");
    return {{start_ns, start_ns + params.integer("down")}};
  }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    std::vector<Mechanism> all;
    for (const std::string& side : info().mechanisms) {
      const Status allowed = may_change_links(side);
      all.push_back({side, allowed ? std::nullopt : std::optional(allowed.error().message)});
    }
    return all;
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    if (auto why = Injector::why_unavailable(target)) return why;
    const Status allowed = may_change_links(target.params.text("side"));
    return allowed ? std::nullopt : std::optional(allowed.error().message);
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override { return carrier_went(before, after); }

 protected:
  [[nodiscard]] Result<Undo> snapshot(const Target& target) const override {
    Undo undo;
    undo.side = target.params.text("side");
    GRIT_TRY(undo.link, read_link_to_take_down(target.device));
    if (undo.side == "carrier") {
      GRIT_TRY(Netlink netlink, Netlink::open());
      GRIT_TRY(const Link link, netlink.link(target.device));
      GRIT_TRY(undo.peer, read_peer(link));
      if (!undo.link.carrier || !undo.peer->up)
        return unavailable_error(target.device + " has no carrier already: set the switch's end up first");
    }
    return undo;
  }
  [[nodiscard]] Result<Undo> parse(const Json& record) const override { return undo_from_json(record); }

  [[nodiscard]] Status set(const Target&, const Undo& undo) const override {
    if (!undo.peer) return take_link_down(undo.link.identity);
    GRIT_TRY(const Fd switch_netns, open_switch());
    return run_in_netns(switch_netns.get(), [&] { return take_link_down(undo.peer->identity); });
  }

  [[nodiscard]] Result<Reading> read(const Target&, const Undo& undo) const override {
    return read_link_state(undo.link.identity, undo.side == "carrier");
  }

  [[nodiscard]] Result<Json> counters(const Target&, const Undo& undo) const override {
    return carrier_counters(undo.link.identity);
  }

  [[nodiscard]] Result<std::unique_ptr<Witness>> witness(const Undo& undo) const override {
    return watch_link(undo.link.identity.ifindex);
  }

  [[nodiscard]] Result<Reverted> restore(const Undo& undo) const override {
    GRIT_TRY(Netlink netlink, Netlink::open());
    GRIT_TRY(const auto link, find_same_link(netlink, undo.link.identity));
    if (!link) return Reverted::gone;  // a veth's end that is gone has taken its peer along
    if (undo.peer) GRIT_CHECK(restore_peer(*undo.peer));
    return restore_link_config(undo.link);
  }

 private:
  static Status may_change_links(const std::string& side) {
    if (side == "admin") return may_take_links_down();
    GRIT_TRY(const Fd switch_netns, open_switch());
    return run_in_netns(switch_netns.get(), may_take_links_down);
  }
};

}  // namespace

const Injector& link_flap() {
  static const LinkFlap injector;
  return injector;
}

}  // namespace grit
