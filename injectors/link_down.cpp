// link_down: a network interface is administratively down for the whole block.
//
// IFF_UP is cleared, as `ip link set down` does. What the interface loses by that (routes, IPv6 addresses, permanent
// neighbours) is kept and put back by harness/os/link_config.hpp.
#include "injectors/link_down.hpp"

#include "harness/os/closed_object.hpp"
#include "harness/os/link_config.hpp"
#include "injectors/link_state.hpp"
#include "injectors/link_witness.hpp"
#include "injectors/nic.hpp"

namespace grit {
namespace {

Result<LinkConfig> undo_from_json(const Json& json) {
  ClosedObject object(json, "undo record of link_down");
  const Json& link = object.object("link");
  GRIT_CHECK(object.done());
  return link_config_from_json(link);
}

class LinkDown final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "link_down",
        .summary = "A network interface is down for the whole block",
        .params = {{"nic", Unit::text, "data", "\"data\": the node's first data NIC; or the name of an interface"}},
        .mechanisms = {"admin"},
        .needs = {"CAP_NET_ADMIN in the node's network namespace"},
        .undo = UndoClass::persistent,
        .takes_nic = true};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node& node, const Params& params) const override {
    return resolve_nic(node, params.text("nic"));
  }

  [[nodiscard]] std::string mechanism(const Node&, const Params&) const override { return "admin"; }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    const Status allowed = may_take_links_down();
    return {{"admin", allowed ? std::nullopt : std::optional(allowed.error().message)}};
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    auto tried = prepare(target);
    if (!tried) return tried.error().message;
    const Status allowed = may_take_links_down();
    if (!allowed) return allowed.error().message;
    return std::nullopt;
  }

  [[nodiscard]] Result<Json> prepare(const Target& target) const override {
    GRIT_TRY(const LinkConfig link, read_link_to_take_down(target.device));
    return Json{{"link", to_json(link)}};
  }

  [[nodiscard]] Status apply(const Target&, const Json& record) const override {
    GRIT_TRY(const LinkConfig undo, undo_from_json(record));
    return take_link_down(undo.identity);
  }

  [[nodiscard]] Result<Reading> read_back(const Json& record) const override {
    GRIT_TRY(const LinkConfig undo, undo_from_json(record));
    return read_link_state(undo.identity, false);
  }

  [[nodiscard]] Result<Json> counters(const Json& record) const override {
    GRIT_TRY(const LinkConfig undo, undo_from_json(record));
    return carrier_counters(undo.identity);
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override { return carrier_went(before, after); }

  [[nodiscard]] Result<std::unique_ptr<Witness>> witness(const Json& record) const override {
    GRIT_TRY(const LinkConfig undo, undo_from_json(record));
    return watch_link(undo.identity.ifindex);
  }

  [[nodiscard]] Status revert(const Json& record) const override {
    GRIT_TRY(const LinkConfig undo, undo_from_json(record));
    return restore_link_config(undo);
  }

  [[nodiscard]] Status check_undo(const Json& record) const override {
    auto undo = undo_from_json(record);
    return undo ? Status{} : tl::make_unexpected(undo.error());
  }
};

}  // namespace

const Injector& link_down() {
  static const LinkDown injector;
  return injector;
}

}  // namespace grit
