// For the tests of the faults that use netem: datagrams over the cable, and skipping aloud where the kernel has none.
#pragma once

#include <arpa/inet.h>
#include <poll.h>

#include "harness/os/netns.hpp"
#include "tests/tc_text.hpp"
#include "tests/two_nodes.hpp"

namespace grit::test {

inline bool skip_without_netem() {
  if (has_qdisc("netem delay 1ms")) return false;
  skip("this kernel has no sch_netem");
  return true;
}

/// Sends numbered datagrams from the node to the other end of its cable.
struct Datagrams {
  Fd here{}, there{};
  sockaddr_in to{};

  explicit Datagrams(TwoNodes& nodes) {
    ok(nodes.far.add_address(ok(nodes.far.link("port0")).ifindex, "10.77.1.100/24"));
    to.sin_family = AF_INET;
    to.sin_port = htons(7001);
    ::inet_pton(AF_INET, "10.77.1.100", &to.sin_addr);
    ok(run_in_netns(nodes.switch_netns.get(), [&]() -> Status {
      there = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      REQUIRE(::bind(there.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
      return {};
    }));
    here = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    for (int i = 0; i < 50; ++i) {  // until ARP has answered
      send(0);
      if (receive(100)) break;
    }
    while (receive(50)) {
    }
  }

  void send(std::uint32_t number) const {
    ::sendto(here.get(), &number, sizeof number, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }

  [[nodiscard]] std::optional<std::uint32_t> receive(int timeout_ms) const {
    pollfd ready{there.get(), POLLIN, 0};
    std::uint32_t number = 0;
    if (::poll(&ready, 1, timeout_ms) != 1 || ::recv(there.get(), &number, sizeof number, 0) != sizeof number)
      return std::nullopt;
    return number;
  }
};

}  // namespace grit::test
