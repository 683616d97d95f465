// ethernet_flood: other traffic on the data network, TCP or UDP, from the nodes in `on` to others: one to one, incast
// (several to one), all to all.
//
// The receivers take part too: they listen while they are armed, so that senders are connected before the block starts.
// Every stream is a process of its own at both ends. Payload is counted where it is certain (TCP: acknowledged; UDP:
// taken by the kernel; receivers: taken off the socket); what says that it went through the NIC are that NIC's own
// counters.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "harness/base/clock.hpp"
#include "harness/os/netlink.hpp"
#include "injectors/faults.hpp"
#include "injectors/flood_flows.hpp"
#include "injectors/flood_traffic.hpp"
#include "injectors/nic.hpp"
#include "injectors/worker.hpp"

namespace grit {
namespace {

constexpr const char* kSentTo = "sent_bytes_to_";
constexpr const char* kReceivedFrom = "received_bytes_from_";

/// What this node's workers do, and the names of the counters they move.
struct Work {
  std::vector<WorkerFault::Body> bodies{};
  std::vector<std::string> counter_names{};
  std::vector<FloodStream> listening{};
};

class WorkBuilder {
 public:
  WorkBuilder(const Target& target, bool offload) : target_(target) {
    stream_.device = target.device;
    stream_.udp = target.params.text("protocol") == "udp";
    stream_.offload = offload;
    stream_.packet_bytes = target.params.integer("packet");
    streams_ = static_cast<int>(target.params.integer("streams"));
  }

  Work build(const FloodRole& role) {
    // A worker's page has room for so many counters; with more flows in a direction they share one.
    const bool share = role.send.size() + role.listen.size() > static_cast<std::size_t>(WorkerPage::kCounters);
    const auto sending = static_cast<std::int64_t>(role.send.size()) * streams_;
    if (sending > 0) rate_bits_per_s_ = target_.params.integer("rate") / sending;
    if (sending > 0 && target_.params.integer("rate") > 0)
      rate_bits_per_s_ = std::max<std::int64_t>(rate_bits_per_s_, 1);
    for (const FloodFlow& flow : role.listen)
      add(flow, kReceivedFrom + (share ? "all" : std::to_string(flow.from)), flood_receive);
    for (const FloodFlow& flow : role.send) add(flow, kSentTo + (share ? "all" : std::to_string(flow.to)), flood_send);
    return std::move(work_);
  }

 private:
  void add(const FloodFlow& flow, const std::string& counter, void (*body)(const FloodStream&, WorkerPage&)) {
    auto& names = work_.counter_names;
    const auto found = std::find(names.begin(), names.end(), counter);
    FloodStream one = stream_;
    one.counter = static_cast<std::size_t>(found - names.begin());
    if (found == names.end()) names.push_back(counter);
    one.source = flow.source;
    one.destination = flow.destination;
    one.rate_bits_per_s = rate_bits_per_s_;
    for (int i = 0; i < streams_; ++i) {
      one.port = flow.port + i;
      if (body == flood_receive) work_.listening.push_back(one);
      work_.bodies.emplace_back([one, body](WorkerPage& page) { body(one, page); });
    }
  }

  const Target& target_;
  FloodStream stream_{};
  int streams_ = 1;
  std::int64_t rate_bits_per_s_ = 0;
  Work work_{};
};

bool choose_offload(const Params& params) {
  return params.text("mechanism") != "plain" && !why_no_offload(params.text("protocol") == "udp");
}

Result<LinkTraffic> read_traffic(const std::string& device) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const Link link, netlink.link(device));
  return link.traffic;
}

/// The workers, and what the interface moved while they ran.
class FloodWorkers final : public WorkerFault {
 public:
  static Result<std::unique_ptr<Fault>> make(const Target& target) {
    GRIT_TRY(const FloodRole role, flood_role_from_json(target.resolved));
    const bool offload = choose_offload(target.params);
    Work work = WorkBuilder(target, offload).build(role);
    std::unique_ptr<FloodWorkers> load(new FloodWorkers(std::move(work), target.device, offload ? "offload" : "plain"));
    GRIT_CHECK(load->make_workers());
    return load;
  }

