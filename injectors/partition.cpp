// partition: nodes cannot reach each other over the data network.
//
// Rules on the `on` nodes alone drop what goes to and comes from the other side's data addresses, and only on the data
// NIC: management traffic is never touched. Everything IP is dropped, whatever the protocol; ARP is not, so the link
// looks healthy. The rules are an nftables table that the kernel removes when the agent ends (harness/os/nftables.hpp).
// RDMA passes the kernel by: RoCE and InfiniBand are not cut.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "harness/base/clock.hpp"
#include "injectors/faults.hpp"
#include "injectors/nic.hpp"
#include "injectors/node_list.hpp"
#include "injectors/packet_loss_nft.hpp"

namespace grit {
namespace {

/// The data addresses of these nodes. Error (usage): one has none.
Result<std::vector<std::string>> data_addresses(const Topology& topology, const std::vector<int>& nodes) {
  std::vector<std::string> all;
  for (const int node : nodes) {
    const std::size_t before = all.size();
    for (const Nic& nic : topology.nodes[static_cast<std::size_t>(node)].nics) {
      if (nic.role != NicRole::data) continue;
      const auto addresses = addresses_of(nic);
      all.insert(all.end(), addresses.begin(), addresses.end());
    }
    if (all.size() == before) return usage_error(fmt::format("partition: node {} has no address on a data NIC", node));
  }
  return all;
}

Result<NftLoss> loss_of(const Target& target) {
  NftLoss loss{.nic = target.device, .direction = target.params.text("direction")};
  const Json peers = target.resolved.value("peers", Json::array());
  for (const Json& peer : peers)
    if (peer.is_string()) loss.peers.push_back(peer.get<std::string>());
  // Without peers the rules would match everything.
  if (loss.peers.empty()) return usage_error("partition: the plan names no peer's address");
  return loss;
}

class Partition final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "partition",
        .summary = "Nodes cannot reach each other over the data network: their packets are dropped",
        .params =
            {fault_nic_param(),
             {"from", Unit::text, "others",
              "whom they are cut off from: \"others\", \"any\" (one of them), \"all\", or nodes such as \"1,3-5\""},
             {"direction",
              Unit::text,
              "both",
              "of the packets dropped, as seen from the nodes in `on`",
              {"both", "in", "out"}},
             {"after", Unit::time_ns, kNsPerS / 5, "from the start of the block to the cut", {}, 0.0, {}},
             {"lasts",
              Unit::time_ns,
              kNsPerS / 2,
              "until it heals; a collective over TCP stands still as long, so a block never ends before",
              {},
              static_cast<double>(kNsPerMs),
              {}}},
        .mechanisms = {"nftables"},
        .needs = {"CAP_NET_ADMIN in the node's network namespace", "nf_tables with owner tables (Linux 5.12)"},
        .undo = UndoClass::kernel,
        .takes_nic = true,
        .peers = "from"};
    return info;
  }

  [[nodiscard]] Result<Json> resolve(const Topology& topology, const std::vector<int>& on, const Node& node,
                                     const Params& params) const override {
    GRIT_TRY(std::vector<int> side, listed_nodes("partition: `from`", params.text("from"), topology, on));
    std::erase(side, node.index);  // a node is never cut off from itself
    if (side.empty())
      return usage_error(fmt::format("partition: node {} has nobody to be cut off from with from = \"{}\"", node.index,
                                     params.text("from")));
    for (const int peer : side) GRIT_CHECK(data_addresses(topology, {peer}));
    return Json{{"nodes", node_ranges(side)}};
  }

  [[nodiscard]] Result<Json> resolved_on(const Topology& topology, int /*node*/, const Json& resolved) const override {
    if (!resolved.is_object() || resolved.contains("peers")) return resolved;
    GRIT_TRY(const std::vector<int> side, nodes_of_ranges(resolved.value("nodes", Json()), topology.nodes.size()));
    GRIT_TRY(const auto peers, data_addresses(topology, side));
    return Json{{"peers", peers}};
  }

  [[nodiscard]] std::vector<Pulse> pulses(const Params& params) const override {
    const std::int64_t start_ns = params.integer("after");
    return {{start_ns, start_ns + params.integer("lasts")}};
  }

  [[nodiscard]] std::string mechanism(const Node& node, const Params& params) const override {
    return "nftables" + past_rdma(node, params);
  }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    return {{"nftables", why_no_nft_loss({.nic = "lo", .share = 1})}};
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    auto loss = loss_of(target);
    return loss ? why_no_nft_loss(*loss) : std::optional(loss.error().message);
  }

  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    GRIT_TRY(const NftLoss loss, loss_of(target));
    return without_undo(make_nft_loss(loss));
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "dropped_packets");
  }
};

}  // namespace

const Injector& partition() {
  static const Partition injector;
  return injector;
}

}  // namespace grit
