#include "injectors/root_qdisc.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "harness/base/files.hpp"
#include "harness/os/closed_object.hpp"
#include "harness/os/netlink.hpp"
#include "injectors/link_state.hpp"
#include "injectors/nic.hpp"

namespace grit {
namespace {

constexpr std::uint32_t kFirstHandle = root_handle::kRate;
constexpr std::uint32_t kLastHandle = root_handle::kNone;

/// What the kernel makes where nobody has asked for a qdisc, as far as it can be seen: the setting shows in the first
/// network namespace only.
std::optional<std::string> default_qdisc() {
  auto text = read_file("/proc/sys/net/core/default_qdisc");
  if (!text) return std::nullopt;
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return *text;
}

/// A default comes back by itself when ours goes, but as what the default is then.
std::optional<std::string> why_not_default(const TcTree& tree) {
  if (tree.root()->handle != 0) return std::nullopt;
  const auto is_now = default_qdisc();
  if (!is_now) return std::nullopt;
  for (const TcQdisc& qdisc : tree.qdiscs)
    if (qdisc.kind != "noqueue" && qdisc.kind != "mq" && qdisc.kind != *is_now)
      return fmt::format(
          "its qdisc {} was the default when it came up, and {} is now, so that it would not come back. "
          "Set net.core.default_qdisc={} or name another NIC",
          qdisc.kind, *is_now, qdisc.kind);
  return std::nullopt;
}

}  // namespace

std::int64_t largest_frame_bytes(const Link& link) {
  // Ethernet's header with two VLAN tags has 22 bytes, IPoIB's 24 (IPOIB_HARD_LEN in drivers/infiniband/ulp/ipoib).
  // What is to be cut has at least a whole segment more than one frame.
  constexpr std::int64_t kHeader_bytes = 64;
  return link.mtu_bytes + kHeader_bytes;
}

Result<RootQdiscUndo> read_root_qdisc(const std::string& nic) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const Link link, netlink.link(nic));
  if (!link.up()) return unavailable_error(fmt::format("{0} is down: set it up first (ip link set {0} up)", nic));
  GRIT_TRY(Tc tc, Tc::open());
  RootQdiscUndo undo;
  GRIT_TRY(undo.link, link_identity(link));
  GRIT_TRY(undo.before, tc.tree(link.ifindex));
  auto why = why_not_restorable(undo.before);
  if (!why) why = why_not_default(undo.before);
  if (why) return unavailable_error(fmt::format("the qdiscs of {} cannot be replaced: {}", nic, *why));
  const std::uint32_t root = undo.before.root()->handle;
  if (root >= kFirstHandle && root <= kLastHandle)
    return unavailable_error(
        fmt::format("{} has the root qdisc of a fault already. `grit revert` takes off what a run "
                    "has left",
                    nic));
  return undo;
}

Json to_json(const RootQdiscUndo& undo) { return Json{{"link", to_json(undo.link)}, {"before", to_json(undo.before)}}; }

std::vector<Injector::Mechanism> RootQdiscInjector::mechanisms_here() const {
  constexpr int kLoopback = 1;
  auto tc = Tc::open();
  return {{kind(), tc ? tc->why_not(kLoopback, kind()) : tc.error().message}};
}

std::optional<std::string> RootQdiscInjector::why_unavailable(const Target& target) const {
  const auto tried = [&]() -> Status {
    GRIT_TRY(const RootQdiscUndo undo, read_root_qdisc(target.device));
    GRIT_TRY(Tc tc, Tc::open());
    if (auto why = tc.why_not(undo.link.ifindex, kind())) return unavailable_error(*why);
    return {};
  }();
  return tried ? std::nullopt : std::optional(tried.error().message);
}

Result<RootQdiscUndo> RootQdiscInjector::snapshot(const Target& target) const { return read_root_qdisc(target.device); }

Result<RootQdiscUndo> RootQdiscInjector::parse(const Json& record) const {
  ClosedObject object(record, "undo record of " + info().name);
  const Json& link = object.object("link");
  const Json& before = object.object("before");
  GRIT_CHECK(object.done());
  RootQdiscUndo undo;
  GRIT_TRY(undo.link, link_identity_from_json(link));
  GRIT_TRY(undo.before, tc_tree_from_json(before));
  return undo;
}

