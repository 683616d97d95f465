#include <sys/file.h>
#include <sys/stat.h>

#include <fstream>

#include "harness/agent/node_lock.hpp"
#include "harness/os/identity.hpp"
#include "tests/namespace.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;
using Catch::Matchers::Contains;
using grit::test::ok;

namespace {

/// The child of a test has a /run of its own, and what an ordinary user has.
struct OwnRun {
  test::Tmpfs run{"/run", 0, "mode=0755"};
  test::TempDirectory home{};
  OwnRun() {
    ::unsetenv("GRIT_LOCAL_CLUSTER");
    ::unsetenv("XDG_RUNTIME_DIR");
    ::setenv("GRIT_JOURNAL_DIR", (home.path() / "journal").c_str(), 1);
  }
};

/// What another process gets.
Status acquire_elsewhere() {
  int ends[2] = {-1, -1};
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = NodeLock::acquire();
    const std::string said = lock ? "" : lock.error().message;
    ::_exit(::write(ends[1], said.data(), said.size()) < 0 ? 2 : lock ? 0 : 1);
  }
  ::close(ends[1]);
  std::string said(4096, '\0');
  const ssize_t got = ::read(ends[0], said.data(), said.size());
  said.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  ::close(ends[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status) == 0 ? Status{} : Status(unavailable_error(said));
}

}  // namespace

TEST_CASE("node lock: one at a time, named by its process, and free again when that has ended") {
  test::in_namespaces([] {
    const OwnRun own;
    ok(acquire_elsewhere());
    {
      const NodeLock lock = ok(NodeLock::acquire());
      const Status second = acquire_elsewhere();
      REQUIRE_THAT(second.error().message, Contains("another grit run") && Contains(std::to_string(::getpid())));
    }
    ok(acquire_elsewhere());
  });
}

TEST_CASE("node lock: one that is let go of soon is waited for, as of a run that is at its end") {
  test::in_namespaces([] {
    const OwnRun own;
    int ends[2] = {-1, -1};
    REQUIRE(::pipe(ends) == 0);
    const pid_t earlier = ::fork();
    if (earlier == 0) {
      const auto lock = NodeLock::acquire();
      const bool told = ::write(ends[1], "x", 1) == 1;
      ::usleep(300'000);
      ::_exit(lock && told ? 0 : 1);
    }
    char got = 0;
    REQUIRE(::read(ends[0], &got, 1) == 1);
    REQUIRE_FALSE(NodeLock::acquire(0));
    ok(NodeLock::acquire());
    int status = 0;
    REQUIRE(::waitpid(earlier, &status, 0) == earlier);
    REQUIRE(status == 0);
    for (const int end : ends) ::close(end);
  });
}

TEST_CASE("node lock: root's holds for all network namespaces of the machine") {
  test::in_namespaces([] {
    if (!is_root_of_the_machine()) return;
    const OwnRun own;
    const NodeLock lock = ok(NodeLock::acquire());
    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    REQUIRE_FALSE(acquire_elsewhere());
    ::setenv("GRIT_LOCAL_CLUSTER", "1", 1);  // a node of the cluster that the holder has made
    const NodeLock node = ok(NodeLock::acquire());
    REQUIRE_FALSE(acquire_elsewhere());
    REQUIRE(::unshare(CLONE_NEWNET) == 0);  // another node
    ok(acquire_elsewhere());
  });
}

TEST_CASE("node lock: another user can neither hold root's nor put something in its place") {
  test::in_namespaces([] {
    if (!is_root_of_the_machine()) return;
    const OwnRun own;
    const auto as_nobody = [](const std::function<bool()>& work) {
      const pid_t child = ::fork();
      if (child == 0) ::_exit(::setgid(12345) == 0 && ::setuid(12345) == 0 && work() ? 0 : 1);
      int status = 0;
      REQUIRE(::waitpid(child, &status, 0) == child);
      return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    };
    {
      const NodeLock lock = ok(NodeLock::acquire());
      REQUIRE_FALSE(as_nobody([] { return ::open("/run/grit/lock", O_RDONLY) >= 0; }));
      REQUIRE_FALSE(as_nobody([] { return ::open("/run/grit/lock", O_PATH) >= 0; }));
    }

    REQUIRE(::chown("/run/grit", 12345, 12345) == 0);  // as if that user had been first, where /run is everybody's
    REQUIRE_THAT(NodeLock::acquire().error().message, Contains("belongs to user 12345"));
    REQUIRE(::chown("/run/grit", 0, 0) == 0);
    const auto target = own.home.path() / "target";
    std::ofstream(target) << "precious";
    std::filesystem::create_symlink(target, "/run/grit/lock");
    REQUIRE_THAT(NodeLock::acquire().error().message, Contains("symbolic link"));
    REQUIRE(ok(read_file(target)) == "precious");
    std::filesystem::remove("/run/grit/lock");
    std::filesystem::remove("/run/grit");
    std::filesystem::create_directory_symlink(own.home.path(), "/run/grit");
    REQUIRE_FALSE(NodeLock::acquire());
    REQUIRE_FALSE(std::filesystem::exists(own.home.path() / "lock"));
  });
}

TEST_CASE("node lock: an ordinary user's lies in the runtime directory if that is private, else with the journals") {
  test::in_namespaces([] {
    const OwnRun own;
    if (is_root_of_the_machine()) REQUIRE(::seteuid(12345) == 0);  // in a directory of that user's, below
    const test::TempDirectory mine;
    const auto runtime = mine.path() / "runtime";
    std::filesystem::create_directory(runtime);
    REQUIRE(::chmod(runtime.c_str(), 0700) == 0);
    ::setenv("GRIT_JOURNAL_DIR", (mine.path() / "journal").c_str(), 1);
    ::setenv("XDG_RUNTIME_DIR", runtime.c_str(), 1);
    {
      const NodeLock lock = ok(NodeLock::acquire());
      REQUIRE(std::filesystem::exists(runtime / "grit" / "lock"));
      REQUIRE_FALSE(std::filesystem::exists(mine.path() / "journal"));
    }
    REQUIRE(std::filesystem::is_empty(runtime / "grit"));
    REQUIRE(::chmod(runtime.c_str(), 0777) == 0);
    const NodeLock lock = ok(NodeLock::acquire());
    REQUIRE(std::filesystem::exists(mine.path() / "journal" / ("lock-" + ok(boot_id()))));
    REQUIRE_FALSE(acquire_elsewhere());
  });
}

TEST_CASE("node lock: from a container it is the machine's only when the host's directory is mounted there") {
  test::in_namespaces([] {
    if (!is_root_of_the_machine()) return;
    const OwnRun own;
    if (in_first_pid_namespace()) REQUIRE_FALSE(ok(NodeLock::acquire()).why_not_machine_wide().has_value());
    REQUIRE(::unshare(CLONE_NEWPID) == 0);
    const pid_t inside = ::fork();
    if (inside == 0) {
      if (::mount("proc", "/proc", "proc", 0, nullptr) != 0) ::_exit(2);
      {
        const auto alone = NodeLock::acquire();
        if (!alone || alone->why_not_machine_wide().value_or("").find("/run/grit") == std::string::npos) ::_exit(3);
      }
      const test::Tmpfs run("/run/grit", 0, "mode=0700");  // stands for the host's
      const auto shared = NodeLock::acquire();
      ::_exit(shared && !shared->why_not_machine_wide() ? 0 : 4);
    }
    int status = 0;
    REQUIRE(::waitpid(inside, &status, 0) == inside);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == 0);
  });
}
