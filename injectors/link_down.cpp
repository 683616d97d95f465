// link_down: a network interface is administratively down for the whole block.
//
// IFF_UP is cleared, as `ip link set down` does. What the interface loses by that (routes, IPv6 addresses, permanent
// neighbours) is kept and put back by harness/os/link_config.hpp.
#include "harness/os/closed_object.hpp"
#include "harness/os/link_config.hpp"
#include "harness/os/netlink.hpp"
#include "injectors/faults.hpp"
#include "injectors/link_state.hpp"
#include "injectors/link_witness.hpp"
#include "injectors/nic.hpp"
#include "injectors/setting.hpp"

namespace grit {
namespace {

struct Undo {
  LinkConfig link{};
};

Json to_json(const Undo& undo) { return Json{{"link", to_json(undo.link)}}; }

class LinkDown final : public SettingInjector<Undo> {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{.name = "link_down",
                                   .summary = "A network interface is down for the whole block",
                                   .params = {fault_nic_param()},
                                   .mechanisms = {"admin"},
                                   .needs = {"CAP_NET_ADMIN in the node's network namespace"},
                                   .touches = {kLinkState},
                                   .undo = UndoClass::persistent,
                                   .takes_nic = true};
    return info;
  }

  [[nodiscard]] std::string mechanism(const Node& node, const Params& params) const override {
    return SettingInjector::mechanism(node, params) + past_infiniband(node, params);
  }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    const Status allowed = may_take_links_down();
    return {{"admin", allowed ? std::nullopt : std::optional(allowed.error().message)}};
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    if (auto why = Injector::why_unavailable(target)) return why;
    const Status allowed = may_take_links_down();
    return allowed ? std::nullopt : std::optional(allowed.error().message);
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override { return carrier_went(before, after); }

 protected:
  [[nodiscard]] Result<Undo> snapshot(const Target& target) const override {
    GRIT_TRY(LinkConfig link, read_link_to_take_down(target.device));
    return Undo{std::move(link)};
  }
  [[nodiscard]] Result<Undo> parse(const Json& record) const override {
    ClosedObject object(record, "undo record of link_down");
    const Json& link = object.object("link");
    GRIT_CHECK(object.done());
    GRIT_TRY(LinkConfig config, link_config_from_json(link));
    return Undo{std::move(config)};
  }
  [[nodiscard]] Status set(const Target&, const Undo& undo) const override {
    return take_link_down(undo.link.identity);
  }
  [[nodiscard]] Result<Reading> read(const Target&, const Undo& undo) const override {
    return read_link_state(undo.link.identity, false);
  }
  [[nodiscard]] Result<Json> counters(const Target&, const Undo& undo) const override {
    return carrier_counters(undo.link.identity);
  }
  [[nodiscard]] Result<std::unique_ptr<Witness>> witness(const Undo& undo) const override {
    return watch_link(undo.link.identity.ifindex);
  }
  [[nodiscard]] Result<Reverted> restore(const Undo& undo) const override { return restore_link_config(undo.link); }
};

}  // namespace

const Injector& link_down() {
  static const LinkDown injector;
  return injector;
}

}  // namespace grit
