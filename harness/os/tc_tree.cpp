#include "harness/os/tc_tree.hpp"

#include <fmt/format.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <map>

#include "harness/os/netlink_message.hpp"

namespace grit {
namespace {

using rtnl::Attributes;

/// Flags a filter was made with; the rest (TCA_CLS_FLAGS_IN_HW, _NOT_IN_HW) is what came of them.
constexpr std::uint32_t kFilterFlags = TCA_CLS_FLAGS_SKIP_HW | TCA_CLS_FLAGS_SKIP_SW | TCA_CLS_FLAGS_VERBOSE;

Attributes attributes_of(const std::string& options) {
  return {reinterpret_cast<const nlattr*>(options.data()), static_cast<int>(options.size())};
}

void append_attribute(std::string& options, int type, std::string_view value) {
  const nlattr head{static_cast<std::uint16_t>(NLA_HDRLEN + value.size()), static_cast<std::uint16_t>(type)};
  options.append(reinterpret_cast<const char*>(&head), sizeof head).append(value);
  options.append(NLA_ALIGN(value.size()) - value.size(), '\0');
}

/// The options with each attribute's value put through `edit`; those for which it says false are left out.
std::string edited(const std::string& options, const std::function<bool(int type, std::string& value)>& edit) {
  std::string result;
  attributes_of(options).each([&](int type, const nlattr& attribute) {
    std::string value(static_cast<const char*>(nla_data(&attribute)), static_cast<std::size_t>(nla_len(&attribute)));
    if (edit(type, value)) append_attribute(result, attribute.nla_type, value);
  });
  return result;
}

std::uint32_t to_u32(const std::string& value) {
  std::uint32_t number = 0;
  if (value.size() >= sizeof number) std::memcpy(&number, value.data(), sizeof number);
  return number;
}

void set_u32(std::string& value, std::uint32_t number) {
  value.assign(reinterpret_cast<const char*>(&number), sizeof number);
}

/// What CoDel must be given in order to show v again. It holds a time as t = v_us * 1000 >> 10 and shows t * 1024 /
/// 1000, rounded down both times (include/net/codel.h), so that given what it shows it would lose a microsecond each
/// time.
std::uint32_t codel_us(std::uint32_t shown_us) {
  const std::uint64_t t = (std::uint64_t{shown_us} * 1000 + 1023) / 1024;
  return static_cast<std::uint32_t>((t * 1024 + 999) / 1000);
}

/// HTB shows its whole version, 0x30011, and takes only the major number of it, 3 (HTB_VER in net/sched/sch_htb.c).
std::string settable_htb(const std::string& options) {
  return edited(options, [](int type, std::string& value) {
    tc_htb_glob glob{};
    if (type != TCA_HTB_INIT || value.size() != sizeof glob) return true;
    std::memcpy(&glob, value.data(), sizeof glob);
    if (glob.version > UINT16_MAX) glob.version >>= 16;
    value.assign(reinterpret_cast<const char*>(&glob), sizeof glob);
    return true;
  });
}

struct FilterAttributes {
  int flags, counters, actions, police;  // 0: it has none
};

std::optional<FilterAttributes> filter_attributes(const std::string& kind) {
  if (kind == "u32") return FilterAttributes{TCA_U32_FLAGS, TCA_U32_PCNT, TCA_U32_ACT, TCA_U32_POLICE};
  if (kind == "matchall") return FilterAttributes{TCA_MATCHALL_FLAGS, TCA_MATCHALL_PCNT, TCA_MATCHALL_ACT, 0};
  if (kind == "fw") return FilterAttributes{0, 0, TCA_FW_ACT, TCA_FW_POLICE};
  return std::nullopt;
}

std::optional<std::string> why_not_filter(const TcFilter& filter, std::map<std::uint32_t, std::uint32_t>& tables) {
  const auto known = filter_attributes(filter.kind);
  if (!known) return "a filter of kind " + filter.kind;
  const Attributes options = attributes_of(filter.options);
  if (options.has(known->actions) || (known->police != 0 && options.has(known->police)))
    return "an action on " + tc::describe(filter);
  if (!tc::is_u32_root_table(filter)) return std::nullopt;
  // The kernel numbers the tables of a qdisc 800:, 801: ... in the order of their priorities only as long as nobody has
  // added one of his own, deleted one, or come with a lower priority later.
  const std::uint32_t expected = 0x80000000U + (tables[filter.parent]++ << 20);
  if (filter.handle == expected) return std::nullopt;
  return "a hash table of its own in " + tc::describe(filter);
}

template <class Part>
void list_missing(std::vector<std::string>& lines, const std::vector<Part>& wanted, const std::vector<Part>& there,
                  const char* how) {
  std::vector<Part> all;
  for (const Part& part : there) all.push_back(tc::comparable(part));
  for (const Part& part : wanted)
    if (std::find(all.begin(), all.end(), tc::comparable(part)) == all.end())
      lines.push_back(fmt::format("{} {}", tc::describe(part), how));
}

}  // namespace

namespace tc {

std::string handle_text(std::uint32_t handle) {
  if (handle == TC_H_ROOT) return "root";
  if (TC_H_MIN(handle) == 0) return fmt::format("{:x}:", TC_H_MAJ(handle) >> 16);
  return fmt::format("{:x}:{:x}", TC_H_MAJ(handle) >> 16, TC_H_MIN(handle));
}

std::string describe(const TcQdisc& qdisc) {
  return fmt::format("qdisc {} {} (parent {})", qdisc.kind, handle_text(qdisc.handle), handle_text(qdisc.parent));
}

std::string describe(const TcClass& one) {
  return fmt::format("class {} {} (parent {})", one.kind, handle_text(one.handle), handle_text(one.parent));
}

std::string describe(const TcFilter& filter) {
  return fmt::format("filter {} {:x} (parent {}, priority {})", filter.kind, filter.handle, handle_text(filter.parent),
                     filter.info >> 16);
}

TcQdisc comparable(TcQdisc qdisc) {
  if (qdisc.handle == 0) {
    qdisc.options.clear();
    if (qdisc.parent != TC_H_ROOT) qdisc.parent = 0;
    return qdisc;
  }
  if (qdisc.kind != "htb") return qdisc;
  qdisc.options = edited(qdisc.options, [](int type, std::string& value) {
    constexpr std::size_t kCounter = offsetof(tc_htb_glob, direct_pkts);
    if (type == TCA_HTB_INIT && value.size() == sizeof(tc_htb_glob))
      std::fill(value.begin() + kCounter, value.end(), '\0');
    return true;
  });
  return qdisc;
}

TcClass comparable(TcClass one) { return one; }

TcFilter comparable(TcFilter filter) {
  filter.options = settable_options(filter);
  return filter;
}

std::string settable_options(const TcQdisc& qdisc) {
  if (qdisc.kind == "htb") return settable_htb(qdisc.options);
  const bool fq_codel = qdisc.kind == "fq_codel";
  if (!fq_codel && qdisc.kind != "codel") return qdisc.options;
  return edited(qdisc.options, [&](int type, std::string& value) {
    const bool time =
        fq_codel ? type == TCA_FQ_CODEL_TARGET || type == TCA_FQ_CODEL_INTERVAL || type == TCA_FQ_CODEL_CE_THRESHOLD
                 : type == TCA_CODEL_TARGET || type == TCA_CODEL_INTERVAL || type == TCA_CODEL_CE_THRESHOLD;
    if (time) set_u32(value, codel_us(to_u32(value)));
    return true;
  });
}

std::string settable_options(const TcFilter& filter) {
  const auto known = filter_attributes(filter.kind);
  if (!known) return filter.options;
  return edited(filter.options, [&](int type, std::string& value) {
    if (type == known->counters) return false;
    if (type != known->flags) return true;
    set_u32(value, to_u32(value) & kFilterFlags);
    return to_u32(value) != 0;
  });
}

bool is_u32_root_table(const TcFilter& filter) {
  return filter.kind == "u32" && attributes_of(filter.options).has(TCA_U32_DIVISOR);
}

bool has_own_classes(const std::string& kind) {
  return kind == "htb" || kind == "drr" || kind == "hfsc" || kind == "qfq";
}

}  // namespace tc

const TcQdisc* TcTree::root() const {
  return qdiscs.empty() || qdiscs.front().parent != TC_H_ROOT ? nullptr : &qdiscs.front();
}

std::uint32_t TcTree::queues() const {
  const TcQdisc* top = root();
  if (top == nullptr || top->kind != "mq") return 0;
  std::uint32_t last = 0;
  for (const TcQdisc& qdisc : qdiscs)
    if (qdisc.parent != TC_H_ROOT && TC_H_MAJ(qdisc.parent) == top->handle)
      last = std::max(last, TC_H_MIN(qdisc.parent));
  return last;
}

std::optional<std::string> why_not_restorable(const TcTree& tree) {
  const auto refuse = [](const std::string& what) {
    return fmt::format("it has {}, which could not be put back exactly. Remove it (tc(8)), or name another NIC", what);
  };
  const TcQdisc* root = tree.root();
  if (root == nullptr) return "it has no qdisc, because it was never up: set it up first";
  if (!tree.unsupported.empty()) return refuse(tree.unsupported);
  for (const TcQdisc& qdisc : tree.qdiscs)
    if (qdisc.handle != 0 && !is_restorable_qdisc(qdisc.kind)) return refuse(tc::describe(qdisc));
  for (const TcClass& one : tree.classes)
    if (!is_restorable_qdisc(one.kind)) return refuse(tc::describe(one));
  if (root->handle == 0 && !tree.filters.empty()) return refuse("filters on the kernel's default qdisc");
  std::map<std::uint32_t, std::uint32_t> tables;
  for (const TcFilter& filter : tree.filters)
    if (const auto why = why_not_filter(filter, tables)) return refuse(*why);
  return std::nullopt;
}

bool is_restorable_qdisc(const std::string& kind) {
  // Read in net/sched/sch_*.c: what their dump functions show is what their init functions take. Not so netem (its
  // delay table), red, gred, choke (stab), taprio, hfsc (rounded), bpf.
  static const std::vector<std::string> kinds{"noqueue", "pfifo", "bfifo", "pfifo_fast", "prio",  "mq",
                                              "tbf",     "htb",   "fq",    "fq_codel",   "codel", "drr"};
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

bool is_restorable_filter(const std::string& kind) { return filter_attributes(kind).has_value(); }

std::vector<std::string> tc_differences(const TcTree& saved, const TcTree& now) {
  std::vector<std::string> lines;
  list_missing(lines, saved.qdiscs, now.qdiscs, "is missing");
  list_missing(lines, now.qdiscs, saved.qdiscs, "is new");
  list_missing(lines, saved.classes, now.classes, "is missing");
  list_missing(lines, now.classes, saved.classes, "is new");
  list_missing(lines, saved.filters, now.filters, "is missing");
  list_missing(lines, now.filters, saved.filters, "is new");
  return lines;
}

}  // namespace grit
