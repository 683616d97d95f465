// Measured over a veth (tests/bench/flood_vs_iperf3.py). MSG_ZEROCOPY is not used: veth and loopback copy such packets
// at once (skb_orphan_frags_rx, Documentation/networking/msg_zerocopy.rst), pages of a file they pass on.
#include "injectors/flood_traffic.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <vector>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "injectors/duty_cycle.hpp"

namespace grit {
namespace {

constexpr std::size_t kBuffer_bytes = std::size_t{1} << 20U;
constexpr std::int64_t kTcpChunk_bytes = 256 * 1024;
constexpr std::int64_t kUdpBatch_bytes = 65'000;  // an IP packet's 65535 less headers
constexpr std::int64_t kUdpBatch_packets = 64;    // UDP_MAX_SEGMENTS of linux/udp.h before 6.9
constexpr std::int64_t kSlice_ns = kNsPerMs / 2;
constexpr std::int64_t kRetry_ns = 5 * kNsPerMs;
constexpr std::int64_t kLongestLag_ns = 100 * kNsPerMs;
constexpr int kUdpReceiveBuffer_bytes = 8 << 20U;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] int family() const { return storage.ss_family; }
};

Result<SocketAddress> socket_address(const std::string& text, int port) {
  SocketAddress address;
  auto& four = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& six = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (::inet_pton(AF_INET, text.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(static_cast<std::uint16_t>(port));
    address.length = sizeof four;
  } else if (::inet_pton(AF_INET6, text.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(static_cast<std::uint16_t>(port));
    address.length = sizeof six;
  } else {
    return usage_error(fmt::format("'{}' is not an IP address", text));
  }
  return address;
}

bool set_option(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/// Bound to the node's own address and, where that is allowed, to the device: its route, and no other, is taken.
Result<Fd> bound_socket(const FloodStream& stream, const std::string& address, int port) {
  GRIT_TRY(const SocketAddress own, socket_address(address, port));
  Fd fd(::socket(own.family(), (stream.udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("cannot make a socket");
  // An unprivileged process may do this since Linux 5.7, as long as the socket is not bound yet.
  if (!stream.device.empty())
    ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, stream.device.c_str(),
                 static_cast<socklen_t>(stream.device.size()));
  // What is still queued when the worker is killed must not be sent any more: closing resets the connection.
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  if (!stream.udp) {
    ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  }
  if (::bind(fd.get(), own.get(), own.length) != 0)
    return unavailable_error(fmt::format("cannot use {} port {} of {}: {}", stream.udp ? "UDP" : "TCP", port, address,
                                         std::strerror(errno)));
  return fd;
}

Result<Fd> connected_socket(const FloodStream& stream) {
  GRIT_TRY(Fd fd, bound_socket(stream, stream.source, 0));
  GRIT_TRY(const SocketAddress peer, socket_address(stream.destination, stream.port));
  if (!stream.udp) set_option(fd.get(), IPPROTO_TCP, TCP_SYNCNT, 1);  // 3 s; then it is tried anew
  if (::connect(fd.get(), peer.get(), peer.length) != 0) return errno_error("cannot connect to " + stream.destination);
  return fd;
}

std::int64_t path_mtu_bytes(int fd, bool ipv6) {
  int mtu_bytes = 0;
  socklen_t length = sizeof mtu_bytes;
  ::getsockopt(fd, ipv6 ? static_cast<int>(IPPROTO_IPV6) : static_cast<int>(IPPROTO_IP), ipv6 ? IPV6_MTU : IP_MTU,
               &mtu_bytes, &length);
  return mtu_bytes;
}

/// When how much may be sent: absolute times, so that neither rounding nor late wake-ups add up.
class Pace {
 public:
  explicit Pace(std::int64_t rate_bits_per_s)
      : bytes_per_ns_(static_cast<double>(rate_bits_per_s) / 8e9), start_ns_(monotonic_ns()) {}

  /// How many of up to `most_bytes` may go now, in whole `unit_bytes`; waits until it is at least one.
  std::int64_t wait(std::int64_t unit_bytes, std::int64_t most_bytes) {
    if (bytes_per_ns_ <= 0) return most_bytes;
    for (;;) {
      const std::int64_t now_ns = monotonic_ns();
      forget_lag(now_ns);
      const std::int64_t due_bytes = due(now_ns) - sent_bytes_;
      if (due_bytes >= unit_bytes) return std::min(most_bytes, due_bytes / unit_bytes * unit_bytes);
      const auto next_ns =
          start_ns_ + static_cast<std::int64_t>(static_cast<double>(sent_bytes_ + unit_bytes) / bytes_per_ns_) + 1;
      sleep_until(std::max(next_ns, now_ns + kSlice_ns));
    }
  }
  void sent(std::int64_t bytes) { sent_bytes_ += bytes; }

 private:
  [[nodiscard]] std::int64_t due(std::int64_t now_ns) const {
    return static_cast<std::int64_t>(static_cast<double>(now_ns - start_ns_) * bytes_per_ns_);
  }
  /// What a link that was down or too slow for longer than this could not take is not sent as a burst later.
  void forget_lag(std::int64_t now_ns) {
    const auto most = static_cast<std::int64_t>(static_cast<double>(kLongestLag_ns) * bytes_per_ns_);
    if (due(now_ns) - sent_bytes_ > std::max<std::int64_t>(most, kTcpChunk_bytes)) {
      start_ns_ = now_ns;
      sent_bytes_ = 0;
    }
  }

  double bytes_per_ns_;
  std::int64_t start_ns_;
  std::int64_t sent_bytes_ = 0;
};

Result<Fd> memory_file() {
  Fd file(::memfd_create("grit-flood", MFD_CLOEXEC));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(kBuffer_bytes)) != 0)
    return errno_error("cannot make a memory file");
  const std::vector<char> zeros(kBuffer_bytes);  // pages that exist, rather than holes
  if (::write(file.get(), zeros.data(), zeros.size()) != static_cast<ssize_t>(zeros.size()))
    return errno_error("cannot fill a memory file");
  return file;
}

void send_tcp(const FloodStream& stream, WorkerPage& page, Fd socket) {
  Fd file;
  std::vector<char> buffer(stream.offload ? 0 : kBuffer_bytes);
  if (stream.offload) {
    auto made = memory_file();
    if (!made) page.fail(made.error().message);
    file = std::move(*made);
  }
  std::atomic<std::int64_t>& acknowledged = page.counters[stream.counter];
  std::int64_t base_bytes = 0, queued_bytes = 0;
  Pace pace(stream.rate_bits_per_s);
  for (;;) {
    if (!socket) {
      auto again = connected_socket(stream);
      if (!again) {
        sleep_until(monotonic_ns() + kRetry_ns);
        continue;
      }
      socket = std::move(*again);
      base_bytes = acknowledged.load(std::memory_order_relaxed);
      queued_bytes = 0;
    }
    const auto bytes = static_cast<std::size_t>(pace.wait(1, kTcpChunk_bytes));
    off_t offset = 0;
    const ssize_t sent = stream.offload ? ::sendfile(socket.get(), file.get(), &offset, bytes)
                                        : ::send(socket.get(), buffer.data(), bytes, 0);
    if (sent <= 0) {
      if (sent < 0 && errno == EINTR) continue;
      socket = Fd();
      continue;
    }
    pace.sent(sent);
    queued_bytes += sent;
    int unacknowledged_bytes = 0;  // what was never on the wire does not count
    ::ioctl(socket.get(), SIOCOUTQ, &unacknowledged_bytes);
    acknowledged.store(base_bytes + queued_bytes - unacknowledged_bytes, std::memory_order_relaxed);
  }
}

void send_udp(const FloodStream& stream, WorkerPage& page, const Fd& socket) {
  const bool ipv6 = stream.destination.find(':') != std::string::npos;
  const std::int64_t headers_bytes = ipv6 ? 48 : 28;
  bool segments = stream.offload && stream.packet_bytes + headers_bytes <= path_mtu_bytes(socket.get(), ipv6) &&
                  set_option(socket.get(), IPPROTO_UDP, UDP_SEGMENT, static_cast<int>(stream.packet_bytes));
  const std::vector<char> buffer(kBuffer_bytes);
  std::atomic<std::int64_t>& counter = page.counters[stream.counter];
  Pace pace(stream.rate_bits_per_s);
  for (;;) {
    const std::int64_t packets =
        segments ? std::clamp<std::int64_t>(kUdpBatch_bytes / stream.packet_bytes, 1, kUdpBatch_packets) : 1;
    const std::int64_t bytes = pace.wait(stream.packet_bytes, packets * stream.packet_bytes);
    const ssize_t sent = ::send(socket.get(), buffer.data(), static_cast<std::size_t>(bytes), 0);
    if (sent > 0) {
      pace.sent(sent);
      counter.fetch_add(sent, std::memory_order_relaxed);
    } else if (segments && (errno == EINVAL || errno == EMSGSIZE || errno == EIO)) {
      segments = false;  // the route's MTU shrank, or its device cannot checksum segments
      set_option(socket.get(), IPPROTO_UDP, UDP_SEGMENT, 0);
    } else if (errno != EINTR && errno != ECONNREFUSED) {
      sleep_until(monotonic_ns() + kNsPerMs);  // the link is down, say: no use in trying at full speed
    }
  }
}

void receive_tcp(const FloodStream& stream, WorkerPage& page, const Fd& listener) {
  std::vector<char> buffer(kBuffer_bytes);
  for (;;) {
    const Fd socket(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) {
      sleep_until(monotonic_ns() + kRetry_ns);
      continue;
    }
    for (;;) {
      const ssize_t got = ::recv(socket.get(), buffer.data(), buffer.size(), stream.offload ? MSG_TRUNC : 0);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      page.counters[stream.counter].fetch_add(got, std::memory_order_relaxed);
    }
  }
}

void receive_udp(const FloodStream& stream, WorkerPage& page, const Fd& socket) {
  std::vector<char> buffer(kBuffer_bytes);
  const std::size_t taken = stream.offload ? 1 : buffer.size();
  for (;;) {
    const ssize_t got = ::recv(socket.get(), buffer.data(), taken, MSG_TRUNC);
    if (got > 0)
      page.counters[stream.counter].fetch_add(got, std::memory_order_relaxed);
    else if (got < 0 && errno != EINTR)
      sleep_until(monotonic_ns() + kNsPerMs);
  }
}

}  // namespace

void flood_send(const FloodStream& stream, WorkerPage& page) {
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  page.set_ready();
  Fd socket;
  // The other nodes arm at slightly different moments.
  while (!socket && (stream.udp || page.started.load() == 0)) {
    auto made = connected_socket(stream);
    if (made)
      socket = std::move(*made);
    else
      sleep_until(monotonic_ns() + kRetry_ns);
  }
  page.wait_for_start();
  stream.udp ? send_udp(stream, page, socket) : send_tcp(stream, page, std::move(socket));
}

void flood_receive(const FloodStream& stream, WorkerPage& page) {
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  auto socket = bound_socket(stream, stream.destination, stream.port);
  if (!socket) page.fail(socket.error().message);
  if (!stream.udp && ::listen(socket->get(), 4) != 0) page.fail(fmt::format("cannot listen: {}", std::strerror(errno)));
  if (stream.udp) {
    if (stream.offload) set_option(socket->get(), IPPROTO_UDP, UDP_GRO, 1);
    if (!set_option(socket->get(), SOL_SOCKET, SO_RCVBUFFORCE, kUdpReceiveBuffer_bytes))
      set_option(socket->get(), SOL_SOCKET, SO_RCVBUF, kUdpReceiveBuffer_bytes);
  }
  page.wait_for_start();
  stream.udp ? receive_udp(stream, page, *socket) : receive_tcp(stream, page, *socket);
}

std::optional<std::string> why_no_offload(bool udp) {
  if (!udp) {
    auto file = memory_file();
    return file ? std::nullopt : std::optional(file.error().message);
  }
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return fmt::format("cannot make a UDP socket: {}", std::strerror(errno));
  if (!set_option(socket.get(), IPPROTO_UDP, UDP_SEGMENT, 1000))
    return "this kernel has no UDP segmentation offload (UDP_SEGMENT): it needs Linux 4.18 or later";
  if (!set_option(socket.get(), IPPROTO_UDP, UDP_GRO, 1))
    return "this kernel has no UDP_GRO: it needs Linux 5.0 or later";
  return std::nullopt;
}

Status try_flood_port(const FloodStream& stream) {
  auto socket = bound_socket(stream, stream.destination, stream.port);
  if (!socket) return tl::make_unexpected(socket.error());
  return {};
}

}  // namespace grit
