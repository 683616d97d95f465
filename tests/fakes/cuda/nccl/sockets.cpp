#include "tests/fakes/cuda/nccl/sockets.hpp"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>

namespace grit::fake {
namespace {

constexpr int kBacklog = 128;

void set_up(int descriptor) {
  const int on = 1;
  (void)::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/// Returns when `descriptor` has one of `events`; false: cancelled.
bool wait_for(int descriptor, short events, const Cancel* cancel) {
  pollfd polled[2] = {{descriptor, events, 0}, {cancel ? cancel->descriptor() : -1, POLLIN, 0}};
  while (::poll(polled, 2, -1) < 0 && errno == EINTR) {
  }
  return polled[1].revents == 0;
}

bool is_named(const std::string& list, const std::string& name, bool whole) {
  std::istringstream names(list);
  for (std::string one; std::getline(names, one, ',');)
    if (whole ? name == one : name.starts_with(one)) return true;
  return false;
}

bool is_wanted(const std::string& name, bool is_loopback) {
  const char* wish = std::getenv("NCCL_SOCKET_IFNAME");
  if (wish == nullptr || *wish == 0) return !is_loopback;
  std::string list = wish;
  const bool is_excluding = list.starts_with('^');
  if (is_excluding) list.erase(0, 1);
  const bool whole = list.starts_with('=');
  if (whole) list.erase(0, 1);
  return is_named(list, name, whole) != is_excluding;
}

}  // namespace

Socket::~Socket() {
  if (is_open()) ::close(descriptor_);
}

Cancel::Cancel() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
void Cancel::set() {
  const std::uint64_t one = 1;
  (void)!::write(event_.descriptor(), &one, sizeof one);
}
bool Cancel::is_set() const { return wait_s(0); }
bool Cancel::wait_s(double seconds) const {
  pollfd polled{event_.descriptor(), POLLIN, 0};
  const int milliseconds = static_cast<int>(std::min(std::ceil(seconds * 1e3), 2e9));
  int found = 0;
  do {
    found = ::poll(&polled, 1, milliseconds);
  } while (found < 0 && errno == EINTR);
  return found > 0;
}

void Lane::add_send(std::uint32_t kind, const void* data, std::size_t size_bytes) {
  sends.push_back({{.kind = kind, .size_bytes = size_bytes}, static_cast<char*>(const_cast<void*>(data))});
}
void Lane::add_receive(std::uint32_t kind, void* data, std::size_t size_bytes) {
  receives.push_back({{.kind = kind, .size_bytes = size_bytes}, static_cast<char*>(data)});
}

Outcome Lane::send_some() {
  while (!sends.empty()) {
    const Message& message = sends.front();
    const bool in_header = sent_bytes < sizeof(Header);
    const char* from = in_header ? reinterpret_cast<const char*>(&message.header) + sent_bytes
                                 : message.data + (sent_bytes - sizeof(Header));
    const std::uint64_t end = in_header ? sizeof(Header) : sizeof(Header) + message.header.size_bytes;
    const ssize_t moved =
        end == sent_bytes ? 0 : ::send(descriptor, from, end - sent_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (moved < 0) return errno == EAGAIN || errno == EINTR ? Outcome::done : Outcome::peer_lost;
    sent_bytes += static_cast<std::uint64_t>(moved);
    if (sent_bytes < sizeof(Header) + message.header.size_bytes) continue;
    sends.pop_front();
    sent_bytes = 0;
  }
  return Outcome::done;
}

Outcome Lane::receive_some() {
  while (!receives.empty()) {
    const Message& message = receives.front();
    const bool in_header = received_bytes < sizeof(Header);
    char* to =
        in_header ? reinterpret_cast<char*>(&found) + received_bytes : message.data + (received_bytes - sizeof(Header));
    const std::uint64_t end = in_header ? sizeof(Header) : sizeof(Header) + message.header.size_bytes;
    if (end > received_bytes) {
      const ssize_t moved = ::recv(descriptor, to, end - received_bytes, MSG_DONTWAIT);
      if (moved == 0) return Outcome::peer_lost;
      if (moved < 0) return errno == EAGAIN || errno == EINTR ? Outcome::done : Outcome::peer_lost;
      received_bytes += static_cast<std::uint64_t>(moved);
    }
    if (received_bytes == sizeof(Header) &&
        (found.kind != message.header.kind || found.size_bytes != message.header.size_bytes))
      return Outcome::mismatch;
    if (received_bytes < sizeof(Header) + message.header.size_bytes) continue;
    receives.pop_front();
    received_bytes = 0;
  }
  return Outcome::done;
}

Outcome exchange_all(std::vector<Lane>& lanes, const Cancel& cancel) {
  std::vector<pollfd> polled;
  for (;;) {
    polled.assign(1, {cancel.descriptor(), POLLIN, 0});
    for (Lane& lane : lanes) {
      if (const Outcome outcome = lane.send_some(); outcome != Outcome::done) return outcome;
      if (const Outcome outcome = lane.receive_some(); outcome != Outcome::done) return outcome;
      const int events = (lane.sends.empty() ? 0 : POLLOUT) | (lane.receives.empty() ? 0 : POLLIN);
      if (events != 0) polled.push_back({lane.descriptor, static_cast<short>(events), 0});
    }
    if (polled.size() == 1) return Outcome::done;
    (void)::poll(polled.data(), polled.size(), -1);
    if (polled[0].revents != 0) return Outcome::cancelled;
  }
}

std::optional<in_addr> own_address() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return std::nullopt;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  std::optional<in_addr> loopback{};
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET || (one->ifa_flags & IFF_UP) == 0) continue;
    const in_addr address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr;
    const bool is_loopback = (one->ifa_flags & IFF_LOOPBACK) != 0;
    if (is_wanted(one->ifa_name, is_loopback)) return address;
    if (is_loopback) loopback = address;
  }
  return std::getenv("NCCL_SOCKET_IFNAME") == nullptr ? loopback : std::nullopt;
}

