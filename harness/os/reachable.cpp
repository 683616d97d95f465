#include "harness/os/reachable.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"

namespace grit {
namespace {

constexpr std::string_view kScheme = "tcp://";

/// 0 bytes long: not an address in numbers.
struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

SocketAddress socket_address(const Endpoint& endpoint) {
  SocketAddress made;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, endpoint.address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<std::uint16_t>(endpoint.port));
    std::memcpy(&made.bytes, &v4, made.size = sizeof v4);
  } else if (::inet_pton(AF_INET6, endpoint.address.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<std::uint16_t>(endpoint.port));
    std::memcpy(&made.bytes, &v6, made.size = sizeof v6);
  }
  return made;
}

/// Nothing: it is no port.
std::optional<int> port_number(std::string_view text) {
  if (text == "*") return 0;
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) return std::nullopt;
  return port;
}

class Attempt {
 public:
  explicit Attempt(const Endpoint& endpoint) : endpoint_(endpoint) {
    const SocketAddress where = socket_address(endpoint);
    socket_ = Fd(::socket(where.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket_ || ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&where.bytes), where.size) != 0)
      error_ = errno;
  }

  [[nodiscard]] bool is_under_way() const { return error_ == EINPROGRESS; }
  [[nodiscard]] pollfd awaited() const { return {is_under_way() ? socket_.get() : -1, POLLOUT, 0}; }
  void finish() {
    socklen_t size = sizeof error_;
    ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error_, &size);
  }
  [[nodiscard]] Status outcome() const {
    if (error_ == 0) return {};
    const int why = is_under_way() ? ETIMEDOUT : error_;
    return unavailable_error(fmt::format("{} port {}: {}", endpoint_.address, endpoint_.port, std::strerror(why)));
  }

 private:
  Endpoint endpoint_;
  Fd socket_{};
  int error_ = 0;
};

}  // namespace

std::string to_string(const Endpoint& endpoint) {
  const bool v6 = endpoint.address.find(':') != std::string::npos;
  return fmt::format("{}{}{}{}:{}", kScheme, v6 ? "[" : "", endpoint.address, v6 ? "]" : "",
                     endpoint.port == 0 ? "*" : std::to_string(endpoint.port));
}

Result<Endpoint> parse_endpoint(const std::string& text) {
  const auto colon = text.rfind(':');
  if (text.starts_with(kScheme) && colon != std::string::npos && colon >= kScheme.size()) {
    Endpoint endpoint{.address = text.substr(kScheme.size(), colon - kScheme.size())};
    const bool bracketed = endpoint.address.starts_with('[') && endpoint.address.ends_with(']');
    if (bracketed) endpoint.address = endpoint.address.substr(1, endpoint.address.size() - 2);
    const auto port = port_number(std::string_view(text).substr(colon + 1));
    const bool v6 = endpoint.address.find(':') != std::string::npos;
    if (port && bracketed == v6 && socket_address(endpoint).size != 0) {
      endpoint.port = *port;
      return endpoint;
    }
  }
  return usage_error(fmt::format("'{}' is not an endpoint of the form tcp://ADDRESS:PORT", text));
}

std::vector<Status> try_to_connect(const std::vector<Endpoint>& endpoints, std::int64_t timeout_ns) {
  std::vector<Attempt> attempts;
  for (const Endpoint& endpoint : endpoints) attempts.emplace_back(endpoint);
  const std::int64_t deadline_ns = monotonic_ns() + timeout_ns;
  while (std::any_of(attempts.begin(), attempts.end(), [](const Attempt& one) { return one.is_under_way(); })) {
    const std::int64_t left_ns = deadline_ns - monotonic_ns();
    if (left_ns <= 0) break;
    std::vector<pollfd> awaited;
    for (const Attempt& attempt : attempts) awaited.push_back(attempt.awaited());
    ::poll(awaited.data(), awaited.size(), static_cast<int>(left_ns / kNsPerMs) + 1);
    for (std::size_t i = 0; i < attempts.size(); ++i)
      if (awaited[i].revents != 0) attempts[i].finish();
  }
  std::vector<Status> outcomes;
  for (const Attempt& attempt : attempts) outcomes.push_back(attempt.outcome());
  return outcomes;
}

}  // namespace grit
