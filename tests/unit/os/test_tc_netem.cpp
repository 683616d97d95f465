// netem as a root: for each packet of the wire, and for each queue. On kernels that have it (tests/vm).
#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <cmath>
#include <thread>

#include "harness/os/netns.hpp"
#include "harness/os/tc.hpp"
#include "tests/namespace.hpp"
#include "tests/tc_text.hpp"

using namespace grit;
using grit::test::ok;

namespace {

constexpr std::uint32_t kOurs = 0x67740000;
constexpr std::size_t kStream_bytes = 4'000'000;

std::string shell(const std::string& command) {
  int status = 0;
  const std::string said = test::output_of(command, status);
  INFO(command << ": " << said);
  REQUIRE(status == 0);
  return said;
}

/// A cable from eth0 here to a namespace of its own, with so many queues.
struct Cable {
  Fd far = test::new_netns();
  int eth0 = 0;
  explicit Cable(int queues) {
    shell(
        fmt::format("ip link add eth0 numtxqueues {0} numrxqueues {0} type veth peer name port0 numtxqueues {0} "
                    "numrxqueues {0}",
                    queues));
    Netlink node = ok(Netlink::open());
    ok(node.move_to_netns(ok(node.link("port0")).ifindex, far.get()));
    Netlink peer = ok(Netlink::open_in(far.get()));
    eth0 = ok(node.link("eth0")).ifindex;
    const int port0 = ok(peer.link("port0")).ifindex;
    ok(node.add_address(eth0, "10.77.1.1/24"));
    ok(peer.add_address(port0, "10.77.1.2/24"));
    ok(node.set_up(eth0));
    ok(peer.set_up(port0));
  }

  /// Sends a TCP stream from here to there.
  void stream() const {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(7001);
    ::inet_pton(AF_INET, "10.77.1.2", &to.sin_addr);
    Fd listener;
    ok(run_in_netns(far.get(), [&]() -> Status {
      listener = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const int one = 1;
      ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
      REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
      REQUIRE(::listen(listener.get(), 1) == 0);
      return {};
    }));
    std::thread sender([&] {
      const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return;
      static_cast<void>(write_all(socket.get(), std::string(kStream_bytes, 'x')));
    });
    const Fd connection(::accept(listener.get(), nullptr, nullptr));
    std::array<char, 65536> part{};
    std::size_t got = 0;
    for (ssize_t one = 1; one > 0; got += static_cast<std::size_t>(std::max<ssize_t>(one, 0)))
      one = ::read(connection.get(), part.data(), part.size());
    sender.join();
    REQUIRE(got == kStream_bytes);
  }
};

bool skip_without_netem() {
  if (test::has_qdisc("netem delay 1ms")) return false;
  test::skip("this kernel has no sch_netem");
  return true;
}

}  // namespace

TEST_CASE("tc: netem loses packets of the wire one by one, also of a stream that is handed over in large pieces") {
  test::in_namespaces([] {
    if (skip_without_netem()) return;
    const Cable cable(1);
    Tc tc = ok(Tc::open());
    const TcTree before = ok(tc.tree(cable.eth0));
    const double loss = 0.03;
    const auto frames = static_cast<double>(kStream_bytes) / 1448;  // of 1500 bytes, with TCP's time stamps
    const auto lost_with = [&](std::int64_t frame_bytes) {
      ok(tc.replace_root(cable.eth0, kOurs, TcNetem{.loss = loss, .limit_packets = 100'000}, frame_bytes));
      cable.stream();
      const auto drops = static_cast<double>(ok(tc.root(cable.eth0))->counters.drops);
      ok(tc.restore(cable.eth0, before, kOurs));
      return drops / frames;
    };
    const double whole = lost_with(0), cut = lost_with(1500 + 22);
    INFO("drops per packet of the wire: " << whole << " where they are handed over, " << cut << " where they are cut");
    REQUIRE(std::abs(cut - loss) < 0.5 * loss);  // 80 are expected, and some of what is sent again is lost as well
    REQUIRE(whole < 0.5 * loss);                 // fewer, and each many packets in a row
    REQUIRE(tc_differences(before, ok(tc.tree(cable.eth0))).empty());
  });
}

TEST_CASE("tc: where each queue has a qdisc, each queue gets a netem, and all is as it was") {
  test::in_namespaces([] {
    if (skip_without_netem()) return;
    const Cable cable(4);
    test::tc("qdisc add dev eth0 root handle 1: mq");
    test::tc("qdisc add dev eth0 parent 1:2 handle 20: pfifo limit 77");
    Tc tc = ok(Tc::open());
    const TcTree before = ok(tc.tree(cable.eth0));
    REQUIRE(before.queues() == 4);
    for (const std::int64_t frame_bytes : {0, 1522}) {
      ok(tc.replace_root(cable.eth0, kOurs, TcNetem{.loss = 0.05, .limit_packets = 100'000}, frame_bytes));
      const TcTree during = ok(tc.tree(cable.eth0));
      REQUIRE(during.queues() == 4);
      REQUIRE(std::count_if(during.qdiscs.begin(), during.qdiscs.end(),
                            [](const TcQdisc& one) { return one.kind == "netem"; }) == 4);
      cable.stream();
      REQUIRE(ok(tc.root(cable.eth0))->counters.drops > 0);
      ok(tc.restore(cable.eth0, before, kOurs));
      REQUIRE(tc_differences(before, ok(tc.tree(cable.eth0))).empty());
      cable.stream();
    }
  });
}