std::optional<Listener> listen_at(in_addr address) {
  Listener listener{.socket = Socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))};
  listener.address.sin_family = AF_INET;
  listener.address.sin_addr = address;
  auto* const generic = reinterpret_cast<sockaddr*>(&listener.address);
  socklen_t size = sizeof listener.address;
  const int descriptor = listener.socket.descriptor();
  if (::bind(descriptor, generic, size) != 0 || ::listen(descriptor, kBacklog) != 0 ||
      ::getsockname(descriptor, generic, &size) != 0)
    return std::nullopt;
  return listener;
}

Socket accept_from(const Listener& listener, const Cancel* cancel) {
  if (!wait_for(listener.socket.descriptor(), POLLIN, cancel)) return {};
  Socket accepted(::accept4(listener.socket.descriptor(), nullptr, nullptr, SOCK_CLOEXEC));
  set_up(accepted.descriptor());
  return accepted;
}

Socket connect_to(const sockaddr_in& address, const Cancel* cancel) {
  Socket connected(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int descriptor = connected.descriptor();
  const int code = ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (code != 0 && (errno != EINPROGRESS || !wait_for(descriptor, POLLOUT, cancel))) return {};
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return {};
  (void)::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) & ~O_NONBLOCK);
  set_up(descriptor);
  return connected;
}

bool send_all(const Socket& socket, const void* data, std::size_t size_bytes) {
  for (const auto* from = static_cast<const char*>(data); size_bytes > 0;) {
    const ssize_t moved = ::send(socket.descriptor(), from, size_bytes, MSG_NOSIGNAL);
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) return false;
    from += moved, size_bytes -= static_cast<std::size_t>(moved);
  }
  return true;
}

bool receive_all(const Socket& socket, void* data, std::size_t size_bytes, const Cancel* cancel) {
  for (auto* to = static_cast<char*>(data); size_bytes > 0;) {
    if (!wait_for(socket.descriptor(), POLLIN, cancel)) return false;
    const ssize_t moved = ::recv(socket.descriptor(), to, size_bytes, 0);
    if (moved < 0 && errno == EINTR) continue;
    if (moved <= 0) return false;
    to += moved, size_bytes -= static_cast<std::size_t>(moved);
  }
  return true;
}

}  // namespace grit::fake
