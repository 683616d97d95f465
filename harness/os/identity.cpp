#include "harness/os/identity.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>
#include <sstream>

#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"
#include "harness/os/capability.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

// Inodes of the machine's first namespaces, include/linux/proc_ns.h.
constexpr ino_t kFirstUserNamespace = 0xEFFFFFFD;
constexpr ino_t kFirstPidNamespace = 0xEFFFFFFC;

std::string identity_of(const struct stat& file) { return fmt::format("{}:{}", file.st_dev, file.st_ino); }

bool is_number(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

ino_t inode_of(const char* path) {
  struct stat file {};
  return ::stat(path, &file) == 0 ? file.st_ino : ino_t{0};
}

/// Why some namespace may exist that a look at all of /proc does not show; empty: none can.
std::string why_not_all_is_seen() {
  if (!in_first_pid_namespace())
    return "only the machine's own processes see all of its namespaces, and this is in a container";
  if (::geteuid() != 0 || !in_first_user_namespace() || !has_capability(CAP_SYS_PTRACE))
    return "only root sees all of the machine's namespaces";
  return {};
}

/// The inode of a link like "net:[4026531833]", namespaces(7), or of a mount of one.
std::string nsfs_name(const std::string& kind, const std::string& id) {
  return fmt::format("{}:[{}]", kind, id.substr(id.find(':') + 1));
}

/// Where the namespace is mounted in the mount namespace of a process, as this process can name it; empty: nowhere.
std::string mounted_at(const fs::path& process, const std::string& nsfs_name) {
  std::error_code error;
  const bool ours = fs::read_symlink(process / "ns/mnt", error) == fs::read_symlink("/proc/self/ns/mnt", error);
  std::istringstream mounts(read_file(process / "mountinfo").value_or(std::string()));
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string mount, parent, device, root, point;
    fields >> mount >> parent >> device >> root >> point;
    if (root == nsfs_name) return ours ? point : (process / "root").string() + point;
  }
  return {};
}

/// Can a socket of another process have been made in that network namespace, in which the process need not be? True
/// also where it may not be looked at.
bool may_be_in(const std::string& netns, const Fd& process, int number) {
  const Fd socket(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), number, 0)));
  if (!socket) return errno != EBADF && errno != ESRCH;  // those two: it has been closed
  const Fd its(::ioctl(socket.get(), SIOCGSKNS));
  return !its || netns_id(its.get()).value_or(netns) == netns;
}

/// Looks at what a process has open: a descriptor of the namespace itself, or a socket that was made in it.
void look_among_open_files(const fs::path& process, const std::string& kind, const std::string& id,
                           NamespaceSearch& search) {
  const std::string name = nsfs_name(kind, id), pid = process.filename().string();
  const Fd itself(static_cast<int>(::syscall(SYS_pidfd_open, std::stoi(pid), 0)));
  std::error_code error;
  for (fs::directory_iterator entry(process / "fd", error), end; !error && entry != end; entry.increment(error)) {
    std::error_code closed;
    const std::string file = fs::read_symlink(entry->path(), closed);
    if (file == name) search.path = entry->path();
    if (kind == "net" && file.starts_with("socket:") && may_be_in(id, itself, std::stoi(entry->path().filename())))
      search.unseen = fmt::format("process {} has a socket in it, or one that may not be looked at", pid);
  }
}

}  // namespace

bool in_first_user_namespace() {
  const ino_t inode = inode_of("/proc/self/ns/user");
  return inode == kFirstUserNamespace || inode == 0;
}

bool is_root_of_the_machine() {
  if (::geteuid() != 0) return false;
  const auto map = read_file("/proc/self/uid_map", 4096);
  if (!map) return true;
  std::istringstream fields(*map);
  std::int64_t inside = -1, outside = -1;
  fields >> inside >> outside;
  return inside == 0 && outside == 0;
}

Result<std::string> boot_id() {
  GRIT_TRY(std::string id, read_file("/proc/sys/kernel/random/boot_id", 4096));
  id.erase(std::remove(id.begin(), id.end(), '\n'), id.end());
  return id;
}

Result<std::string> netns_id(int netns_fd) {
  struct stat file {};
  if (::fstat(netns_fd, &file) != 0) return errno_error("cannot identify the network namespace");
  return identity_of(file);
}

Result<std::string> netns_id() {
  const Fd fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!fd) return errno_error("cannot open /proc/thread-self/ns/net");
  return netns_id(fd.get());
}

bool in_first_pid_namespace() { return inode_of("/proc/self/ns/pid") == kFirstPidNamespace; }

Result<std::string> pidns_id() {
  struct stat file {};
  if (::stat("/proc/self/ns/pid", &file) != 0) return errno_error("cannot identify the pid namespace");
  return identity_of(file);
}

std::string machine_id() {
  constexpr std::size_t kDigits = 32;
  for (const char* file : {"/etc/machine-id", "/var/lib/dbus/machine-id"}) {
    const auto text = read_file(file, 4096);
    if (!text || text->size() < kDigits) continue;
    std::string id = text->substr(0, kDigits);  // "uninitialized" while a new image boots
    const bool hex = std::all_of(id.begin(), id.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
    if (hex) return id;
  }
  return {};
}

NamespaceSearch find_namespace(const std::string& kind, const std::string& id) {
  NamespaceSearch search;
  search.unseen = why_not_all_is_seen();
  const std::string name = nsfs_name(kind, id);
  std::set<fs::path> mounts_seen;
  std::error_code error, ignored;
  for (fs::directory_iterator entry("/proc", error), end; !error && entry != end; entry.increment(error)) {
    const fs::path process = entry->path();
    if (!is_number(process.filename().string())) continue;
    const fs::path link = process / "ns" / kind;
    struct stat file {};
    if (::stat(link.c_str(), &file) == 0) {
      if (identity_of(file) == id) search.path = link;
    } else if (errno != ENOENT && errno != ESRCH && search.unseen.empty()) {  // those two: it has ended
      search.unseen = fmt::format("the namespaces of process {} may not be looked at", process.filename().string());
    }
    const bool new_mounts = mounts_seen.insert(fs::read_symlink(process / "ns/mnt", ignored)).second;
    if (search.path.empty() && new_mounts) search.path = mounted_at(process, name);
    if (search.path.empty()) look_among_open_files(process, kind, id, search);
    if (!search.path.empty()) return search;
  }
  if (error && search.unseen.empty()) search.unseen = "/proc cannot be listed: " + error.message();
  return search;
}

}  // namespace grit
