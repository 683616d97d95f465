// Tests that change links, mounts or privileges run in a child process with namespaces of its own: nothing they do
// reaches the machine, and the kernel takes everything down when the child ends. As root and as an ordinary user.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/capability.h>
#include <linux/if_addr.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>
#include <thread>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"
#include "harness/base/result.hpp"
#include "harness/os/netlink.hpp"
#include "tests/catch.hpp"

namespace grit::test {

/// The value, or a failed test that shows the error's message.
template <class T>
T ok(Result<T> result) {
  INFO((result ? std::string() : result.error().message));
  REQUIRE(result.has_value());
  return std::move(*result);
}
inline void ok(const Status& status) {
  INFO((status ? std::string() : status.error().message));
  REQUIRE(status.has_value());
}

namespace detail {

inline void write_text(const char* path, const std::string& text) {
  const Fd fd(::open(path, O_WRONLY | O_CLOEXEC));
  REQUIRE(fd);
  ok(write_all(fd.get(), text));
}

inline void enter_namespaces() {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  const int user = uid == 0 ? 0 : CLONE_NEWUSER;
  INFO("unshare(2): user namespaces may be forbidden here");
  REQUIRE(::unshare(user | CLONE_NEWNET | CLONE_NEWNS) == 0);
  if (user != 0) {
    write_text("/proc/self/setgroups", "deny");
    write_text("/proc/self/uid_map", fmt::format("0 {} 1", uid));
    write_text("/proc/self/gid_map", fmt::format("0 {} 1", gid));
  }
  REQUIRE(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
}

}  // namespace detail

/// Forks, and runs the body in new namespaces: network and mount always, user (with this user as its root) when not
/// root. Inside, use REQUIRE (it throws, which ends the child and fails the test), never CHECK or SECTION.
inline void in_namespaces(const std::function<void()>& body) {
  std::cout.flush();
  std::fflush(nullptr);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int failed = 1;
    try {
      detail::enter_namespaces();
      body();
      failed = 0;
    } catch (const std::exception& error) {
      std::cout << "in the child: " << error.what() << '\n';
    } catch (...) {  // a failed REQUIRE, which Catch has printed
    }
    std::cout.flush();
    std::fflush(nullptr);
    ::_exit(failed);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  INFO("the child's own failure is printed above");
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
}

/// Another, empty network namespace; it lives as long as the descriptor or something in it.
inline Fd new_netns() {
  Fd made;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) == 0) made = Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }).join();
  REQUIRE(made);
  return made;
}

/// Gives up all capabilities of the calling process for good.
inline void drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3]{};
  REQUIRE(::syscall(SYS_capset, &header, none) == 0);
}

/// A tmpfs over a directory of the child's own mount namespace, as long as the object lives.
class Tmpfs {
 public:
  Tmpfs(std::string directory, unsigned long flags, const char* options) : directory_(std::move(directory)) {
    REQUIRE(::mount("none", directory_.c_str(), "tmpfs", flags, options) == 0);
  }
  Tmpfs(const Tmpfs&) = delete;
  Tmpfs& operator=(const Tmpfs&) = delete;
  ~Tmpfs() { ::umount2(directory_.c_str(), MNT_DETACH); }

 private:
  std::string directory_;
};

/// Links made from now on in this network namespace do not look for duplicates of their IPv6 addresses, which takes a
/// second or two each time they come up (accept_dad, Documentation/networking/ip-sysctl.rst).
inline void without_dad() {
  std::FILE* file = std::fopen("/proc/sys/net/ipv6/conf/default/accept_dad", "w");
  REQUIRE(file != nullptr);
  std::fputs("0", file);
  REQUIRE(std::fclose(file) == 0);
}

/// Waits (up to 5 s) until no IPv6 address of this network namespace is tentative any more (RFC 4862).
inline void wait_for_dad(Netlink& netlink) {
  const std::int64_t deadline = monotonic_ns() + 5 * kNsPerS;
  for (;;) {
    const auto addresses = ok(netlink.addresses(0));
    const bool tentative = std::any_of(addresses.begin(), addresses.end(),
                                       [](const Address& one) { return (one.flags & IFA_F_TENTATIVE) != 0; });
    if (!tentative) return;
    REQUIRE(monotonic_ns() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

/// Waits (up to 5 s) until the kernel has said everywhere that the link has a carrier. Until then that news is on its
/// way (net/core/link_watch.c), and takes an IPv6 MTU of its own away from the link when it arrives.
inline void wait_until_up(Netlink& netlink, std::string_view name) {
  const std::int64_t deadline = monotonic_ns() + 5 * kNsPerS;
  while (ok(netlink.link(std::string(name))).operstate != "up") {
    REQUIRE(monotonic_ns() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

/// What two moments of a namespace are compared by: every link, address, route and permanent neighbour as text, sorted.
inline std::vector<std::string> dump_network() {
  Netlink netlink = ok(Netlink::open());
  std::vector<std::string> lines;
  for (const Link& l : ok(netlink.links()))
    lines.push_back(fmt::format("link {} {} flags {:#x} {} carrier {} mtu {} {} {} of {} under {}", l.ifindex, l.name,
                                l.flags, l.operstate, l.carrier, l.mtu_bytes, l.mac, l.kind, l.link_ifindex,
                                l.master_ifindex));
  for (const Address& a : ok(netlink.addresses(0)))
    lines.push_back(
        fmt::format("address {} {} peer '{}' /{} brd '{}' label '{}' flags {:#x} scope {} valid {} metric {} by {}",
                    a.ifindex, a.local, a.peer, a.prefix, a.broadcast, a.label, a.flags, a.scope,
                    a.valid_s == Address::kForever ? "forever" : "limited", a.metric, a.protocol));
  for (const Route& r : ok(netlink.routes(0)))
    lines.push_back(fmt::format(
        "route {} '{}'/{} via '{}' src '{}' metric {} table {} scope {} protocol {} type {} tos {} onlink {} "
        "preference {} metrics {} {}",
        r.ifindex, r.destination, r.prefix, r.gateway, r.source, r.metric, r.table, r.scope, r.protocol, r.type, r.tos,
        r.onlink, r.preference, r.metrics, r.unsupported));
  for (const Neighbour& n : ok(netlink.permanent_neighbours(0)))
    lines.push_back(fmt::format("neighbour {} {} {}", n.ifindex, n.address, n.mac));
  std::sort(lines.begin(), lines.end());
  return lines;
}

/// What a dump of now has and `before` has not ("+ ..."), and the other way round ("- ..."); empty: nothing changed.
inline std::string changes_since(const std::vector<std::string>& before) {
  const std::vector<std::string> now = dump_network();
  std::string changes;
  for (const std::string& line : now)
    if (std::find(before.begin(), before.end(), line) == before.end()) changes += "+ " + line + "\n";
  for (const std::string& line : before)
    if (std::find(now.begin(), now.end(), line) == now.end()) changes += "- " + line + "\n";
  return changes;
}

}  // namespace grit::test
