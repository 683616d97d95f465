// What of a traffic control tree can be checked without a kernel. With one: tests/faults/test_link_rate.cpp.
#include <linux/pkt_sched.h>

#include <cstring>

#include "harness/os/tc_tree.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

std::string attribute(int type, std::uint32_t value) {
  const std::uint16_t head[2] = {8, static_cast<std::uint16_t>(type)};
  return std::string(reinterpret_cast<const char*>(head), 4) + std::string(reinterpret_cast<const char*>(&value), 4);
}

std::uint32_t first_value(const std::string& options) {
  std::uint32_t value = 0;
  std::memcpy(&value, options.data() + 4, sizeof value);
  return value;
}

/// What the kernel shows of a time it was given (include/net/codel.h: CODEL_SHIFT 10, codel_time_to_us()).
std::uint32_t shown_after(std::uint32_t given_us) {
  const std::uint64_t held = std::uint64_t{given_us} * 1000 >> 10;
  return static_cast<std::uint32_t>((held << 10) / 1000);
}

TcTree sample() {
  TcTree tree;
  tree.qdiscs = {{"htb", 0x10000, TC_H_ROOT, attribute(TCA_HTB_DIRECT_QLEN, 1000)},
                 {"pfifo", 0x100000, 0x10001, std::string("\x05\0\0\0", 4)}};
  tree.classes = {{"htb", 0x10001, TC_H_ROOT, attribute(1, 2)}};
  tree.filters = {{"u32", 0x80000800, 0x10000, 0x50008, attribute(3, 4)}};
  return tree;
}

}  // namespace

TEST_CASE("tc: fq_codel is given times that it shows as they were") {
  for (std::uint32_t asked_us = 1; asked_us < 200'000; ++asked_us) {
    const std::uint32_t shown_us = shown_after(asked_us);
    const TcQdisc qdisc{"fq_codel", 0x10000, TC_H_ROOT, attribute(TCA_FQ_CODEL_TARGET, shown_us)};
    const std::uint32_t given_us = first_value(tc::settable_options(qdisc));
    INFO("shown " << shown_us << ", given " << given_us);
    REQUIRE(shown_after(given_us) == shown_us);
    REQUIRE(std::uint64_t{given_us} * 1000 >> 10 == std::uint64_t{asked_us} * 1000 >> 10);  // the same inside, too
  }
}

TEST_CASE("tc: a tree survives JSON, and what the program cannot have written is refused") {
  const TcTree tree = sample();
  const Json json = to_json(tree);
  const auto back = tc_tree_from_json(json);
  REQUIRE(back.has_value());
  REQUIRE(back->qdiscs == tree.qdiscs);
  REQUIRE(back->classes == tree.classes);
  REQUIRE(back->filters == tree.filters);
  REQUIRE_FALSE(why_not_restorable(*back).has_value());
  const auto refused = [&](const char* list, const char* key, Json value) {
    Json bad = json;
    bad[list][0][key] = std::move(value);
    INFO(bad.dump());
    return !tc_tree_from_json(bad).has_value();
  };
  REQUIRE(refused("qdiscs", "kind", "netem"));
  REQUIRE(refused("qdiscs", "handle", 0x10001));
  REQUIRE(refused("qdiscs", "parent", TC_H_INGRESS));
  REQUIRE(refused("qdiscs", "options", "zz"));
  REQUIRE(refused("qdiscs", "options", "0"));
  REQUIRE(refused("qdiscs", "options", "ffff0100"));
  REQUIRE(refused("qdiscs", "options", std::string(40'000, '0')));
  REQUIRE(refused("qdiscs", "more", 1));
  REQUIRE(refused("classes", "kind", "pfifo"));
  REQUIRE(refused("filters", "kind", "bpf"));
  REQUIRE(refused("filters", "parent", 0xffff0000U));
  REQUIRE(refused("filters", "info", -1));
}

TEST_CASE("tc: differences name the part, counters do not count") {
  const TcTree saved = sample();
  TcTree now = saved;
  REQUIRE(tc_differences(saved, now).empty());
  now.qdiscs.pop_back();
  now.filters[0].options = attribute(3, 5);
  const auto lines = tc_differences(saved, now);
  REQUIRE(lines.size() == 3);
  REQUIRE(lines[0] == "qdisc pfifo 10: (parent 1:1) is missing");
  REQUIRE(lines[1] == "filter u32 80000800 (parent 1:, priority 5) is missing");

  tc_htb_glob a{}, b{};
  b.direct_pkts = 7;
  const auto htb = [](const tc_htb_glob& glob) {
    const std::uint16_t head[2] = {static_cast<std::uint16_t>(4 + sizeof glob), TCA_HTB_INIT};
    return TcQdisc{"htb", 0x10000, TC_H_ROOT,
                   std::string(reinterpret_cast<const char*>(head), 4) +
                       std::string(reinterpret_cast<const char*>(&glob), sizeof glob)};
  };
  REQUIRE(tc::comparable(htb(a)) == tc::comparable(htb(b)));
  b.defcls = 7;
  REQUIRE_FALSE(tc::comparable(htb(a)) == tc::comparable(htb(b)));
}

TEST_CASE("tc: of the kernel's defaults the kind counts, not what it has made of the MTU and the queues") {
  const auto tree = [](const char* kind, std::uint32_t quantum, std::uint32_t queues, std::uint32_t handle = 0) {
    TcTree made{.qdiscs = {{"mq", handle, TC_H_ROOT, {}}}};
    for (std::uint32_t queue = 1; queue <= queues; ++queue)
      made.qdiscs.push_back(
          {kind, handle == 0 ? 0 : queue << 20, handle | queue, attribute(TCA_FQ_CODEL_QUANTUM, quantum)});
    return made;
  };
  REQUIRE(tc_differences(tree("fq_codel", 1514, 8), tree("fq_codel", 9014, 4)).empty());
  REQUIRE(tc_differences(tree("fq_codel", 1514, 8), tree("fq", 1514, 8)).size() == 16);
  REQUIRE(tc_differences(tree("fq_codel", 1514, 1, 0x10000), tree("fq_codel", 9014, 1, 0x10000)).size() == 2);
  REQUIRE_FALSE(tc_differences(tree("fq_codel", 1514, 8), TcTree{.qdiscs = {{"fq_codel", 0, TC_H_ROOT, {}}}}).empty());
}

TEST_CASE("tc: what cannot be put back is refused, with what it is") {
  const auto why = [](const TcTree& tree) { return why_not_restorable(tree).value_or("nothing"); };
  TcTree tree = sample();
  tree.qdiscs[0].kind = "netem";
  REQUIRE_THAT(why(tree), Catch::Contains("qdisc netem 1: (parent root)"));
  tree = sample();
  tree.filters[0].kind = "flower";
  REQUIRE_THAT(why(tree), Catch::Contains("a filter of kind flower"));
  tree = sample();
  tree.unsupported = "a size table (stab) on qdisc htb 1: (parent root)";
  REQUIRE_THAT(why(tree), Catch::Contains("size table"));
  REQUIRE_THAT(why(TcTree{}), Catch::Contains("never up"));
}