  Status start() override {
    if (since_ns_ != 0) return {};
    GRIT_TRY(traffic_then_, read_traffic(device_));
    since_ns_ = monotonic_ns();
    return WorkerFault::start();
  }

  Status stop() override {
    GRIT_CHECK(WorkerFault::stop());
    if (since_ns_ == 0) return {};
    past_ns_ += monotonic_ns() - since_ns_;
    since_ns_ = 0;
    auto now = read_traffic(device_);
    if (!now) return {};  // the interface is gone: nothing of ours is on it
    past_tx_bytes_ += now->tx_bytes - traffic_then_.tx_bytes;
    past_rx_bytes_ += now->rx_bytes - traffic_then_.rx_bytes;
    return {};
  }

  Result<Reading> read() override {
    GRIT_TRY(Reading reading, WorkerFault::read());
    reading.details["interface"] = device_;
    reading.details["mechanism"] = mechanism_;
    return reading;
  }

  Result<Json> counters() override {
    GRIT_TRY(Json all, WorkerFault::counters());
    const auto now = read_traffic(device_);
    if (!now) return all;  // gone; acted() then sees that its counters are missing
    all["tx_bytes"] = now->tx_bytes;
    all["rx_bytes"] = now->rx_bytes;
    all["tx_packets"] = now->tx_packets;
    all["rx_packets"] = now->rx_packets;
    const bool on = since_ns_ != 0;
    const std::int64_t in_force_ns = past_ns_ + (on ? monotonic_ns() - since_ns_ : 0);
    const auto rate = [&](std::int64_t bytes) {
      return in_force_ns == 0
                 ? 0
                 : static_cast<std::int64_t>(8e9 * static_cast<double>(bytes) / static_cast<double>(in_force_ns));
    };
    all["in_force_ns"] = in_force_ns;
    all["tx_bits_per_s"] = rate(past_tx_bytes_ + (on ? now->tx_bytes - traffic_then_.tx_bytes : 0));
    all["rx_bits_per_s"] = rate(past_rx_bytes_ + (on ? now->rx_bytes - traffic_then_.rx_bytes : 0));
    return all;
  }

 private:
  FloodWorkers(Work work, std::string device, std::string mechanism)
      : WorkerFault("grit-flood", std::move(work.bodies), std::move(work.counter_names)),
        device_(std::move(device)),
        mechanism_(std::move(mechanism)) {}
  [[nodiscard]] bool ends_at_once() const override { return true; }

  std::string device_;
  std::string mechanism_;
  std::int64_t since_ns_ = 0;  // 0: not in force
  std::int64_t past_ns_ = 0;   // of earlier starts
  std::int64_t past_tx_bytes_ = 0;
  std::int64_t past_rx_bytes_ = 0;
  LinkTraffic traffic_then_{};
};

