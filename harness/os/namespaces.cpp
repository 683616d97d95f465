#include "harness/os/namespaces.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "harness/base/files.hpp"

namespace grit {
namespace {

// The uid_map and gid_map files take one write(2) only, and must not be truncated or replaced.
Status write_proc_file(const char* path, const std::string& text) {
  const Fd fd(::open(path, O_WRONLY | O_CLOEXEC));
  if (!fd) return errno_error(fmt::format("cannot open {}", path));
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return errno_error(fmt::format("cannot write {}", path));
  return {};
}

std::optional<long> read_setting(const std::filesystem::path& file) {
  const auto text = read_file(file, 64);
  if (!text) return std::nullopt;
  try {
    return std::stol(*text);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

Failure namespace_error(const char* call, int error_number) {
  const std::string reason = fmt::format("{}: {}", call, std::strerror(error_number));
  if (error_number != EPERM && error_number != EACCES && error_number != ENOSPC && error_number != EUSERS)
    return internal_error(reason);
  return unavailable_error(fmt::format("{}. {}", reason, user_namespace_advice()));
}

Status mount_kernel_filesystem(const char* type, const std::filesystem::path& target) {
  if (::mount(type, target.c_str(), type, MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0) return {};
  if (errno != EPERM && errno != EACCES)
    return errno_error(fmt::format("cannot mount {} on {}", type, target.string()));
  return unavailable_error(fmt::format(
      "cannot mount a {} of its own for a node: the kernel refuses it because parts of {} are masked, as in a "
      "container. "
      "Start the container with --privileged (or --security-opt systempaths=unconfined), or run outside of it. {}",
      type, target.string(), user_namespace_advice()));
}

}  // namespace

Status unshare_namespaces(int flags) {
  if (::unshare(flags) != 0) return namespace_error("unshare", errno);
  return {};
}

std::string user_namespace_advice(const std::filesystem::path& proc_sys) {
  struct Setting {
    const char* file;
    const char* name;
    long forbidding;
    const char* remedy;
  };
  static constexpr Setting kSettings[] = {
      {"user/max_user_namespaces", "user.max_user_namespaces", 0, "sysctl -w user.max_user_namespaces=10000"},
      {"kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone", 0,
       "sysctl -w kernel.unprivileged_userns_clone=1"},
      {"kernel/apparmor_restrict_unprivileged_userns", "kernel.apparmor_restrict_unprivileged_userns", 1,
       "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"}};
  for (const auto& setting : kSettings)
    if (read_setting(proc_sys / setting.file) == setting.forbidding)
      return fmt::format(
          "This machine forbids user namespaces to ordinary users ({} is {}). Run as root, or have the administrator "
          "run: {}",
          setting.name, setting.forbidding, setting.remedy);
  return "Run as root; in a container, start it with --privileged, because its seccomp profile or missing "
         "CAP_SYS_ADMIN "
         "may be what forbids namespaces";
}

Status enter_new_user_namespace() {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  if (::unshare(CLONE_NEWUSER) != 0) return namespace_error("cannot make a user namespace", errno);
  GRIT_CHECK(
      write_proc_file("/proc/self/setgroups", "deny"));  // the kernel asks for this before an unprivileged gid_map
  GRIT_CHECK(write_proc_file("/proc/self/uid_map", fmt::format("0 {} 1", uid)));
  return write_proc_file("/proc/self/gid_map", fmt::format("0 {} 1", gid));
}

Result<pid_t> fork_into_new_pid_namespace() {
  GRIT_TRY(const Fd own, open_namespace(::getpid(), "pid"));
  GRIT_CHECK(unshare_namespaces(CLONE_NEWPID));
  const pid_t child = ::fork();
  if (child == 0) return child;
  const int fork_error = errno;
  GRIT_CHECK(enter_namespace(own.get(), CLONE_NEWPID));
  if (child < 0) return errno_error("fork", fork_error);
  return child;
}

// Both by syscall(2): glibc 2.36 declares its wrappers without C linkage.
Result<Fd> open_process(pid_t pid) {
  Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process) return errno_error(fmt::format("pidfd_open({})", pid));
  return process;
}

Result<Fd> copy_descriptor(const Fd& process, int number) {
  Fd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), number, 0)));
  if (!copy) return errno_error("pidfd_getfd");
  return copy;
}

Status enter_namespaces_of(pid_t pid, int flags) {
  GRIT_TRY(const Fd pidfd, open_process(pid));
  if (::setns(pidfd.get(), flags) != 0)
    return errno_error(fmt::format("cannot enter the namespaces of process {}", pid));
  return {};
}

Status enter_namespace(int fd, int type) {
  if (::setns(fd, type) != 0) return errno_error("setns");
  return {};
}

Result<Fd> open_namespace(pid_t pid, const char* type) {
  const auto path = fmt::format("/proc/{}/ns/{}", pid, type);
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error("cannot open " + path);
  return fd;
}

Status check_root_survives_entering() {
  constexpr int kSame = 0, kAnother = 1;
  const pid_t child = ::fork();
  if (child < 0) return errno_error("fork");
  if (child == 0) {
    struct stat before {
    }, after{};
    const Fd mounts(::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
    // Entering even the present one moves the root to that of the namespace. What cannot be tried says nothing here.
    if (::stat("/", &before) != 0 || ::setns(mounts.get(), CLONE_NEWNS) != 0) ::_exit(kSame);
    const bool same = ::stat("/", &after) == 0 && before.st_dev == after.st_dev && before.st_ino == after.st_ino;
    ::_exit(same ? kSame : kAnother);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != kAnother) return {};
  return unavailable_error(
      "this is a chroot, and entering a node's mount namespace would leave it. Run grit outside of it, in a container "
      "(podman, bubblewrap, systemd-nspawn: these change the root with pivot_root), or on real nodes under mpirun");
}

Status make_mounts_private() {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return errno_error("cannot make mounts private");
  return {};
}

Status mount_tmpfs(const std::filesystem::path& target) {
  if (::mount("tmpfs", target.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") != 0)
    return errno_error("cannot mount a tmpfs on " + target.string());
  return {};
}

Status mount_proc(const std::filesystem::path& target) { return mount_kernel_filesystem("proc", target); }

Status mount_sysfs(const std::filesystem::path& target) { return mount_kernel_filesystem("sysfs", target); }

Status bind_mount(const std::filesystem::path& source, const std::filesystem::path& target) {
  if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
    return errno_error(fmt::format("cannot bind {} to {}", source.string(), target.string()));
  return {};
}

Status move_mount(const std::filesystem::path& source, const std::filesystem::path& target) {
  if (::mount(source.c_str(), target.c_str(), nullptr, MS_MOVE, nullptr) != 0)
    return errno_error(fmt::format("cannot move the mount {} to {}", source.string(), target.string()));
  return {};
}

Status set_hostname(const std::string& name) {
  if (::sethostname(name.data(), name.size()) != 0) return errno_error("cannot set the host name to " + name);
  return {};
}

}  // namespace grit
