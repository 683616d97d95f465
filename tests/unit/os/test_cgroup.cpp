// CPU quotas by real control groups, in whichever version this machine has; as root.
#include <csignal>
#include <filesystem>

#include "harness/os/cgroup.hpp"
#include "harness/os/process.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using grit::test::ok;

namespace {

/// A process that would use a whole core.
struct Spinner {
  pid_t pid = ::fork();
  Spinner() {
    if (pid == 0)
      for (;;) {
      }
  }
  ~Spinner() { end(); }
  void end() {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    pid = -1;
  }
};

std::string groups_of(pid_t pid) { return ok(read_file(fmt::format("/proc/{}/cgroup", pid))); }

std::optional<CpuGroup> plan_for(pid_t pid) {
  std::string why;
  for (const CgroupVersion version : {CgroupVersion::v2, CgroupVersion::v1}) {
    auto group = plan_cpu_group(version, pid);
    if (group) return std::move(*group);
    why += group.error().message + "; ";
  }
  test::skip(why);
  return std::nullopt;
}

}  // namespace

TEST_CASE("a quota holds, its throttled time is counted, and nothing is left", "[alone]") {
  Spinner spinner;
  const auto planned = plan_for(spinner.pid);
  if (!planned) return;
  const CpuGroup group = ok(cpu_group_from_json(to_json(*planned)));
  const std::string before = groups_of(spinner.pid);
  REQUIRE_FALSE(ok(read_cpu_group(group)).has_value());
  ok(make_cpu_group(group, kNsPerMs, 50 * kNsPerMs));
  REQUIRE(ok(enter_cpu_group(group, spinner.pid)));
  CHECK(ok(is_in_cpu_group(group, spinner.pid)));
  const auto identity = ok(identify_process(spinner.pid));
  const auto then = ok(scheduler_times(identity));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const auto now = ok(scheduler_times(identity));
  const auto state = ok(read_cpu_group(group));
  REQUIRE(state.has_value());
  CHECK(state->quota_ns == kNsPerMs);
  CHECK(state->period_ns == 50 * kNsPerMs);
  CHECK(state->throttled_ns > 0);
  CHECK(now->on_cpu_ns - then->on_cpu_ns < 100 * kNsPerMs);  // 2 % of 500 ms, and what a tick may overrun
  for (int twice = 0; twice < 2; ++twice) {
    ok(remove_cpu_group(group));
    CHECK_FALSE(ok(read_cpu_group(group)).has_value());
    CHECK(groups_of(spinner.pid) == before);
  }
}

TEST_CASE("a process that ended in its group leaves nothing either", "[alone]") {
  Spinner spinner;
  const auto group = plan_for(spinner.pid);
  if (!group) return;
  ok(make_cpu_group(*group, 10 * kNsPerMs, 100 * kNsPerMs));
  REQUIRE(ok(enter_cpu_group(*group, spinner.pid)));
  const pid_t pid = spinner.pid;
  spinner.end();
  CHECK_FALSE(ok(enter_cpu_group(*group, pid)));
  ok(remove_cpu_group(*group));
  CHECK_FALSE(ok(read_cpu_group(*group)).has_value());
}

TEST_CASE("a control group that grit did not make is refused") {
  const Json good = to_json(CpuGroup{.parent = "/a/b", .name = "grit-0123456789abcdef"});
  ok(cpu_group_from_json(good));
  for (const char* name : {"grit-", "grit-0123456789abcdeg", "system.slice", "grit-0123456789abcdef/..", ""}) {
    Json bad = good;
    bad["name"] = name;
    INFO(name);
    CHECK_FALSE(cpu_group_from_json(bad).has_value());
  }
  for (const char* parent : {"", "a", "/../..", "/a/..", "/a/../b"}) {
    Json bad = good;
    bad["parent"] = parent;
    INFO(parent);
    CHECK_FALSE(cpu_group_from_json(bad).has_value());
  }
}
