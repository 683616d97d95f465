// A TCP connection from a node (tests/two_nodes.hpp) to the switch, over the NIC under test.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>

#include "harness/os/netns.hpp"
#include "tests/two_nodes.hpp"

namespace grit::test {

class TcpStream {
 public:
  /// Gives the switch an address in the node's network.
  explicit TcpStream(TwoNodes& nodes) {
    const int port0 = ok(nodes.far.link("port0")).ifindex;
    ok(nodes.far.add_address(port0, "10.77.1.254/24"));
    ok(nodes.far.set_up(ok(nodes.far.link("lo")).ifindex));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(7001);
    ::inet_pton(AF_INET, "10.77.1.254", &to.sin_addr);
    const auto* address = reinterpret_cast<const sockaddr*>(&to);
    ok(run_in_netns(nodes.switch_netns.get(), [&]() -> Status {
      listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      if (::bind(listener_.get(), address, sizeof to) != 0 || ::listen(listener_.get(), 1) != 0)
        return errno_error("cannot listen");
      return {};
    }));
    near_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(near_.get(), address, sizeof to) == 0);
    far_ = Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(far_);
  }

  /// Sends so many pieces and waits for each to arrive.
  void send_and_receive(int pieces) {
    for (int i = 0; i < pieces; ++i) {
      send();
      std::array<char, 64> buffer{};
      REQUIRE(::recv(far_.get(), buffer.data(), buffer.size(), 0) > 0);
    }
  }
  void send() { REQUIRE(::send(near_.get(), "piece", 5, MSG_NOSIGNAL) == 5); }
  void send_back() { REQUIRE(::send(far_.get(), "piece", 5, MSG_NOSIGNAL) == 5); }

 private:
  Fd listener_{}, near_{}, far_{};
};

}  // namespace grit::test
