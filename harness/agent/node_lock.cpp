#include "harness/agent/node_lock.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

namespace grit {
namespace {

constexpr std::string_view kName("\0grit-run", 9);

socklen_t fill_address(sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, kName.data(), kName.size());
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + kName.size());
}

std::string holder() {
  sockaddr_un address{};
  const socklen_t length = fill_address(address);
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ucred peer{};
  socklen_t peer_length = sizeof peer;
  if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &peer_length) != 0)
    return "another process";
  return fmt::format("process {} of user {}", peer.pid, peer.uid);
}

}  // namespace

Result<NodeLock> NodeLock::acquire() {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("cannot make a socket for the run lock");
  sockaddr_un address{};
  const socklen_t length = fill_address(address);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    if (errno != EADDRINUSE) return errno_error("cannot take the run lock");
    return unavailable_error("another grit run is going on on this node (" + holder() +
                             "); two would disturb each other: wait for it to end, or end it");
  }
  if (::listen(fd.get(), 8) != 0) return errno_error("cannot take the run lock");
  return NodeLock(std::move(fd));
}

}  // namespace grit
