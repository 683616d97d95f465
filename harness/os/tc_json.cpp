// A traffic control tree as JSON, and back with every doubt (the record may have lain on a disk).
#include <fmt/format.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include <algorithm>

#include "harness/os/closed_object.hpp"
#include "harness/os/netlink_message.hpp"
#include "harness/os/tc.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxKindLength = 15;  // IFNAMSIZ - 1, as the kernel has it
constexpr std::size_t kMaxOptions_bytes = 8192;
constexpr std::size_t kMaxParts = 10'000;

std::string to_hex(const std::string& bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

Result<std::string> from_hex(const std::string& text) {
  const auto digit = [](char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; };
  if (text.size() % 2 != 0 || text.find_first_not_of("0123456789abcdef") != std::string::npos)
    return usage_error("traffic control: 'options' are not hexadecimal digits");
  std::string bytes;
  for (std::size_t at = 0; at < text.size(); at += 2)
    bytes += static_cast<char>(digit(text[at]) * 16 + digit(text[at + 1]));
  return bytes;
}

/// Are the bytes attributes from end to end? (pfifo, prio and others have a plain structure instead.)
bool is_attributes(const std::string& bytes) {
  const auto* attribute = reinterpret_cast<const nlattr*>(bytes.data());
  int left = static_cast<int>(bytes.size());
  while (nla_ok(attribute, left)) attribute = nla_next(attribute, &left);
  return left == 0;
}

Status check_options(const std::string& kind, const std::string& options) {
  static const std::vector<std::string> plain{"pfifo", "bfifo", "pfifo_fast", "prio", "noqueue", "mq"};
  if (std::find(plain.begin(), plain.end(), kind) != plain.end() || is_attributes(options)) return {};
  return usage_error("traffic control: 'options' of " + kind + " are not whole attributes");
}

Result<TcQdisc> qdisc_from_json(const Json& json) {
  ClosedObject object(json, "qdisc");
  TcQdisc qdisc{object.text("kind", kMaxKindLength), object.u32("handle"), object.u32("parent"), {}};
  const std::string hex = object.text("options", 2 * kMaxOptions_bytes);
  GRIT_CHECK(object.done());
  GRIT_TRY(qdisc.options, from_hex(hex));
  if (qdisc.handle != 0 && !is_restorable_qdisc(qdisc.kind)) return usage_error("qdisc: unexpected kind " + qdisc.kind);
  if (qdisc.handle != 0 && TC_H_MIN(qdisc.handle) != 0) return usage_error("qdisc: 'handle' is no qdisc's");
  if (qdisc.parent == TC_H_INGRESS) return usage_error("qdisc: 'parent' is the ingress hook");
  GRIT_CHECK(check_options(qdisc.kind, qdisc.options));
  return qdisc;
}

Result<TcClass> class_from_json(const Json& json) {
  ClosedObject object(json, "class");
  TcClass one{object.choice("kind", {"htb", "drr"}), object.u32("handle"), object.u32("parent"), {}};
  const std::string hex = object.text("options", 2 * kMaxOptions_bytes);
  GRIT_CHECK(object.done());
  GRIT_TRY(one.options, from_hex(hex));
  GRIT_CHECK(check_options(one.kind, one.options));
  return one;
}

Result<TcFilter> filter_from_json(const Json& json) {
  ClosedObject object(json, "filter");
  TcFilter filter{object.choice("kind", {"u32", "fw", "matchall"}),
                  object.u32("handle"),
                  object.u32("parent"),
                  object.u32("info"),
                  {}};
  const std::string hex = object.text("options", 2 * kMaxOptions_bytes);
  GRIT_CHECK(object.done());
  GRIT_TRY(filter.options, from_hex(hex));
  if (TC_H_MAJ(filter.parent) == TC_H_MAJ(TC_H_INGRESS)) return usage_error("filter: 'parent' is the ingress hook");
  GRIT_CHECK(check_options(filter.kind, filter.options));
  return filter;
}

template <class Part>
Json part_to_json(const Part& part) {
  return Json{{"kind", part.kind}, {"handle", part.handle}, {"parent", part.parent}, {"options", to_hex(part.options)}};
}

template <class Part>
Result<std::vector<Part>> list_from_json(const Json& list, Result<Part> (*read)(const Json&)) {
  std::vector<Part> parts;
  for (const Json& json : list) {
    GRIT_TRY(Part part, read(json));
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace

Json to_json(const TcTree& tree) {
  Json qdiscs = Json::array(), classes = Json::array(), filters = Json::array();
  for (const TcQdisc& qdisc : tree.qdiscs) qdiscs.push_back(part_to_json(qdisc));
  for (const TcClass& one : tree.classes) classes.push_back(part_to_json(one));
  for (const TcFilter& filter : tree.filters) {
    filters.push_back(part_to_json(filter));
    filters.back()["info"] = filter.info;
  }
  return Json{{"qdiscs", qdiscs}, {"classes", classes}, {"filters", filters}};
}

Result<TcTree> tc_tree_from_json(const Json& json) {
  ClosedObject object(json, "traffic control");
  const Json& qdiscs = object.array("qdiscs", kMaxParts);
  const Json& classes = object.array("classes", kMaxParts);
  const Json& filters = object.array("filters", kMaxParts);
  GRIT_CHECK(object.done());
  TcTree tree;
  GRIT_TRY(tree.qdiscs, list_from_json<TcQdisc>(qdiscs, qdisc_from_json));
  GRIT_TRY(tree.classes, list_from_json<TcClass>(classes, class_from_json));
  GRIT_TRY(tree.filters, list_from_json<TcFilter>(filters, filter_from_json));
  if (tree.root() == nullptr) return usage_error("traffic control: there is no root");
  return tree;
}

}  // namespace grit
