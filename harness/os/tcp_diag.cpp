#include "harness/os/tcp_diag.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "harness/os/netlink_message.hpp"

namespace grit {
namespace {

constexpr std::uint32_t kEstablished = 1U << 1;  // TCP_ESTABLISHED, include/net/tcp_states.h

/// Of tcpi_data_segs_out (Linux 4.6) in linux/tcp.h, which libnl's headers do not stand beside; glibc's tcp_info ends
/// earlier.
constexpr std::size_t kDataSegmentsOffset_bytes = 156;

std::string address_of(int family, const __be32* words) {
  char text[INET6_ADDRSTRLEN];
  return ::inet_ntop(family, words, text, sizeof text) != nullptr ? text : std::string();
}

TcpConnection parse(const nlmsghdr& message) {
  const auto& header = *static_cast<const inet_diag_msg*>(nlmsg_data(&message));
  const std::string_view bytes = rtnl::Attributes(message, sizeof header).bytes(INET_DIAG_INFO);
  tcp_info info{};  // longer in newer kernels, shorter in older ones, the head is the same
  if (!bytes.empty()) std::memcpy(&info, bytes.data(), std::min(bytes.size(), sizeof info));
  std::uint32_t segments = 0;
  if (bytes.size() >= kDataSegmentsOffset_bytes + sizeof segments)
    std::memcpy(&segments, bytes.data() + kDataSegmentsOffset_bytes, sizeof segments);
  return {.local = address_of(header.idiag_family, header.id.idiag_src),
          .remote = address_of(header.idiag_family, header.id.idiag_dst),
          .pmtu_bytes = info.tcpi_pmtu,
          .mss_bytes = info.tcpi_snd_mss,
          .data_segments_sent = segments,
          .retransmits = info.tcpi_total_retrans};
}

}  // namespace

Result<std::vector<TcpConnection>> tcp_connections() {
  const std::unique_ptr<nl_sock, decltype(&nl_socket_free)> socket(nl_socket_alloc(), nl_socket_free);
  if (!socket) return internal_error("cannot allocate a netlink socket");
  if (const int error = nl_connect(socket.get(), NETLINK_SOCK_DIAG); error < 0)
    return unavailable_error(fmt::format("cannot ask for TCP connections: {}", nl_geterror(error)));
  nl_socket_enable_msg_peek(socket.get());
  std::vector<TcpConnection> found;
  for (const int family : {AF_INET, AF_INET6}) {
    const std::size_t before = found.size();
    inet_diag_req_v2 header{};
    header.sdiag_family = static_cast<__u8>(family);
    header.sdiag_protocol = IPPROTO_TCP;
    header.idiag_ext = 1U << (INET_DIAG_INFO - 1);
    header.idiag_states = kEstablished;
    rtnl::Message request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
    request.header(header);
    const auto receive = [&](const nlmsghdr& message) {
      if (message.nlmsg_type == SOCK_DIAG_BY_FAMILY) found.push_back(parse(message));
    };
    if (auto done = rtnl::exchange(socket.get(), request, receive, [&] { found.resize(before); }); !done)
      return unavailable_error("cannot list the TCP connections: " + done.error().words);
  }
  return found;
}

}  // namespace grit
