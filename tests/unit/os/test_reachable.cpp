#include <arpa/inet.h>
#include <sys/socket.h>

#include "harness/base/clock.hpp"
#include "harness/os/reachable.hpp"
#include "tests/namespace.hpp"

using grit::Endpoint;

namespace {

/// Listens on the loopback of a family; connections wait in the kernel's queue.
struct Listener {
  grit::Fd fd{};
  Endpoint endpoint{};

  explicit Listener(int family) : fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage where{};
    where.ss_family = static_cast<sa_family_t>(family);
    auto* v4 = reinterpret_cast<sockaddr_in*>(&where);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&where);
    endpoint.address = family == AF_INET ? "127.0.0.1" : "::1";
    ::inet_pton(family, endpoint.address.c_str(),
                family == AF_INET ? static_cast<void*>(&v4->sin_addr) : static_cast<void*>(&v6->sin6_addr));
    socklen_t size = family == AF_INET ? sizeof *v4 : sizeof *v6;
    auto* generic = reinterpret_cast<sockaddr*>(&where);
    REQUIRE(::bind(fd.get(), generic, size) == 0);
    REQUIRE(::listen(fd.get(), 8) == 0);
    REQUIRE(::getsockname(fd.get(), generic, &size) == 0);
    endpoint.port = ntohs(family == AF_INET ? v4->sin_port : v6->sin6_port);
  }
};

}  // namespace

TEST_CASE("an endpoint is an address in numbers and a port") {
  CHECK(grit::parse_endpoint("tcp://10.77.0.1:40123")->port == 40123);
  CHECK(grit::parse_endpoint("tcp://10.77.0.1:*")->port == 0);
  for (const char* text : {"tcp://10.77.0.1:40123", "tcp://[fd00::1]:5", "tcp://[fd00::1]:*"})
    CHECK(grit::to_string(*grit::parse_endpoint(text)) == text);
  CHECK(grit::parse_endpoint("tcp://[fd00::1]:5")->address == "fd00::1");
  for (const char* wrong : {"", "tcp://", "tcp://10.77.0.1", "tcp://10.77.0.1:0", "tcp://10.77.0.1:65536",
                            "tcp://10.77.0.1:1x", "tcp://a:1", "tcp://fd00::1:5", "tcp://[10.77.0.1]:5", "ipc:///x:5"})
    CHECK_FALSE(grit::parse_endpoint(wrong));
}

TEST_CASE("of several endpoints each is tried: who listens is reached, another is not, and the error says which") {
  const Listener v4(AF_INET), v6(AF_INET6);
  std::optional<Listener> closed(AF_INET);
  const Endpoint refused = closed->endpoint;
  closed.reset();
  const auto tried = grit::try_to_connect({refused, v4.endpoint, v6.endpoint}, grit::kNsPerS);
  REQUIRE(tried.size() == 3);
  CHECK_THAT(tried[0].error().message, Catch::Contains(std::to_string(refused.port)) && Catch::Contains("refused"));
  CHECK(tried[0].error().kind == grit::ErrorKind::unavailable);
  CHECK(tried[1].has_value());
  CHECK(tried[2].has_value());
}

TEST_CASE("several addresses that nobody answers at cost the time limit once") {
  grit::test::in_namespaces([] {
    grit::test::without_dad();
    auto netlink = grit::test::ok(grit::Netlink::open());
    const grit::Fd elsewhere = grit::test::new_netns();
    auto far = grit::test::ok(grit::Netlink::open_in(elsewhere.get()));
    grit::test::ok(netlink.create_veth({.name = "here"}, {.name = "there", .netns_fd = elsewhere.get()}));
    const int here = grit::test::ok(netlink.link("here")).ifindex;
    grit::test::ok(netlink.add_address(here, "10.9.0.1/24"));
    for (const int up : {here, grit::test::ok(netlink.link("lo")).ifindex}) grit::test::ok(netlink.set_up(up));
    grit::test::ok(far.set_up(grit::test::ok(far.link("there")).ifindex));
    const Listener v4(AF_INET);
    const std::int64_t begun_ns = grit::monotonic_ns();
    const auto tried = grit::try_to_connect({{"10.9.0.2", 7}, {"10.9.0.3", 7}, v4.endpoint}, grit::kNsPerS / 2);
    REQUIRE(grit::monotonic_ns() - begun_ns < grit::kNsPerS);
    REQUIRE_THAT(tried[0].error().message, Catch::Contains("10.9.0.2 port 7") && Catch::Contains("timed out"));
    REQUIRE_FALSE(tried[1].has_value());
    REQUIRE(tried[2].has_value());
  });
}
