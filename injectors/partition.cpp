// partition: nodes cannot reach each other over the data network.
//
// Rules on the `on` nodes alone drop what goes to and comes from the other side's data addresses, and only on the data
// NIC: management traffic is never touched. Everything IP is dropped, whatever the protocol; ARP is not, so the link
// looks healthy. The rules are an nftables table that the kernel removes when the agent ends (harness/os/nftables.hpp).
// RDMA passes the kernel by: RoCE and InfiniBand are not cut.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "harness/base/clock.hpp"
#include "injectors/faults.hpp"
#include "injectors/nic.hpp"
#include "injectors/packet_loss_nft.hpp"

namespace grit {
namespace {

bool has(const std::vector<int>& all, int one) { return std::find(all.begin(), all.end(), one) != all.end(); }

Result<std::vector<int>> listed_nodes(const Topology& topology, const std::string& text) {
  std::vector<int> listed;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    int index = -1;
    const auto parsed = std::from_chars(text.data() + at, text.data() + comma, index);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + comma)
      return usage_error("partition: `from` = \"" + text + "\": expected \"others\", \"all\" or nodes such as \"1,3\"");
    if (std::none_of(topology.nodes.begin(), topology.nodes.end(), [&](const Node& n) { return n.index == index; }))
      return usage_error(fmt::format("partition: `from` = \"{}\": there is no node {}", text, index));
    listed.push_back(index);
    at = comma + 1;
  }
  return listed;
}

/// The nodes that `node` is cut off from; never itself.
Result<std::vector<int>> other_side(const Topology& topology, const std::vector<int>& on, const Node& node,
                                    const std::string& from) {
  std::vector<int> side;
  if (from == "others" || from == "all") {
    for (const Node& one : topology.nodes)
      if (from == "all" || !has(on, one.index)) side.push_back(one.index);
  } else {
    GRIT_TRY(side, listed_nodes(topology, from));
  }
  side.erase(std::remove(side.begin(), side.end(), node.index), side.end());
  if (side.empty())
    return usage_error(
        fmt::format("partition: node {} has nobody to be cut off from with from = \"{}\"", node.index, from));
  return side;
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
        .params = {{"nic", Unit::text, "data", "\"data\": the node's first data NIC; or the name of an interface"},
                   {"from", Unit::text, "others",
                    "whom they are cut off from: \"others\", \"all\", or nodes such as \"1,3\""},
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
        .takes_nic = true};
    return info;
  }

  [[nodiscard]] Result<Json> resolve(const Topology& topology, const std::vector<int>& on, const Node& node,
                                     const Params& params) const override {
    GRIT_TRY(const std::vector<int> side, other_side(topology, on, node, params.text("from")));
    std::set<std::string> peers;
    for (const Node& one : topology.nodes) {
      if (!has(side, one.index)) continue;
      const std::size_t before = peers.size();
      for (const Nic& nic : one.nics)
        if (nic.role == NicRole::data)
          for (const std::string& address : nic.addresses) peers.insert(address.substr(0, address.find('/')));
      if (peers.size() == before)
        return usage_error(fmt::format("partition: node {} has no address on a data NIC", one.index));
    }
    return Json{{"peers", peers}, {"nodes", side}};
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
