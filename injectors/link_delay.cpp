// link_delay: what a network interface sends arrives later, by a fixed or a random time, in order or not.
//
// netem (tc-netem(8)) takes the place of the interface's qdiscs, which come back exactly as they were. Packets that
// wait in it when it goes are lost.
#include "harness/base/clock.hpp"
#include "injectors/faults.hpp"
#include "injectors/nic.hpp"
#include "injectors/root_qdisc.hpp"

namespace grit {
namespace {

/// netem's own default of 1000 drops what a fast link sends in a millisecond; what waits is bounded by the sockets.
constexpr std::int64_t kLimit_packets = 100'000;

class LinkDelay final : public RootQdiscInjector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "link_delay",
        .summary = "Packets that a network interface sends arrive later, by a fixed or a random time",
        .params =
            {fault_nic_param(),
             {"delay", Unit::time_ns, 5 * kNsPerMs, "how much later", {}, 0.0, 60.0 * kNsPerS},
             {"jitter", Unit::time_ns, 0, "at random so much more or less", {}, 0.0, 60.0 * kNsPerS},
             {"distribution",
              Unit::text,
              "normal",
              "of the jitter: as its standard deviation (normal, pareto) or its largest (uniform)",
              {"normal", "uniform", "pareto"}},
             {"correlation", Unit::fraction, 0.0, "of a packet's jitter with the one's before it", {}, 0.0, 1.0},
             {"reorder", Unit::fraction, 0.0, "share of packets sent without delay, before others", {}, 0.0, 1.0}},
        .mechanisms = {"netem"},
        .needs = {"CAP_NET_ADMIN in the node's network namespace", "a kernel with sch_netem"},
        .touches = {kRootQdisc},
        .undo = UndoClass::persistent,
        .takes_nic = true};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node& node, const Params& params) const override {
    if (params.integer("delay") == 0 && (params.integer("jitter") == 0 || params.number("reorder") > 0))
      return usage_error("link_delay: `delay` is 0, so that nothing would be later (or reordered)");
    return Injector::resolve_device(node, params);
  }

  /// Every packet that has left netem has been through its delay.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "sent_packets");
  }

 protected:
  [[nodiscard]] std::string kind() const override { return "netem"; }
  [[nodiscard]] std::uint32_t handle() const override { return root_handle::kDelay; }
  [[nodiscard]] Status install(Tc& tc, const Link& link, std::uint32_t handle, const Params& params,
                               QdiscDose dose) const override {
    TcNetem netem;
    netem.limit_packets = kLimit_packets;
    if (dose == QdiscDose::none) return tc.replace_root(link.ifindex, handle, netem);
    netem.delay_ns = params.integer("delay");
    netem.jitter_ns = params.integer("jitter");
    netem.delay_correlation = params.number("correlation");
    netem.reorder = params.number("reorder");
    if (netem.jitter_ns > 0) netem.distribution = netem_distribution(params.text("distribution"));
    return tc.replace_root(link.ifindex, handle, netem);
  }
};

}  // namespace

const Injector& link_delay() {
  static const LinkDelay injector;
  return injector;
}

}  // namespace grit
