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
/// Each look at who has it stays in the queue of the socket there, which accepts nobody.
constexpr std::int64_t kNextHolder_ns = 500 * kNsPerMs;

struct Name {
  std::string text{};  // as ss(8) shows it behind an '@'
  sockaddr_un address{};
  socklen_t length = 0;

  /// Of the abstract sort: it begins with a zero byte and is no file.
  Name(const std::string& burnin, const std::string& host) : text(fmt::format("grit-measure-{}-{}", burnin, host)) {
    text.resize(std::min(text.size(), sizeof address.sun_path - 1));
    const std::size_t bytes = text.size();
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
  // Nobody is accepted, so who looks at the holder stays in the queue, and once it is full nobody can look any more.
  if (::listen(socket.get(), SOMAXCONN) != 0) return errno_error("cannot hold the node for a measurement");
  return std::optional(std::move(socket));
}

/// The process that holds it, when it is ours to end: the kernel says who listens there, and what it runs.
std::optional<ProcessIdentity> own_holder(const Name& name) {
  const Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ucred peer{};
  socklen_t length = sizeof peer;
  if (!socket || ::connect(socket.get(), name.get(), name.length) != 0 ||
      ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.pid <= 0 ||
      peer.pid == ::getpid() || peer.uid != ::geteuid())
    return std::nullopt;
  const auto holder = identify_process(peer.pid);
  std::error_code unknown;
  const auto program = std::filesystem::read_symlink(fmt::format("/proc/{}/exe", peer.pid), unknown);
  if (!holder || unknown || program != std::filesystem::read_symlink("/proc/self/exe", unknown)) return std::nullopt;
  return *holder;
}

/// Ends who has it: another process that has it later is asked first, too.
class HolderEnd {
 public:
  explicit HolderEnd(const Name& name) : name_(name) {}

  /// Whether a signal was of use is seen at the next look.
  void look(std::int64_t now_ns) {
    if (now_ns < next_ns_) return;
    next_ns_ = now_ns + kNextHolder_ns;
    const auto holder = own_holder(name_);
    if (!holder) return;
    if (!asked_ || holder->pid != asked_->pid || holder->start_ticks != asked_->start_ticks) {
      asked_ = holder;
      asked_ns_ = now_ns;
      static_cast<void>(send_signal(*holder, SIGTERM));
    } else if (now_ns - asked_ns_ >= kEnding_ns) {
      static_cast<void>(send_signal(*holder, SIGKILL));
    }
  }

 private:
  const Name& name_;
  std::optional<ProcessIdentity> asked_{};
  std::int64_t asked_ns_ = 0, next_ns_ = 0;  // CLOCK_MONOTONIC
};

}  // namespace

Result<MeasureTurn> MeasureTurn::take(const std::string& burnin, const std::string& host, std::int64_t patience_ns,
                                      const std::function<bool()>& is_wanted) {
  const Name name(burnin, host);
  HolderEnd end(name);
  const std::int64_t began_ns = monotonic_ns();
  for (;;) {
    GRIT_TRY(std::optional<Fd> held, try_to_hold(name));
    if (held) return MeasureTurn(std::move(*held));
    if (!is_wanted()) return unavailable_error("nobody reads what is measured");
    const std::int64_t now_ns = monotonic_ns();
    if (now_ns - began_ns >= patience_ns)
      return unavailable_error(
          fmt::format("an earlier measurement of this burn-in is still going on on {}, and cannot be ended by this "
                      "user: end the process there that listens on @{} (ss -xlp), then go on with grit resume",
                      host, name.text));
    end.look(now_ns);
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace grit
