#include "harness/os/descriptor_offer.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

namespace grit {
namespace {

union ControlBuffer {
  cmsghdr header;
  std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

ucred peer_of(const Fd& socket) {
  ucred peer{0, static_cast<uid_t>(-1), static_cast<gid_t>(-1)};
  socklen_t size = sizeof peer;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
  return peer;
}

Status send_descriptor(const Fd& socket, int descriptor) {
  char byte = 'd';
  iovec content{&byte, 1};
  ControlBuffer control{};
  msghdr message{};
  message.msg_iov = &content;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  if (::sendmsg(socket.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) == 1) return {};
  return errno_error("cannot hand out a descriptor");
}

}  // namespace

Result<DescriptorOffer> DescriptorOffer::open(int takers) {
  DescriptorOffer offer;
  offer.socket_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // Bound to nothing the kernel chooses an abstract name, which vanishes with the socket.
  if (!offer.socket_ || ::bind(offer.socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t)) != 0 ||
      ::listen(offer.socket_.get(), takers) != 0)
    return errno_error("cannot make a local socket");
  socklen_t size = sizeof address;
  if (::getsockname(offer.socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return errno_error("getsockname");
  offer.address_.assign(address.sun_path, size - offsetof(sockaddr_un, sun_path));
  return offer;
}

Result<std::vector<DescriptorOffer::Taker>> DescriptorOffer::hand_out(int descriptor, int takers) const {
  std::vector<Taker> found;
  while (found.size() < static_cast<std::size_t>(takers)) {
    const Fd peer(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer) return errno_error(fmt::format("{} of {} processes asked for the descriptor", found.size(), takers));
    const ucred who = peer_of(peer);
    Taker taker{.label = 0, .pid = who.pid};
    const ssize_t got = ::recv(peer.get(), &taker.label, sizeof taker.label, MSG_DONTWAIT);
    if (who.uid != ::geteuid() || got != static_cast<ssize_t>(sizeof taker.label)) continue;  // somebody else
    GRIT_CHECK(send_descriptor(peer, descriptor));
    found.push_back(taker);
  }
  return found;
}

Result<DescriptorRequest> DescriptorRequest::ask(const std::string& address, std::int32_t label) {
  DescriptorRequest request;
  request.socket_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  std::memcpy(where.sun_path, address.data(), std::min(address.size(), sizeof where.sun_path));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  if (!request.socket_ || ::connect(request.socket_.get(), reinterpret_cast<sockaddr*>(&where), size) != 0)
    return unavailable_error(
        fmt::format("cannot reach the node's first rank over a local socket ({}): all ranks of a node must be in one "
                    "network namespace",
                    std::strerror(errno)));
  if (peer_of(request.socket_).uid != ::geteuid())
    return unavailable_error("the node's first rank belongs to another user: all ranks must run as the same one");
  if (::send(request.socket_.get(), &label, sizeof label, MSG_NOSIGNAL) != static_cast<ssize_t>(sizeof label))
    return errno_error("cannot ask for a descriptor");
  return request;
}

Result<Fd> DescriptorRequest::take() const {
  char byte = 0;
  iovec content{&byte, 1};
  ControlBuffer control{};
  msghdr message{};
  message.msg_iov = &content;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
    return errno_error("no descriptor came over the local socket");
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int)))
    return internal_error("no descriptor came over the local socket");
  int descriptor = -1;
  std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
  return Fd(descriptor);
}

}  // namespace grit
