// The kernel's side: reading the tree, putting its parts. What they mean is in tc_tree.cpp.
#include "harness/os/tc.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>
#include <netlink/socket.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "harness/os/netlink_message.hpp"
#include "harness/os/tc_tree.hpp"

namespace grit {

using rtnl::Attributes;
using rtnl::Message;

namespace {

tcmsg tc_header(int ifindex, std::uint32_t handle, std::uint32_t parent) {
  tcmsg header{};
  header.tcm_family = AF_UNSPEC;
  header.tcm_ifindex = ifindex;
  header.tcm_handle = handle;
  header.tcm_parent = parent;
  return header;
}

const tcmsg& header_of(const nlmsghdr& message) { return *static_cast<const tcmsg*>(nlmsg_data(&message)); }

Attributes nested(const Attributes& attributes, int type) {
  const std::string_view inside = attributes.bytes(type);
  return {reinterpret_cast<const nlattr*>(inside.data()), static_cast<int>(inside.size())};
}

TcCounters read_counters(const Attributes& attributes) {
  const Attributes stats = nested(attributes, TCA_STATS2);
  const auto basic = rtnl::read_struct<gnet_stats_basic>(stats.bytes(TCA_STATS_BASIC));
  const auto queue = rtnl::read_struct<gnet_stats_queue>(stats.bytes(TCA_STATS_QUEUE));
  return {.sent_bytes = static_cast<std::int64_t>(basic.bytes),
          .sent_packets = basic.packets,
          .drops = queue.drops,
          .overlimits = queue.overlimits,
          .backlog_bytes = queue.backlog};
}

/// What the fields do not hold and the kernel does not show whole.
std::string unsupported_in(const Attributes& attributes) {
  if (attributes.has(TCA_STAB)) return "a size table (stab)";
  if (nested(attributes, TCA_STATS2).has(TCA_STATS_RATE_EST)) return "a rate estimator";
  if (attributes.has(TCA_INGRESS_BLOCK) || attributes.has(TCA_EGRESS_BLOCK)) return "a shared filter block";
  if (attributes.u32(TCA_CHAIN) != 0) return "a filter chain other than 0";
  return {};
}

void note_unsupported(TcTree& tree, const Attributes& attributes, const std::string& owner) {
  if (!tree.unsupported.empty()) return;
  if (const std::string what = unsupported_in(attributes); !what.empty()) tree.unsupported = what + " on " + owner;
}

bool is_hook(std::uint32_t parent) { return parent == TC_H_INGRESS || parent == TC_H_CLSACT; }

Message put_message(int type, int flags, const tcmsg& header, const std::string& kind, const std::string& options) {
  Message message(type, NLM_F_CREATE | flags);
  message.header(header).text(TCA_KIND, kind);
  if (!options.empty()) message.bytes(TCA_OPTIONS, options);
  return message;
}

/// Does what a part hangs on exist? `made`: handles of qdiscs and classes; `free`: handles of qdiscs whose classes come
/// with them.
struct Made {
  std::set<std::uint32_t> made{}, free{};
  [[nodiscard]] bool holds(std::uint32_t parent) const {
    return made.count(parent) != 0 || free.count(TC_H_MAJ(parent)) != 0;
  }
  void add(const TcQdisc& qdisc) {
    made.insert(qdisc.handle);
    if (!tc::has_own_classes(qdisc.kind)) free.insert(qdisc.handle);
  }
  void add(const TcClass& one) { made.insert(one.handle); }
};

}  // namespace

void Tc::SocketDeleter::operator()(nl_sock* socket) const { nl_socket_free(socket); }

Result<Tc> Tc::open() {
  GRIT_TRY(nl_sock* const socket, rtnl::open_socket());
  return Tc(socket);
}

Status Tc::read_qdiscs(int ifindex, TcTree& tree) {
  Message request(RTM_GETQDISC, NLM_F_DUMP);
  request.header(tc_header(ifindex, 0, 0));
  const auto receive = [&](const nlmsghdr& message) {
    const tcmsg& header = header_of(message);
    if (message.nlmsg_type != RTM_NEWQDISC || header.tcm_ifindex != ifindex || is_hook(header.tcm_parent)) return;
    const Attributes attributes(message, sizeof header);
    TcQdisc qdisc{attributes.text(TCA_KIND), header.tcm_handle, header.tcm_parent,
                  std::string(attributes.bytes(TCA_OPTIONS))};
    note_unsupported(tree, attributes, tc::describe(qdisc));
    const bool first = qdisc.parent == TC_H_ROOT;
    tree.qdiscs.insert(first ? tree.qdiscs.begin() : tree.qdiscs.end(), std::move(qdisc));
  };
  if (auto done = rtnl::exchange(socket_.get(), request, receive, [&] { tree = TcTree{}; }); !done)
    return Failure(rtnl::to_error(done.error(), "cannot list the qdiscs"));
  return {};
}

Status Tc::read_classes(int ifindex, TcTree& tree) {
  Message request(RTM_GETTCLASS, NLM_F_DUMP);
  request.header(tc_header(ifindex, 0, 0));
  const auto receive = [&](const nlmsghdr& message) {
    const tcmsg& header = header_of(message);
    if (message.nlmsg_type != RTM_NEWTCLASS || header.tcm_ifindex != ifindex) return;
    const Attributes attributes(message, sizeof header);
    TcClass one{attributes.text(TCA_KIND), header.tcm_handle, header.tcm_parent,
                std::string(attributes.bytes(TCA_OPTIONS))};
    if (!tc::has_own_classes(one.kind)) return;  // comes and goes with its qdisc
    note_unsupported(tree, attributes, tc::describe(one));
    tree.classes.push_back(std::move(one));
  };
  if (auto done = rtnl::exchange(socket_.get(), request, receive, [&] { tree.classes.clear(); }); !done)
    return Failure(rtnl::to_error(done.error(), "cannot list the traffic classes"));
  return {};
}

Status Tc::read_filters(int ifindex, std::uint32_t parent, TcTree& tree) {
  const std::size_t before = tree.filters.size();
  Message request(RTM_GETTFILTER, NLM_F_DUMP);
  request.header(tc_header(ifindex, 0, parent));
  const auto receive = [&](const nlmsghdr& message) {
    const tcmsg& header = header_of(message);
    if (message.nlmsg_type != RTM_NEWTFILTER || header.tcm_ifindex != ifindex) return;
    const Attributes attributes(message, sizeof header);
    TcFilter filter{attributes.text(TCA_KIND), header.tcm_handle, parent, header.tcm_info,
                    std::string(attributes.bytes(TCA_OPTIONS))};
    note_unsupported(tree, attributes, tc::describe(filter));
    // The kernel announces each priority by a message without options.
    if (filter.handle != 0 || !filter.options.empty()) tree.filters.push_back(std::move(filter));
  };
  if (auto done = rtnl::exchange(socket_.get(), request, receive, [&] { tree.filters.resize(before); }); !done)
    return Failure(rtnl::to_error(done.error(), "cannot list the traffic filters"));
  return {};
}

Result<TcTree> Tc::tree(int ifindex) {
  TcTree tree;
  GRIT_CHECK(read_qdiscs(ifindex, tree));
  GRIT_CHECK(read_classes(ifindex, tree));
  for (const TcQdisc& qdisc : std::vector<TcQdisc>(tree.qdiscs))
    if (qdisc.handle != 0 || qdisc.parent == TC_H_ROOT) GRIT_CHECK(read_filters(ifindex, qdisc.handle, tree));
  for (const TcClass& one : tree.classes) GRIT_CHECK(read_filters(ifindex, one.handle, tree));
  return tree;
}

Result<std::optional<TcRoot>> Tc::root(int ifindex) {
  std::optional<TcRoot> found;
  Message request(RTM_GETQDISC, NLM_F_DUMP);
  request.header(tc_header(ifindex, 0, 0));
  const auto receive = [&](const nlmsghdr& message) {
    const tcmsg& header = header_of(message);
    if (message.nlmsg_type != RTM_NEWQDISC || header.tcm_ifindex != ifindex || header.tcm_parent != TC_H_ROOT) return;
    const Attributes attributes(message, sizeof header);
    found = TcRoot{
        {attributes.text(TCA_KIND), header.tcm_handle, header.tcm_parent, std::string(attributes.bytes(TCA_OPTIONS))},
        read_counters(attributes)};
  };
  if (auto done = rtnl::exchange(socket_.get(), request, receive, [&] { found.reset(); }); !done)
    return Failure(rtnl::to_error(done.error(), "cannot list the qdiscs"));
  return found;
}

Result<std::vector<TcCounted>> Tc::counted() {
  std::vector<TcCounted> found;
  Message request(RTM_GETQDISC, NLM_F_DUMP);
  request.header(tc_header(0, 0, 0));
  const auto receive = [&](const nlmsghdr& message) {
    if (message.nlmsg_type != RTM_NEWQDISC) return;
    const tcmsg& header = header_of(message);
    const Attributes attributes(message, sizeof header);
    found.push_back({header.tcm_ifindex, attributes.text(TCA_KIND), header.tcm_handle, header.tcm_parent,
                     read_counters(attributes)});
  };
  if (auto done = rtnl::exchange(socket_.get(), request, receive, [&] { found.clear(); }); !done)
    return Failure(rtnl::to_error(done.error(), "cannot list the qdiscs"));
  return found;
}

Status Tc::put_root(int ifindex, const TcQdisc& root) {
  const auto message = put_message(RTM_NEWQDISC, NLM_F_REPLACE, tc_header(ifindex, root.handle, TC_H_ROOT), root.kind,
                                   tc::settable_options(root));
  return rtnl::change(socket_.get(), message,
                      fmt::format("cannot put {} at the root of interface {}", tc::describe(root), ifindex));
}

Status Tc::put(int ifindex, const TcQdisc& qdisc) {
  const auto message = put_message(RTM_NEWQDISC, NLM_F_EXCL, tc_header(ifindex, qdisc.handle, qdisc.parent), qdisc.kind,
                                   tc::settable_options(qdisc));
  return rtnl::change(socket_.get(), message,
                      fmt::format("cannot add {} to interface {}", tc::describe(qdisc), ifindex));
}

Status Tc::put(int ifindex, const TcClass& one) {
  const auto message =
      put_message(RTM_NEWTCLASS, NLM_F_EXCL, tc_header(ifindex, one.handle, one.parent), one.kind, one.options);
  return rtnl::change(socket_.get(), message, fmt::format("cannot add {} to interface {}", tc::describe(one), ifindex));
}

Status Tc::put(int ifindex, const TcFilter& filter) {
  tcmsg header = tc_header(ifindex, filter.handle, filter.parent);
  header.tcm_info = filter.info;
  const auto message = put_message(RTM_NEWTFILTER, NLM_F_EXCL, header, filter.kind, tc::settable_options(filter));
  return rtnl::change(socket_.get(), message,
                      fmt::format("cannot add {} to interface {}", tc::describe(filter), ifindex));
}

Status Tc::delete_root(int ifindex) {
  Message message(RTM_DELQDISC, 0);
  message.header(tc_header(ifindex, 0, TC_H_ROOT));
  return rtnl::change(socket_.get(), message, fmt::format("cannot delete the root qdisc of interface {}", ifindex));
}

Status Tc::put_missing(int ifindex, const TcTree& saved, const TcTree& now) {
  Made made;
  for (const TcQdisc& qdisc : now.qdiscs) made.add(qdisc);
  for (const TcClass& one : now.classes) made.add(one);
  // Parents before children, whatever the order in the record: as long as one more can be added.
  for (bool progress = true; progress;) {
    progress = false;
    for (const TcClass& one : saved.classes) {
      const std::uint32_t parent = one.parent == TC_H_ROOT ? TC_H_MAJ(one.handle) : one.parent;
      if (made.made.count(one.handle) != 0 || !made.holds(parent)) continue;
      GRIT_CHECK(put(ifindex, one));
      made.add(one), progress = true;
    }
    for (const TcQdisc& qdisc : saved.qdiscs) {
      if (qdisc.handle == 0 || made.made.count(qdisc.handle) != 0 || !made.holds(qdisc.parent)) continue;
      GRIT_CHECK(put(ifindex, qdisc));
      made.add(qdisc), progress = true;
    }
  }
  std::vector<TcFilter> there;
  for (const TcFilter& filter : now.filters) there.push_back(tc::comparable(filter));
  for (const TcFilter& filter : saved.filters)
    if (!tc::is_u32_root_table(filter) && std::find(there.begin(), there.end(), tc::comparable(filter)) == there.end())
      GRIT_CHECK(put(ifindex, filter));
  return {};
}

Status Tc::restore(int ifindex, const TcTree& saved, std::uint32_t ours) {
  const TcQdisc* wanted = saved.root();
  if (wanted == nullptr) return usage_error("a traffic control tree without a root");
  GRIT_TRY(TcTree now, tree(ifindex));
  const TcQdisc* root = now.root();
  const std::uint32_t handle = root == nullptr ? 0 : root->handle;
  if (handle == ours && wanted->handle == 0)
    GRIT_CHECK(delete_root(ifindex));
  else if (handle == ours || (handle == 0 && wanted->handle != 0))
    GRIT_CHECK(put_root(ifindex, *wanted));
  else if (handle != 0 && !(tc::comparable(*root) == tc::comparable(*wanted)))
    return {};
  if (wanted->handle != 0) {
    GRIT_TRY(now, tree(ifindex));
    GRIT_CHECK(put_missing(ifindex, saved, now));
  }
  GRIT_TRY(now, tree(ifindex));
  const auto differences = tc_differences(saved, now);
  if (differences.empty()) return {};
  return internal_error(
      fmt::format("the qdiscs of interface {} are not as they were: {}", ifindex, fmt::join(differences, "; ")));
}

std::optional<std::string> Tc::why_not(int ifindex, const std::string& kind) {
  // Without options tbf and netem refuse to be made (EINVAL in their init functions), after the kernel has found the
  // module and before anything is in place. An unknown kind is ENOENT (qdisc_create() in net/sched/sch_api.c).
  constexpr std::uint32_t kUnused = 0x67ff0000;
  const auto message =
      put_message(RTM_NEWQDISC, NLM_F_REPLACE, tc_header(ifindex, kUnused, TC_H_ROOT), kind, std::string());
  const auto done = rtnl::exchange(socket_.get(), message);
  if (done) {  // a kernel to come that takes it after all
    (void)delete_root(ifindex);
    return std::nullopt;
  }
  if (done.error().error_number == EINVAL) return std::nullopt;
  if (done.error().error_number == ENOENT)
    return fmt::format("this kernel has no sch_{0}: load the module (modprobe sch_{0}) or use a kernel that has it",
                       kind);
  return rtnl::to_error(done.error(), "cannot change qdiscs").message;
}

}  // namespace grit
