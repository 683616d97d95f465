#include "harness/agent/node_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <thread>

#include "harness/agent/journal.hpp"
#include "harness/agent/private_file.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/os/identity.hpp"

namespace grit {
namespace {

constexpr std::string_view kName("\0grit-run", 9);
constexpr const char* kMachineDirectory = "/run/grit";
constexpr auto kLook = std::chrono::milliseconds(20);

socklen_t fill_address(sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, kName.data(), kName.size());
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + kName.size());
}

Failure held_by(const std::string& who) {
  return unavailable_error("another grit run is going on on this node (" + who +
                           "); two would disturb each other: wait for it to end, or end it");
}

std::string listener() {
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

bool on_local_cluster() {
  const char* local = ::secure_getenv("GRIT_LOCAL_CLUSTER");
  return local != nullptr && std::string_view(local) == "1";
}

/// From a container /run/grit is the machine's only when it was mounted into it.
bool is_mounted(const std::string& directory) {
  std::istringstream mounts(read_file("/proc/self/mountinfo").value_or(std::string()));
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string mount, parent, device, root, point;
    fields >> mount >> parent >> device >> root >> point;
    if (point == directory) return true;
  }
  return false;
}

/// The runtime directory of the XDG base directory specification, if there is one and nobody else can write to it.
std::filesystem::path runtime_directory() {
  const char* given = ::secure_getenv("XDG_RUNTIME_DIR");
  const std::filesystem::path directory = given == nullptr ? "" : given;
  return directory.is_absolute() && open_private_directory(directory, ::geteuid()) ? directory / "grit" : "";
}

}  // namespace

Result<NodeLock> NodeLock::of_network_namespace() {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error("cannot make a socket for the run lock");
  sockaddr_un address{};
  const socklen_t length = fill_address(address);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    if (errno != EADDRINUSE) return errno_error("cannot take the run lock");
    return held_by(listener());
  }
  if (::listen(fd.get(), 8) != 0) return errno_error("cannot take the run lock");
  return NodeLock(std::move(fd));
}

Result<NodeLock> NodeLock::in_directory(const std::filesystem::path& path, const std::string& name) {
  GRIT_CHECK(make_private_directory(path));
  GRIT_TRY(Fd directory, open_private_directory(path, ::geteuid()));
  for (;;) {
    const Fd made(::openat(directory.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!made && errno != EEXIST) return errno_error("cannot make " + (path / name).string());
    GRIT_TRY(NodeLock lock, open_private_file(directory, path / name, O_RDWR, ::geteuid()).map([](Fd&& file) {
      return NodeLock(std::move(file));
    }));
    if (::flock(lock.lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return errno_error("cannot lock " + (path / name).string());
      const auto holder = read_all(lock.lock_.get(), 64);
      return held_by(holder && !holder->empty() ? "process " + *holder : "another process");
    }
    struct stat file {};
    if (::fstat(lock.lock_.get(), &file) != 0) return errno_error("fstat");
    if (file.st_nlink == 0) continue;  // its holder took it away between our opening and locking it
    if (::ftruncate(lock.lock_.get(), 0) != 0) return errno_error("cannot write " + (path / name).string());
    GRIT_CHECK(write_all(lock.lock_.get(), std::to_string(::getpid())));
    lock.directory_ = std::move(directory);
    lock.name_ = name;
    lock.holder_ = ::getpid();
    return lock;
  }
}

std::optional<std::string> NodeLock::why_not_machine_wide() const {
  if (machine_wide_) return std::nullopt;
  return fmt::format(
      "it acts on the whole machine, and grit in another container could do so at the same time: mount the host's {0} "
      "at {0} in all of them, where the lock then lies",
      kMachineDirectory);
}

NodeLock::~NodeLock() {
  if (lock_ && directory_ && holder_ == ::getpid()) ::unlinkat(directory_.get(), name_.c_str(), 0);
}

Result<NodeLock> NodeLock::acquire(std::int64_t patience_ns) {
  for (const std::int64_t deadline_ns = monotonic_ns() + patience_ns;;) {
    auto lock = try_to_acquire();
    if (lock || lock.error().kind != ErrorKind::unavailable || monotonic_ns() >= deadline_ns) return lock;
    std::this_thread::sleep_for(kLook);
  }
}

Result<NodeLock> NodeLock::try_to_acquire() {
  if (on_local_cluster()) return of_network_namespace();
  auto lock = [&]() -> Result<NodeLock> {
    if (is_root_of_the_machine()) {
      GRIT_TRY(NodeLock machines, in_directory(kMachineDirectory, "lock"));
      machines.machine_wide_ = in_first_pid_namespace() || is_mounted(kMachineDirectory);
      return machines;
    }
    if (const auto runtime = runtime_directory(); !runtime.empty()) return in_directory(runtime, "lock");
    GRIT_TRY(const std::string boot, boot_id());  // a home directory may be shared between machines
    return in_directory(default_journal_directory(), "lock-" + boot);
  }();
  if (!lock && lock.error().kind != ErrorKind::unavailable)
    return with_context(lock.error(), "cannot take the run lock");
  return lock;
}

}  // namespace grit
