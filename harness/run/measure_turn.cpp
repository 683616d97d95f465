#include "harness/run/measure_turn.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <optional>
#include <thread>

#include "harness/base/clock.hpp"
#include "harness/os/process.hpp"

namespace grit {
namespace {

constexpr auto kLook = std::chrono::milliseconds(20);
constexpr std::int64_t kEnding_ns = 5 * kNsPerS;

struct Name {
  sockaddr_un address{};
  socklen_t length = 0;

  /// Of the abstract sort: it begins with a zero byte and is no file.
  Name(const std::string& burnin, const std::string& host) {
    const std::string text = fmt::format("grit-measure-{}-{}", burnin, host);
    const std::size_t bytes = std::min(text.size(), sizeof address.sun_path - 1);
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, text.data(), bytes);
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + bytes);
  }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

/// Nothing: somebody has it.
Result<std::optional<Fd>> try_to_hold(const Name& name) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return errno_error("cannot make a socket");
  if (::bind(socket.get(), name.get(), name.length) != 0) {
    if (errno == EADDRINUSE) return std::optional<Fd>();
    return errno_error("cannot hold the node for a measurement");
  }
  if (::listen(socket.get(), 8) != 0) return errno_error("cannot hold the node for a measurement");
  return std::optional(std::move(socket));
}

/// The process that holds it, when it is ours to end: the kernel says who listens there, and what it runs.
std::optional<ProcessIdentity> own_holder(const Name& name) {
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ucred peer{};
  socklen_t length = sizeof peer;
  if (!socket || ::connect(socket.get(), name.get(), name.length) != 0 ||
      ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.pid <= 0 ||
      peer.pid == ::getpid())
    return std::nullopt;
  const auto holder = identify_process(peer.pid);
  std::error_code unknown;
  const auto program = std::filesystem::read_symlink(fmt::format("/proc/{}/exe", peer.pid), unknown);
  if (!holder || unknown || program != std::filesystem::read_symlink("/proc/self/exe", unknown)) return std::nullopt;
  return *holder;
}

}  // namespace

Result<MeasureTurn> MeasureTurn::take(const std::string& burnin, const std::string& host, std::int64_t patience_ns) {
  const Name name(burnin, host);
  const std::int64_t began_ns = monotonic_ns();
  int signal = SIGTERM;
  for (;;) {
    GRIT_TRY(std::optional<Fd> held, try_to_hold(name));
    if (held) return MeasureTurn(std::move(*held));
    const std::int64_t waited_ns = monotonic_ns() - began_ns;
    if (waited_ns >= patience_ns)
      return unavailable_error(
          fmt::format("an earlier measurement of this burn-in is still going on on {}, and cannot be ended", host));
    if (signal == SIGTERM || (signal == SIGKILL && waited_ns >= kEnding_ns)) {
      if (const auto holder = own_holder(name))
        static_cast<void>(send_signal(*holder, signal));  // it is looked at again
      signal = signal == SIGTERM ? SIGKILL : 0;
    }
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace grit
