#include "harness/os/reachable.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "harness/base/clock.hpp"

namespace grit {
namespace {

using AddressList = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

Result<AddressList> numeric(const std::string& address, int port) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int failed = ::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &wanted, &found); failed != 0)
    return unavailable_error(fmt::format("{} is no address: {}", address, ::gai_strerror(failed)));
  return AddressList(found, &::freeaddrinfo);
}

Failure failed_at(const std::string& address, int port, int error) {
  return unavailable_error(fmt::format("{} port {}: {}", address, port, std::strerror(error)));
}

}  // namespace

Result<ListeningSocket> listen_on(const std::string& address) {
  GRIT_TRY(const AddressList where, numeric(address, 0));
  ListeningSocket listening;
  listening.fd = Fd(::socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (!listening.fd || ::bind(listening.fd.get(), where->ai_addr, where->ai_addrlen) != 0 ||
      ::listen(listening.fd.get(), SOMAXCONN) != 0 ||
      ::getsockname(listening.fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0)
    return failed_at(address, 0, errno);
  std::array<char, NI_MAXSERV> port{};
  ::getnameinfo(reinterpret_cast<sockaddr*>(&bound), size, nullptr, 0, port.data(), port.size(), NI_NUMERICSERV);
  listening.port = std::atoi(port.data());
  return listening;
}

Status try_to_connect(const std::string& address, int port, std::int64_t timeout_ns) {
  GRIT_TRY(const AddressList where, numeric(address, port));
  const Fd socket(::socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return errno_error("socket");
  if (::connect(socket.get(), where->ai_addr, where->ai_addrlen) == 0) return {};
  if (errno != EINPROGRESS) return failed_at(address, port, errno);
  pollfd ready{socket.get(), POLLOUT, 0};
  if (::poll(&ready, 1, static_cast<int>(timeout_ns / kNsPerMs)) != 1) return failed_at(address, port, ETIMEDOUT);
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? Status() : failed_at(address, port, error);
}

}  // namespace grit
