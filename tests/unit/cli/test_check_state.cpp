// What `grit check --state` knows of the call before: by the pure functions, and by the program on real links.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "harness/cli/check_state.hpp"
#include "tests/temp_directory.hpp"
#include "tests/two_nodes.hpp"

namespace grit {
namespace {

using test::ok;

/// A node with a data NIC on a bond and one of its own, a management NIC, and one that carries nothing.
Node node_before() {
  Node node{.name = "n1", .kernel = "6.8.0"};
  Nic bond{.name = "bond0",
           .mac = "02:00:00:00:00:01",
           .driver = "bonding",
           .speed_bits_per_s = 200'000'000'000,
           .mtu_bytes = 9000,
           .up = true,
           .addresses = {"10.1.0.1/24"},
           .role = NicRole::data,
           .pci = "0000:81:00.0",
           .lower = {"ens1", "ens2"}};
  Nic first{.name = "ens1",
            .mac = bond.mac,
            .driver = "mlx5_core",
            .mtu_bytes = 9000,
            .up = true,
            .role_evidence = "carries bond0",
            .pci = "0000:81:00.0"};
  Nic second = first;
  second.name = "ens2", second.pci = "0000:82:00.0";
  Nic own{.name = "ens3",
          .mac = "02:00:00:00:00:03",
          .driver = "mlx5_core",
          .speed_bits_per_s = 400'000'000'000,
          .mtu_bytes = 4200,
          .up = true,
          .addresses = {"10.3.0.1/24", "fd03::1/64"},
          .role = NicRole::data,
          .role_evidence = "is up, has an address",
          .pci = "0000:c1:00.0"};
  own.duplex = "full";
  own.rdma = RdmaPort{"mlx5_2", 1, "Ethernet"};
  Nic management{.name = "eno1",
                 .mac = "02:00:00:00:00:09",
                 .mtu_bytes = 1500,
                 .up = true,
                 .addresses = {"192.0.2.1/24"},
                 .role = NicRole::management,
                 .pci = "0000:01:00.0"};
  Nic idle{.name = "eno2", .mac = "02:00:00:00:00:0a", .pci = "0000:01:00.1"};
  node.nics = {bond, first, second, own, management, idle};
  return node;
}

Nic& nic(Node& node, const std::string& name) {
  const auto found = std::find_if(node.nics.begin(), node.nics.end(), [&](const Nic& one) { return one.name == name; });
  INFO("no NIC " << name);
  REQUIRE(found != node.nics.end());
  return *found;
}

void pull_cable(Nic& one) {
  one.up = false, one.speed_bits_per_s = 0, one.role = NicRole::other, one.role_evidence = "is down";
}

TEST_CASE("check state: a NIC that is down, gone or without its addresses is still what it was") {
  const Node before = node_before();
  CHECK(to_json(expected_node(before, before)) == to_json(before));
  Node now = before;
  pull_cable(nic(now, "ens3"));
  nic(now, "ens3").rdma.reset();
  std::erase_if(now.nics, [](const Nic& one) { return one.name == "eno1" || one.name == "eno2"; });
  Node expected = expected_node(before, now);
  CHECK(nic(expected, "ens3").role == NicRole::data);
  CHECK(nic(expected, "ens3").up);
  CHECK(nic(expected, "ens3").speed_bits_per_s == 400'000'000'000);
  CHECK(nic(expected, "ens3").rdma.has_value());
  CHECK(nic(expected, "eno1").role == NicRole::management);  // for a check that names it
  CHECK(expected.nics.size() == 5);                          // and eno2 carried nothing
  CHECK(contradicts(expected, now, "ens3"));
  CHECK(contradicts(expected, now, "eno1"));
  CHECK_FALSE(contradicts(expected, now, "bond0"));
  CHECK_FALSE(contradicts(expected, now, "eno2"));
  // It stays so, for however many calls.
  CHECK(to_json(expected_node(expected, now)) == to_json(expected));
  now = before;
  nic(now, "ens3").addresses.clear(), nic(now, "ens3").role = NicRole::other;
  expected = expected_node(before, now);
  CHECK(nic(expected, "ens3").role == NicRole::data);
  CHECK(nic(expected, "ens3").addresses == nic(now = before, "ens3").addresses);
}

TEST_CASE("check state: a pod's end of a link comes and goes, unless the site says that it stays") {
  Node before = node_before();
  before.nics.push_back({.name = "cali7", .driver = "veth", .up = true, .role = NicRole::data});
  const Node now = node_before();
  ::unsetenv("GRIT_DATA_NICS");
  CHECK(expected_node(before, now).nics.size() == now.nics.size());
  ::setenv("GRIT_DATA_NICS", "ens3,cali7", 1);
  CHECK(expected_node(before, now).nics.back().name == "cali7");
  ::unsetenv("GRIT_DATA_NICS");
}

TEST_CASE("check state: a data NIC that one call takes for management is still one") {
  const Node before = node_before();
  Node now = before;
  nic(now, "ens3").role = NicRole::management;  // the call came over ssh through it
  Node expected = expected_node(before, now);
  CHECK(nic(expected, "ens3").role == NicRole::data);
}

TEST_CASE("check state: MTU, driver and the highest speed stay, an address may be another of its family") {
  const Node before = node_before();
  Node now = before;
  nic(now, "ens3").mtu_bytes = 1500, nic(now, "ens3").driver = "other", nic(now, "ens3").duplex = "half";
  nic(now, "ens3").speed_bits_per_s = 200'000'000'000, nic(now, "bond0").speed_bits_per_s = 400'000'000'000;
  nic(now, "ens3").addresses = {"10.3.0.77/24"};
  Node expected = expected_node(before, now);
  CHECK(nic(expected, "ens3").mtu_bytes == 4200);
  CHECK(nic(expected, "ens3").driver == "mlx5_core");
  CHECK(nic(expected, "ens3").duplex == "full");
  CHECK(nic(expected, "ens3").speed_bits_per_s == 400'000'000'000);
  CHECK(nic(expected, "ens3").addresses == std::vector<std::string>{"10.3.0.77/24", "fd03::1/64"});
  CHECK(nic(expected, "bond0").speed_bits_per_s == 400'000'000'000);
  CHECK(contradicts(expected, now, "ens3"));
  CHECK_FALSE(contradicts(expected, now, "bond0"));
}

TEST_CASE("check state: a bond's port that is down was up, and a NIC that was put under a bond is none any more") {
  const Node before = node_before();
  Node now = before;
  pull_cable(nic(now, "ens2"));
  CHECK(nic(now = expected_node(before, now), "ens2").up);
  now = before;
  // ens3 becomes a port, and its address that of the bond.
  nic(now, "ens3").role = NicRole::other, nic(now, "ens3").addresses.clear();
  nic(now, "bond0").lower.push_back("ens3");
  Node expected = expected_node(before, now);
  CHECK(nic(expected, "ens3").role == NicRole::other);
  CHECK(nic(expected, "ens3").addresses.empty());
}

TEST_CASE("check state: names that a reboot changed, and one that another NIC has got") {
  const Node before = node_before();
  Node now = before;
  nic(now, "ens3").name = "ens9";
  Node expected = expected_node(before, now);
  CHECK(expected.nics.size() == now.nics.size());
  CHECK(nic(expected, "ens9").mtu_bytes == 4200);
  CHECK_FALSE(contradicts(expected, now, "ens9"));
  // The management NIC is gone, and ens3 is called as it was.
  now = before;
  std::erase_if(now.nics, [](const Nic& one) { return one.name == "eno1"; });
  nic(now, "ens3").name = "eno1";
  expected = expected_node(before, now);
  CHECK(nic(expected, "eno1").role == NicRole::data);
  CHECK(nic(expected, "was-eno1").role == NicRole::management);
  CHECK(nic(now = expected_node(expected, now), "was-eno1").role == NicRole::management);
  // Another device in its place has its name alone.
  now = before;
  nic(now, "ens3").mac = "02:00:00:00:00:77", nic(now, "ens3").up = false, nic(now, "ens3").role = NicRole::other;
  CHECK(nic(now = expected_node(before, now), "ens3").role == NicRole::data);
}

TEST_CASE("check state: a file that is none, damaged, newer or of another node is named and not used") {
  const test::TempDirectory directory;
  const auto file = directory.path() / "state";
  CHECK_FALSE(ok(read_check_state(file, "n1")));
  const auto write = [&](const std::string& text) { ok(write_file_durably(file, text)); };
  write("");
  CHECK_FALSE(ok(read_check_state(file, "n1")));
  CheckState state{.node = node_before(), .boot = "abc", .t_ns = 7, .checks = {{"link_up", Json::object()}}};
  ok(write_check_state(file, state));
  const auto again = ok(read_check_state(file, "n1"));
  REQUIRE(again);
  CHECK(to_json(*again->node) == to_json(*state.node));
  CHECK((again->boot == "abc" && again->t_ns == 7 && again->checks == state.checks));
  const auto refusal = [&] {
    const auto read = read_check_state(file, "n1");
    return read ? std::string() : read.error().message;
  };
  using Catch::Matchers::Contains;
  const std::string whole = ok(read_file(file));
  for (
      const std::string& text :
      {std::string("root:x:0:0:root:/root:/bin/bash\n"), whole.substr(0, whole.size() / 2), std::string("[]"),
       std::string("{}"), std::string(R"({"boot":"a","checks":[]})"), std::string(3, '\0'), std::string(1 << 25, 'x'),
       std::string(R"({"boot":"a","checks":{},"node":7})"),
       std::string(
           R"({"boot":"a","checks":{},"node":{"index":0,"name":"n1","ranks":[],"nics":[{"name":"e","role":"king"}]}})")}) {
    write(text);
    CAPTURE(text.substr(0, 99));
    CHECK_THAT(refusal(), Contains("remove it, or name another with --state"));
  }
  CHECK_FALSE(read_check_state("/dev/null", "n1").has_value());  // no file, as a FIFO that nobody writes to
  write(R"({"boot":"a","checks":{},"format":99})");
  CHECK_THAT(refusal(), Contains("has format 99"));
  state.node->name = "n2";
  ok(write_check_state(file, state));
  CHECK_THAT(refusal(), Contains("it is of the node n2, and this is n1: each needs a file of its own"));
  // Of a version that kept no node: what its checks counted.
  write(R"({"boot":"a","t_ns":5,"checks":{"x":{}}})");
  const auto older = ok(read_check_state(file, "n1"));
  CHECK((older && !older->node && older->checks.contains("x")));
  write(R"({"boot":7,"t_ns":"soon","checks":{"x":3}})");
  CHECK(ok(read_check_state(file, "n1"))->boot.empty());
}

struct Answer {
  int code = -1;
  Json json{};
  /// "critical has no carrier" of a check's outcome of a subject.
  [[nodiscard]] std::string of(const std::string& check, const std::string& subject,
                               const char* text = "detail") const {
    for (const Json& one : json.at("checks"))
      for (const Json& outcome : one.at("outcomes"))
        if (one.at("check") == check && outcome.value("subject", "") == subject)
          return outcome.at("severity").get<std::string>() + " " + outcome.value(text, "");
    return "";
  }
};

Answer check_links(const std::string& state, const std::string& checks = "link_up link_settings") {
  const std::string command = fmt::format("{} check {} --json --state {}", GRIT_BINARY, checks, state);
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text(1 << 16, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), pipe));
  const int status = ::pclose(pipe);
  Answer answer{.code = WEXITSTATUS(status), .json = parse_json(text).value_or(Json())};
  INFO(text);
  REQUIRE(answer.json.is_object());
  return answer;
}

/// As after a reboot.
void set_boot(const std::string& state, const char* boot) {
  Json json = *parse_json(ok(read_file(state)));
  json["boot"] = boot;
  ok(write_file_durably(state, json_text(json)));
}

}  // namespace

TEST_CASE("grit check --state: a cable that was pulled between two calls, and a NIC that did not come back") {
  test::in_namespaces([] {
    test::without_dad();
    test::TwoNodes nodes;
    ::setenv("GRIT_DATA_NICS", "eth0", 1);  // its default route
    const test::TempDirectory directory;
    const std::string state = directory.path() / "state";
    REQUIRE(check_links(state).of("link_up", "eth0") == "ok is up, with carrier and addresses");
    const int port0 = ok(nodes.far.link("port0")).ifindex;
    ok(nodes.far.set_down(port0));
    while (ok(nodes.node.link("eth0")).running()) ::usleep(10'000);  // the kernel says that up to a second later
    for (int call = 0; call < 2; ++call) {                           // it stays so
      const Answer pulled = check_links(state);
      REQUIRE(pulled.code == 2);
      REQUIRE(pulled.of("link_up", "eth0") == "critical has no carrier");
      REQUIRE(pulled.of("link_up", "eth0", "hint") ==
              "critical ip addr show dev eth0; if it is meant to be so from now on, remove " + state);
    }
    set_boot(state, "another");
    REQUIRE(check_links(state).of("link_up", "eth0") == "critical has no carrier");
    // What a check counted that this call did not read is still there at the next one.
    check_links(state, "link_carrier");
    check_links(state);
    REQUIRE(ok(read_file(state)).find("\"link_carrier\"") != std::string::npos);
    ok(nodes.far.set_up(port0));
    test::wait_until_up(nodes.node, "eth0");
    REQUIRE(check_links(state).of("link_up", "eth0").starts_with("ok"));
    ok(nodes.node.set_mtu(nodes.eth0, 1400));
    const Answer smaller = check_links(state);
    REQUIRE(smaller.of("link_settings", "eth0").starts_with("critical MTU 1400, was 1500"));
    REQUIRE(smaller.of("link_settings", "eth0", "hint").ends_with("remove " + state));
    ok(nodes.far.remove_link(port0));
    REQUIRE(check_links(state).of("link_up", "eth0") == "critical is gone");
    REQUIRE(::unlink(state.c_str()) == 0);
    REQUIRE(check_links(state).of("link_up", "") == "unknown no data NIC");
    // What is no state is not written to, and what the checks found is told all the same.
    ok(write_file_durably(state, "mine\n"));
    const Answer other = check_links(state);
    REQUIRE(other.code == 3);
    REQUIRE(ok(read_file(state)) == "mine\n");
  });
}

}  // namespace grit
