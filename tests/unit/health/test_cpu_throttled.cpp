#include "harness/os/cgroup.hpp"
#include "tests/spinner.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

/// Two ranks of a Slurm job in version 2, each in a group of its own; the step's group has a quota.
struct Job {
  test::KernelFiles tree{};
  std::string root = "unified/job_7/step_0";
  Job() {
    tree.write("proc/self/mountinfo",
               fmt::format("30 20 0:26 / {} rw shared:4 - cgroup2 cgroup rw\n", (tree.root() / "unified").string()));
    tree.write("proc/self/cgroup", "0::/\n");
    for (const int pid : {11, 12})
      tree.write(fmt::format("proc/{}/cgroup", pid), fmt::format("0::/job_7/step_0/task_{}\n", pid));
    tree.write("unified/cpu.stat", "usage_usec 5\n");
    write("", 0, 0, 0);
  }
  void write(const std::string& group, int periods, int throttled, int throttled_us) const {
    tree.write(root + group + "/cpu.stat",
               fmt::format("usage_usec 9\nnr_periods {}\nnr_throttled {}\nthrottled_usec {}\nnr_bursts 0\n", periods,
                           throttled, throttled_us));
  }
};

struct Reading {
  Job job{};
  test::CheckUnderTest check{"cpu_throttled"};
  Reading() {
    check.look_at(job.tree);
    check.rank_pids = {11, 12};
    check.node.ranks = {4, 5};
  }
};

}  // namespace

TEST_CASE("cpu_throttled: the group around a rank whose quota made it wait most") {
  Reading reading;
  reading.job.write("/task_12", 0, 0, 0);
  REQUIRE(reading.check.read_of("rank 4").detail == "first reading");
  reading.job.write("", 20, 4, 100'000);
  REQUIRE(reading.check.read_of("rank 4", 2 * kNsPerS).severity == Severity::ok);
  reading.job.write("/task_12", 20, 10, 900'000);
  const auto outcomes = reading.check.read(2 * kNsPerS);
  REQUIRE(outcomes.size() == 2);
  REQUIRE(outcomes[0].severity == Severity::ok);
  REQUIRE(outcomes[1].subject == "rank 5");
  REQUIRE(outcomes[1].severity == Severity::warning);
  REQUIRE(outcomes[1].value == Approx(0.5));
  REQUIRE_THAT(outcomes[1].detail, Catch::Contains("task_12 had to wait in 10 of 20 periods, 0.90 s"));
  REQUIRE(reading.check.read_of("rank 5", 2 * kNsPerS).severity == Severity::ok);
  reading.job.write("", 40, 24, 900'000);  // above both
  for (const Outcome& one : reading.check.read(2 * kNsPerS)) REQUIRE(one.severity == Severity::warning);
  reading.job.write("", 43, 27, 990'000);  // too few periods
  for (const Outcome& one : reading.check.read(2 * kNsPerS)) REQUIRE(one.severity == Severity::ok);
  reading.job.write("", 1, 1, 90'000);  // made anew
  for (const Outcome& one : reading.check.read(2 * kNsPerS)) REQUIRE(one.severity == Severity::ok);
}

TEST_CASE("cpu_throttled: outside of a run it is grit's own groups, and without a quota there is nothing to wait for") {
  Reading reading;
  reading.check.rank_pids.clear();
  REQUIRE(reading.check.read_one().detail == "no quota of CPU time around it");
  reading.job.tree.write("proc/self/cgroup", "0::/job_7/step_0\n");
  REQUIRE(reading.check.read_one().detail == "first reading");
  reading.job.write("", 20, 20, 100'000);
  REQUIRE(reading.check.read_one(2 * kNsPerS).severity == Severity::warning);
}

TEST_CASE("cpu_throttled: what cannot be seen is unknown, and a hostile file is no alarm") {
  Reading reading;
  reading.job.tree.remove("proc/12");
  const auto outcomes = reading.check.read();
  REQUIRE(outcomes[0].severity == Severity::ok);
  REQUIRE(outcomes[1].severity == Severity::unknown);
  reading.job.tree.write("proc/self/mountinfo", "");
  REQUIRE_THAT(reading.check.read_of("rank 4").detail, Catch::Contains("mounted"));
  Job job;
  reading.check.look_at(job.tree);
  for (const std::string& text : test::hostile_texts()) {
    job.tree.write("unified/job_7/step_0/cpu.stat", text + " nr_throttled " + text);
    for (const Outcome& one : reading.check.read(3 * kNsPerS)) REQUIRE_FALSE(is_alarm(one.severity));
    job.tree.write("proc/11/cgroup", text);
    reading.check.read(3 * kNsPerS);
    job.tree.write("proc/self/mountinfo", text);
    reading.check.read(3 * kNsPerS);
  }
  job.tree.remove("proc/self");
  REQUIRE(reading.check.read_one().not_here);
}

TEST_CASE("cpu_throttled: a quota of the real kernel that makes a process wait is seen", "[alone]") {
  test::Spinner spinner;
  test::CheckUnderTest check("cpu_throttled");
  check.rank_pids = {spinner.pid};
  check.node.ranks = {0};
  std::optional<CpuGroup> group;
  for (const CgroupVersion version : {CgroupVersion::v2, CgroupVersion::v1})
    if (const auto planned = plan_cpu_group(version, spinner.pid); planned && !group) group = *planned;
  if (!group) return test::skip("no control group with a CPU quota may be made here");
  ok(make_cpu_group(*group, 5 * kNsPerMs, 20 * kNsPerMs));
  REQUIRE(ok(enter_cpu_group(*group, spinner.pid)));
  check.read();
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  const auto outcomes = check.read(600 * kNsPerMs);
  ok(remove_cpu_group(*group));
  REQUIRE(outcomes.size() == 1);
  CAPTURE(outcomes[0].detail);
  REQUIRE(outcomes[0].severity == Severity::warning);
  test::proves("cpu_throttled", outcomes[0]);
  REQUIRE_THAT(outcomes[0].detail, Catch::Contains(group->name));
}
