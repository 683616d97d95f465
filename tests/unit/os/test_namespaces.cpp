#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "harness/os/ethtool.hpp"
#include "harness/os/namespaces.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

namespace {

// Runs work in a child, because namespaces cannot be left again; 0 is success.
int in_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool write_text(const std::filesystem::path& file, const std::string& text) {
  std::ofstream stream(file);
  stream << text;
  return static_cast<bool>(stream.flush());
}

struct SettingsDirectory {
  grit::test::TempDirectory directory{};
  std::filesystem::path path = directory.path();
  void set(const std::string& name, const std::string& value) const {
    std::filesystem::create_directories((path / name).parent_path());
    REQUIRE(write_text(path / name, value + "\n"));
  }
};

}  // namespace

TEST_CASE("a user namespace makes its maker root of private mounts and of a host name") {
  static constexpr const char* kFile = "/tmp/grit-private-mount-test";
  REQUIRE_FALSE(std::filesystem::exists(kFile));
  CHECK(in_child([] {
          if (!grit::enter_new_user_namespace()) return 1;
          if (::geteuid() != 0 || ::getegid() != 0) return 2;
          if (!grit::unshare_namespaces(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWNET)) return 3;
          if (!grit::make_mounts_private() || !grit::mount_tmpfs("/tmp")) return 4;
          if (!write_text(kFile, "x")) return 5;
          if (!grit::set_hostname("elsewhere")) return 6;
          char name[64] = {};
          ::gethostname(name, sizeof name - 1);
          return std::string(name) == "elsewhere" ? 0 : 7;
        }) == 0);
  CHECK_FALSE(std::filesystem::exists(kFile));
}

TEST_CASE("process 1 of a user namespace forks into new pid namespaces again and again, others can enter them") {
  const auto fork_and_enter = [] {
    const auto init = grit::fork_into_new_pid_namespace();
    if (!init) return 3;
    if (*init == 0) {
      if (::getpid() != 1) ::_exit(1);
      for (;;) ::pause();
    }
    const int entered = in_child([&] {
      if (!grit::enter_namespaces_of(*init, CLONE_NEWPID)) return 5;
      return in_child([] { return ::getpid() > 1 ? 0 : 6; });  // a child is in there, beside process 1
    });
    ::kill(*init, SIGKILL);
    int status = 0;
    ::waitpid(*init, &status, 0);
    return !WIFSIGNALED(status) ? 7 : entered;
  };
  CHECK(in_child([&] {
          if (!grit::enter_new_user_namespace() || !grit::unshare_namespaces(CLONE_NEWPID)) return 1;
          return in_child([&] {
            if (!grit::unshare_namespaces(CLONE_NEWNS) || !grit::make_mounts_private() || !grit::mount_proc("/proc"))
              return 2;
            const int first = fork_and_enter();
            return first != 0 ? first : fork_and_enter();
          });
        }) == 0);
  CHECK_FALSE(grit::enter_namespaces_of(4'000'000, CLONE_NEWNET).has_value());
}

TEST_CASE("forbidden user namespaces are explained by the setting that forbids them") {
  const SettingsDirectory proc_sys;
  proc_sys.set("user/max_user_namespaces", "1000");
  proc_sys.set("kernel/unprivileged_userns_clone", "1");
  CHECK_THAT(grit::user_namespace_advice(proc_sys.path), !Catch::Contains("sysctl"));
  proc_sys.set("kernel/apparmor_restrict_unprivileged_userns", "1");
  CHECK_THAT(grit::user_namespace_advice(proc_sys.path),
             Catch::Contains("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"));
  proc_sys.set("kernel/unprivileged_userns_clone", "0");
  CHECK_THAT(grit::user_namespace_advice(proc_sys.path),
             Catch::Contains("sysctl -w kernel.unprivileged_userns_clone=1"));
  proc_sys.set("user/max_user_namespaces", "0");
  CHECK_THAT(grit::user_namespace_advice(proc_sys.path), Catch::Contains("user.max_user_namespaces is 0"));
}

TEST_CASE("a real limit of user namespaces is found and named") {
  CHECK(in_child([] {
          if (!grit::enter_new_user_namespace()) return 1;
          if (!write_text("/proc/sys/user/max_user_namespaces", "0")) return 2;  // for those below this new one
          const auto refused = grit::enter_new_user_namespace();
          if (refused || refused.error().kind != grit::ErrorKind::unavailable) return 3;
          return refused.error().message.find("user.max_user_namespaces is 0") != std::string::npos ? 0 : 4;
        }) == 0);
}

TEST_CASE("a descriptor is copied out of another process as the same open file") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  const auto process = grit::open_process(child);
  REQUIRE(process.has_value());
  {
    const auto copy = grit::copy_descriptor(*process, ends[1]);
    REQUIRE(copy.has_value());
    CHECK(::write(copy->get(), "x", 1) == 1);
    CHECK_FALSE(grit::copy_descriptor(*process, 999).has_value());
  }
  char byte = 0;
  CHECK(::read(ends[0], &byte, 1) == 1);
  CHECK(byte == 'x');
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
  ::close(ends[1]);
  CHECK_FALSE(grit::open_process(4'000'000).has_value());
}

TEST_CASE("ethtool answers for the device there is, and not for one there is not") {
  const auto ethtool = grit::Ethtool::open();
  REQUIRE(ethtool.has_value());
  CHECK(ethtool->hardware_type("lo") == 772);  // ARPHRD_LOOPBACK
  CHECK_FALSE(ethtool->active_features("lo").empty());
  CHECK_FALSE(ethtool->hardware_type("no-such-dev").has_value());
  CHECK_FALSE(ethtool->driver("no-such-dev").has_value());
  CHECK(ethtool->speed_bits_per_s("no-such-dev") == 0);
  CHECK_FALSE(ethtool->rings("a name that is longer than a name may be").has_value());
}