class EthernetFlood final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "ethernet_flood",
        .summary = "TCP or UDP traffic from the nodes to others over their NICs, at a rate or as fast as it goes",
        .params =
            {fault_nic_param(),
             {"to", Unit::text, "others",
              "receivers: \"others\" (nodes not in `on`), \"any\" (one of them), \"all\", or a list \"1,3-5\""},
             {"protocol", Unit::text, "tcp", "what is sent", {"tcp", "udp"}},
             {"rate",
              Unit::bits_per_s,
              0,
              "payload each sending node sends in all, over all its receivers and streams; 0: as fast as it goes",
              {},
              0.0,
              {}},
             {"streams",
              Unit::count,
              2,
              "connections of one node to another, each a process at both ends",
              {},
              1.0,
              64.0},
             {"packet",
              Unit::size_bytes,
              1472,
              "UDP payload of a packet (1472 fills an MTU of 1500)",
              {},
              16.0,
              65'000.0},
             {"mechanism",
              Unit::text,
              "auto",
              "\"offload\": zero copy (TCP), segmentation offload (UDP); \"plain\": every byte, every packet by itself",
              {"auto", "offload", "plain"}}},
        .mechanisms = {"offload", "plain"},
        .needs = {"an address on the NIC of every node that takes part", "UDP offload: Linux 5.0 or later"},
        .undo = UndoClass::process,
        .takes_nic = true,
        .peers = "to",
        .dose = {"rate"}};
    return info;
  }

  [[nodiscard]] std::string mechanism(const Node&, const Params& params) const override {
    const std::string asked = params.text("mechanism");
    return asked == "auto" ? "offload, else plain" : asked;
  }

  [[nodiscard]] Result<std::vector<int>> nodes(const Topology& topology, const std::vector<int>& on,
                                               const Params& params) const override {
    GRIT_TRY(const FloodRule rule, flood_rule(topology, on, params));
    GRIT_CHECK(check_addresses(topology, rule));
    std::vector<int> all;
    std::set_union(rule.senders.begin(), rule.senders.end(), rule.receivers.begin(), rule.receivers.end(),
                   std::back_inserter(all));
    return all;
  }

  [[nodiscard]] Result<Json> resolve(const Topology& topology, const std::vector<int>& on, const Node&,
                                     const Params& params) const override {
    GRIT_TRY(const FloodRule rule, flood_rule(topology, on, params));
    return Json{{"rule", to_json(rule)}};
  }

  [[nodiscard]] Result<Json> resolved_on(const Topology& topology, int node, const Json& resolved) const override {
    if (!resolved.is_object() || !resolved.contains("rule")) return resolved;
    GRIT_TRY(const FloodRule rule, flood_rule_from_json(resolved["rule"], topology));
    GRIT_TRY(const FloodRole role, flood_role(topology, rule, node));
    return to_json(role);
  }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    auto why_not = why_no_offload(true);
    return {{"offload", why_not ? why_not : why_no_offload(false)}, {"plain", std::nullopt}};
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    const auto tried = try_out(target);
    return tried ? std::nullopt : std::optional(tried.error().message);
  }

  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    return without_undo(FloodWorkers::make(target));
  }

  /// Every flow of this node moved payload, and the interface moved at least nine tenths as much (a UDP packet may be
  /// dropped between the socket and the NIC).
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    std::int64_t sent_bytes = 0, received_bytes = 0;
    for (const auto& [name, now] : after.items()) {
      const bool sends = name.starts_with(kSentTo);
      if (!sends && !name.starts_with(kReceivedFrom)) continue;
      const std::int64_t moved_bytes = now.get<std::int64_t>() - before.value(name, std::int64_t{0});
      if (moved_bytes <= 0) return false;
      (sends ? sent_bytes : received_bytes) += moved_bytes;
    }
    const auto interface = [&](const char* key) {
      return static_cast<double>(after.value(key, std::int64_t{0}) - before.value(key, std::int64_t{0}));
    };
    return sent_bytes + received_bytes > 0 && interface("tx_bytes") >= 0.9 * static_cast<double>(sent_bytes) &&
           interface("rx_bytes") >= 0.9 * static_cast<double>(received_bytes);
  }

 private:
  static Status try_out(const Target& target) {
    const bool udp = target.params.text("protocol") == "udp";
    if (target.params.text("mechanism") == "offload")
      if (const auto why = why_no_offload(udp)) return unavailable_error(*why + ". Use mechanism = \"plain\"");
    GRIT_TRY(Netlink netlink, Netlink::open());
    GRIT_TRY(const Link link, netlink.link(target.device));
    if (!link.up() || !link.carrier)
      return unavailable_error(fmt::format("{} is down: set it up first (ip link set {} up)", link.name, link.name));
    GRIT_TRY(const FloodRole role, flood_role_from_json(target.resolved));
    for (const FloodStream& one : WorkBuilder(target, true).build(role).listening) GRIT_CHECK(try_flood_port(one));
    for (const FloodFlow& flow : role.send)
      GRIT_CHECK(try_flood_port({.destination = flow.source, .device = target.device, .udp = udp}));
    return {};
  }
};

}  // namespace

const Injector& ethernet_flood() {
  static const EthernetFlood injector;
  return injector;
}

}  // namespace grit