std::string RootQdiscInjector::mechanism(const Node& node, const Params& params) const {
  return kind() + past_rdma(node, params);
}

Status RootQdiscInjector::set(const Target& target, const RootQdiscUndo& undo) const {
  return put(target, undo, QdiscDose::whole);
}

Status RootQdiscInjector::put(const Target& target, const RootQdiscUndo& undo, QdiscDose dose) const {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const Link link, present_link(netlink, undo.link));
  GRIT_TRY(Tc tc, Tc::open());
  GRIT_TRY(const TcTree now, tc.tree(link.ifindex));
  const auto differences = tc_differences(undo.before, now);
  if (!differences.empty())
    return internal_error(
        fmt::format("the qdiscs of {} are not what they were a moment ago: {}. One fault at a time can "
                    "have the root qdisc of a NIC",
                    link.name, fmt::join(differences, "; ")));
  return install(tc, link, dose == QdiscDose::none ? root_handle::kNone : handle(), target.params, dose);
}

Result<Reading> RootQdiscInjector::read(const Target&, const RootQdiscUndo& undo) const {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const auto link, find_same_link(netlink, undo.link));
  Reading reading;
  reading.details["interface"] = undo.link.name;
  reading.details["present"] = link.has_value();
  if (!link) return reading;
  GRIT_TRY(Tc tc, Tc::open());
  GRIT_TRY(const TcTree now, tc.tree(link->ifindex));
  const TcQdisc* root = now.root();
  const auto is_ours = [&](const TcQdisc& one) { return one.kind == kind(); };
  const auto ours = std::find_if(now.qdiscs.begin(), now.qdiscs.end(), is_ours);
  const auto count = std::count_if(now.qdiscs.begin(), now.qdiscs.end(), is_ours);
  reading.left = root != nullptr && (root->handle == handle() || root->handle == root_handle::kNone);
  reading.holds = root != nullptr && root->handle == handle() && count >= std::max<std::int64_t>(1, now.queues());
  reading.details["root"] = root != nullptr ? root->kind : "none";
  reading.details["mechanism"] = kind();
  if (now.queues() > 0) reading.details["queues"] = now.queues();
  if (reading.holds) reading.details["options"] = describe_qdisc_options(*ours);
  return reading;
}

Result<Json> RootQdiscInjector::counters(const Target&, const RootQdiscUndo& undo) const {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const Link link, present_link(netlink, undo.link));
  GRIT_TRY(Tc tc, Tc::open());
  GRIT_TRY(const auto root, tc.root(link.ifindex));
  const TcCounters now = root && root->qdisc.handle == handle() ? root->counters : TcCounters{};
  return Json{{"sent_packets", now.sent_packets},
              {"drops", now.drops},
              {"overlimits", now.overlimits},
              {"backlog_bytes", now.backlog_bytes}};
}

class RootQdiscInjector::Running final : public SettingInjector<RootQdiscUndo>::Running {
 public:
  Running(const RootQdiscInjector& injector, const Target& target, RootQdiscUndo undo)
      : SettingInjector<RootQdiscUndo>::Running(injector, target, std::move(undo)), injector_(injector) {}
  Result<bool> start_null() override {
    GRIT_CHECK(injector_.put(target_, undo_, QdiscDose::none));
    return true;
  }

 private:
  const RootQdiscInjector& injector_;
};

Result<std::unique_ptr<Fault>> RootQdiscInjector::make_fault(const Target& target, RootQdiscUndo undo) const {
  return std::make_unique<Running>(*this, target, std::move(undo));
}

Result<Reverted> RootQdiscInjector::restore(const RootQdiscUndo& undo) const {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const auto link, find_same_link(netlink, undo.link));
  if (!link) return Reverted::gone;
  GRIT_TRY(Tc tc, Tc::open());
  GRIT_TRY(const auto root, tc.root(link->ifindex));
  const bool none = root && root->qdisc.handle == root_handle::kNone;
  const Status restored = tc.restore(link->ifindex, undo.before, none ? root_handle::kNone : handle());
  if (restored) return Reverted::put_back;
  // It may have been deleted under our hands: then there is nothing left to put back.
  GRIT_TRY(const auto still_there, find_same_link(netlink, undo.link));
  if (!still_there) return Reverted::gone;
  return with_context(restored.error(), undo.link.name + " is not as it was");
}

}  // namespace grit
