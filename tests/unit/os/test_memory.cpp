#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "harness/base/files.hpp"
#include "harness/os/cgroup_files.hpp"
#include "harness/os/memory.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

namespace {

namespace fs = std::filesystem;

void write_exactly(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

/// A machine of 1,000,000 kB with 800,000 kB available, whose control groups are mounted below `at`.
struct Machine {
  fs::path at, proc = at / "proc";
  Machine(fs::path directory, const std::string& cgroup, const std::string& mounts) : at(std::move(directory)) {
    write_exactly(proc / "meminfo",
                  "MemTotal:        1000000 kB\nMemFree:          1 kB\nMemAvailable:     800000 kB\n");
    write_exactly(proc / "self/cgroup", cgroup);
    write_exactly(proc / "self/mountinfo", mounts);
  }
  void v2(const std::string& group, const std::string& limit, std::int64_t usage_bytes, std::int64_t inactive_bytes = 0,
          std::int64_t active_bytes = 0) {
    const fs::path directory = at / "unified" / group;
    write_exactly(directory / "memory.max", limit + "\n");
    write_exactly(directory / "memory.current", std::to_string(usage_bytes) + "\n");
    write_exactly(directory / "memory.stat",
                  fmt::format("anon 5\ninactive_file {}\nactive_file {}\n", inactive_bytes, active_bytes));
  }
  void v1(const std::string& group, std::int64_t limit_bytes, std::int64_t usage_bytes) {
    const fs::path directory = at / "memory" / group;
    write_exactly(directory / "memory.limit_in_bytes", std::to_string(limit_bytes) + "\n");
    write_exactly(directory / "memory.usage_in_bytes", std::to_string(usage_bytes) + "\n");
  }
  [[nodiscard]] grit::Memory read() const { return grit::read_memory(proc).value(); }
};

std::string v2_mount(const fs::path& at, const std::string& root = "/") {
  return "30 20 0:26 " + root + " " + (at / "unified").string() + " rw shared:4 - cgroup2 cgroup rw\n";
}

std::string v1_mount(const fs::path& at) {
  return "31 20 0:27 / " + (at / "memory").string() + " rw shared:5 - cgroup cgroup rw,memory\n";
}

}  // namespace

TEST_CASE("a limit of any control group around a process counts, version 2") {
  const grit::test::TempDirectory directory;
  Machine machine(directory.path(), "0::/system.slice/job_7/step_0/user/task_0\n", v2_mount(directory.path()));
  CHECK(machine.read().total_bytes == 1'024'000'000);
  CHECK(machine.read().available_bytes == 819'200'000);

  machine.v2("system.slice/job_7/step_0/user/task_0", "max", 1'000'000);
  machine.v2("system.slice/job_7", "500000000", 300'000'000);  // Slurm's, two levels above the rank's own
  CHECK(machine.read().total_bytes == 500'000'000);
  CHECK(machine.read().available_bytes == 200'000'000);
  machine.v2("system.slice", "450000000", 440'000'000);  // a slice's above that, tighter
  CHECK(machine.read().available_bytes == 10'000'000);
  machine.v2("system.slice", "450000000", 440'000'000, 100'000'000);  // but page cache that nobody uses is given up
  CHECK(machine.read().available_bytes == 110'000'000);
  machine.v2("system.slice", "450000000", 440'000'000, 0, 300'000'000);  // and half of what is used
  CHECK(machine.read().available_bytes == 160'000'000);
}

TEST_CASE("a limit of any control group around a process counts, version 1 beside a version 2 without controllers") {
  const grit::test::TempDirectory directory;
  Machine machine(directory.path(), "9:cpu:/other\n4:memory:/slurm/uid_0/job_7/step_0\n0::/init.scope\n",
                  v2_mount(directory.path()) + v1_mount(directory.path()));
  machine.v1("", 9223372036854771712, 0);
  machine.v1("slurm/uid_0/job_7/step_0", 9223372036854771712, 1000);
  machine.v1("slurm/uid_0", 400'000'000, 100'000'000);
  CHECK(machine.read().total_bytes == 400'000'000);
  CHECK(machine.read().available_bytes == 300'000'000);
  machine.v1("slurm/uid_0/job_7", 100'000'000, 150'000'000);  // over its limit: nothing is left, not less than nothing
  CHECK(machine.read().available_bytes == 0);
}

TEST_CASE("in a container the group that is mounted is the one that limits") {
  const grit::test::TempDirectory directory;
  Machine machine(directory.path(), "0::/docker/abc/inner\n", v2_mount(directory.path(), "/docker/abc"));
  machine.v2("", "300000000", 0);
  machine.v2("inner", "max", 0);
  CHECK(machine.read().total_bytes == 300'000'000);
  Machine foreign(directory.path() / "b", "0::/../elsewhere\n", v2_mount(directory.path(), "/docker/abc"));
  CHECK(foreign.read().total_bytes == 300'000'000);
}

TEST_CASE("the kernel's own control groups, one in the other") {
  const std::string cgroup = grit::read_file("/proc/self/cgroup").value_or("");
  const std::string mountinfo = grit::read_file("/proc/self/mountinfo").value_or("");
  struct Version {
    grit::CgroupVersion version;
    const char* limit;
  };
  for (const auto& [version, limit] :
       {Version{grit::CgroupVersion::v1, "memory.limit_in_bytes"}, Version{grit::CgroupVersion::v2, "memory.max"}}) {
    const auto groups = grit::cgroup_files::own_and_above(version, "memory", cgroup, mountinfo);
    if (groups.empty()) continue;
    const fs::path outer = groups.back() / ("test-of-grit-" + std::to_string(::getpid())), inner = outer / "inner";
    if (::mkdir(outer.c_str(), 0755) != 0) continue;  // not root, or read-only
    REQUIRE(::mkdir(inner.c_str(), 0755) == 0);
    std::ofstream(outer / "cgroup.subtree_control") << "+memory";
    std::ofstream file(outer / limit);
    file << 300'000'000 << std::flush;
    const bool limited = file.good();
    file.close();
    int status = 0;
    if (const pid_t child = ::fork(); child == 0) {
      std::ofstream(inner / "cgroup.procs") << ::getpid() << std::flush;
      const auto memory = grit::read_memory();
      // The kernel rounds down to whole pages.
      ::_exit(memory && memory->total_bytes > 299'000'000 && memory->total_bytes <= 300'000'000 ? 0 : 1);
    } else {
      ::waitpid(child, &status, 0);
    }
    ::rmdir(inner.c_str());
    ::rmdir(outer.c_str());
    if (!limited) continue;  // this version has no memory controller here
    CHECK(status == 0);
    return;
  }
  grit::test::skip("no control group with a memory controller may be made here");
}
