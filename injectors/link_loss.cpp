// link_loss: a share of the packets of a network interface is lost, one by one or in bursts.
//
// netem (tc-netem(8)) loses what the interface sends: it takes the place of its qdiscs, which come back exactly as they
// were. The kernel hands over up to 64 KiB of a TCP stream at once for the NIC to cut; it is cut before netem, which so
// loses packets of the wire one by one. nftables sees them uncut (on the way in, put together again by GRO): the same
// share of the packets is lost, but many in a row, fewer times. Where the kernel has no netem, or packets that come in
// shall be lost, nftables rules do (packet_loss_nft.hpp); the kernel removes them with the agent, so that there is
// nothing to undo. What nftables loses on its way out its sender is told of (EPERM): UDP programs see an error, and TCP
// sends it later without counting a retransmit. netem, and nftables with direction = "in", lose it in silence, as a bad
// cable does.
#include <algorithm>

#include "injectors/faults.hpp"
#include "injectors/nic.hpp"
#include "injectors/packet_loss_nft.hpp"
#include "injectors/root_qdisc.hpp"

namespace grit {
namespace {

constexpr std::int64_t kLimit_packets = 100'000;  // as link_delay: never the queue's own limit

/// Gilbert's model of bursts (Bell System Technical Journal 39, 1960): in the bad state every packet is lost, in the
/// good one none. The mean length of a burst is 1 / to_good; to_bad / (to_bad + to_good) of the packets are lost.
TcNetem::Bursts bursts_of(double loss, double mean_length) {
  const double to_good = 1 / mean_length;
  return {.to_bad = std::min(1.0, to_good * loss / (1 - loss)), .to_good = to_good};
}

NftLoss nft_loss(const Target& target) {
  return {.nic = target.device, .direction = target.params.text("direction"), .share = target.params.number("loss")};
}

class LinkLoss final : public RootQdiscInjector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "link_loss",
        .summary = "A share of the packets of a network interface is lost, one by one or in bursts",
        .params =
            {fault_nic_param(),
             {"loss", Unit::fraction, 0.01, "share of the packets that are lost", {}, 1e-6, 1.0},
             {"burst", Unit::number, 1.0, "mean number of packets lost in a row; 1: each by itself", {}, 1.0, 1e4},
             {"direction",
              Unit::text,
              "out",
              "what the node sends, what it receives, or both; \"in\" and \"both\" by nftables only",
              {"out", "in", "both"}},
             {"mechanism",
              Unit::text,
              "auto",
              "netem, or nftables (no choice of bursts: of a TCP stream it loses up to 64 KiB in a row; senders are "
              "told what it "
              "loses going out)",
              {"auto", "netem", "nftables"}}},
        .mechanisms = {"netem", "nftables"},
        .needs = {"CAP_NET_ADMIN in the node's network namespace", "a kernel with sch_netem, or with nftables"},
        .touches = {kRootQdisc},
        .undo = UndoClass::persistent,
        .takes_nic = true};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node& node, const Params& params) const override {
    const std::string asked = params.text("mechanism");
    const bool bursts = params.number("burst") > 1, out = params.text("direction") == "out";
    if (bursts && (asked == "nftables" || !out))
      return usage_error("link_loss: bursts need netem, which loses only what the node sends: direction = \"out\"");
    if (asked == "netem" && !out)
      return usage_error(
          "link_loss: netem loses only what the node sends: direction = \"out\", or the nftables mechanism");
    if (bursts && params.number("loss") >= 1) return usage_error("link_loss: with loss = \"100%\" there are no bursts");
    return Injector::resolve_device(node, params);
  }

  [[nodiscard]] std::string mechanism(const Node& node, const Params& params) const override {
    const std::string only = only_choice(params);
    return (only.empty() ? "netem, else nftables" : only) + past_rdma(node, params);
  }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    std::vector<Mechanism> all = RootQdiscInjector::mechanisms_here();
    all.push_back({"nftables", why_no_nft_loss({.nic = "lo", .share = 0.5})});
    return all;
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    const auto chosen = choose(target);
    return chosen ? std::nullopt : std::optional(chosen.error().message);
  }

  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    GRIT_TRY(const std::string chosen, choose(target));
    if (chosen == "netem") return RootQdiscInjector::prepare(target);
    return without_undo(make_nft_loss(nft_loss(target)));
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "drops") || grew(before, after, "dropped_packets");
  }

 protected:
  [[nodiscard]] std::string kind() const override { return "netem"; }
  [[nodiscard]] std::uint32_t handle() const override { return root_handle::kLoss; }
  [[nodiscard]] Status install(Tc& tc, const Link& link, std::uint32_t handle, const Params& params,
                               QdiscDose dose) const override {
    TcNetem netem;
    const double burst = params.number("burst");
    if (dose == QdiscDose::none)
      netem.loss = 0;
    else if (burst > 1)
      netem.bursts = bursts_of(params.number("loss"), burst);
    else
      netem.loss = params.number("loss");
    netem.limit_packets = kLimit_packets;
    return tc.replace_root(link.ifindex, handle, netem, largest_frame_bytes(link));
  }

 private:
  /// The mechanism that was asked for, or the only one that can do what was; empty: either.
  static std::string only_choice(const Params& params) {
    if (params.text("mechanism") != "auto") return params.text("mechanism");
    if (params.text("direction") != "out") return "nftables";
    return params.number("burst") > 1 ? "netem" : "";
  }

  static std::optional<std::string> why_no_netem(const std::string& nic) {
    const auto tried = [&]() -> Status {
      GRIT_TRY(const RootQdiscUndo undo, read_root_qdisc(nic));
      GRIT_TRY(Tc tc, Tc::open());
      for (const char* needed : {"netem", "tbf"})  // a token bucket cuts what netem shall lose packet by packet
        if (const auto why = tc.why_not(undo.link.ifindex, needed)) return unavailable_error(*why);
      return {};
    }();
    return tried ? std::nullopt : std::optional(tried.error().message);
  }

  /// The first that works here. Error (unavailable): none does; says why of each.
  static Result<std::string> choose(const Target& target) {
    const std::string only = only_choice(target.params);
    std::string reasons;
    if (only != "nftables") {
      const auto why = why_no_netem(target.device);
      if (!why) return "netem";
      reasons = "netem: " + *why;
    }
    if (only != "netem") {
      const auto why = why_no_nft_loss(nft_loss(target));
      if (!why) return "nftables";
      reasons += (reasons.empty() ? "nftables: " : "; nftables: ") + *why;
    }
    return unavailable_error(reasons);
  }
};

}  // namespace

const Injector& link_loss() {
  static const LinkLoss injector;
  return injector;
}

}  // namespace grit
