// A job that is killed at once: the agent, the rank that would start another, and all else that is in the job's group.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>

#include "harness/agent/fault_windows.hpp"
#include "harness/agent/heir.hpp"
#include "harness/agent/journal_files.hpp"
#include "harness/agent/own_place.hpp"
#include "harness/os/cgroup_files.hpp"
#include "tests/two_nodes.hpp"
#include "tests/unit/agent/plan_with_flap.hpp"
#include "tests/unit/record/support.hpp"

using namespace grit;
using grit::test::ok;
using grit::test::plan_with_flap;

namespace {

/// A group such as Slurm makes for a job. Its path is empty when none can be made in this hierarchy here.
struct JobGroup {
  std::filesystem::path path{};

  explicit JobGroup(CgroupVersion version) {
    const auto above = cgroup_files::own_and_above(version, "freezer", ok(read_file("/proc/self/cgroup")),
                                                   ok(read_file("/proc/self/mountinfo")));
    if (above.empty()) return;
    path = above.back() / fmt::format("slurm-test-{}", monotonic_ns());
    if (::mkdir(path.c_str(), 0755) != 0) path.clear();
  }
  JobGroup(const JobGroup&) = delete;
  JobGroup& operator=(const JobGroup&) = delete;
  ~JobGroup() {
    for (int attempt = 0; attempt < 100 && !path.empty() && ::rmdir(path.c_str()) != 0; ++attempt)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));  // those that were killed in it are on their way
  }
};

std::vector<pid_t> members_of(const std::filesystem::path& group) {
  std::vector<pid_t> pids;
  std::ifstream lines(group / "cgroup.procs");
  for (pid_t pid = 0; lines >> pid;) pids.push_back(pid);
  return pids;
}

bool within(std::int64_t limit_ns, const std::function<bool()>& condition) {
  for (const std::int64_t deadline_ns = monotonic_ns() + limit_ns; monotonic_ns() < deadline_ns;) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return condition();
}

/// What the job's processes tell the test, in memory that they share.
struct Told {
  std::atomic<pid_t> rank{0}, heir{0};
  std::atomic<int> in_force{0};
  char cgroups[4096]{};
};

/// The job's first process stands for the agent: it has a rank, an heir and a fault in force.
[[noreturn]] void be_the_job(const std::filesystem::path& group, const std::filesystem::path& journals, Told& told,
                             bool lease_is_over) {
  if (!group.empty()) ok(cgroup_files::write_setting(group / "cgroup.procs", "0"));
  Segment segment = ok(Segment::create(1));
  const pid_t rank = ::fork();
  if (rank == 0) {
    ::pause();
    ::_exit(0);
  }
  segment.slots()[0].pid = rank;
  told.rank = rank;
  const Heir heir = ok(Heir::fork(journals, segment));
  told.heir = heir.pid();
  std::strncpy(told.cgroups, heir.cgroups().c_str(), sizeof told.cgroups - 1);
  const Plan plan = plan_with_flap();
  FaultWindows windows(plan, 0, journal_file(journals, plan, 0), [](const Json&) {});
  windows.arm(plan.blocks[0]);
  windows.start(monotonic_ns());
  windows.act(monotonic_ns());
  if (lease_is_over) segment.control().lease_deadline_ns = monotonic_ns();
  told.in_force = 1;
  for (;;) ::pause();
}

enum class Way { all_are_killed, rank_is_stopped, all_are_stopped };

void end_job(const std::filesystem::path& group, Way way = Way::all_are_killed) {
  test::in_namespaces([&] {
    REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);  // the heir's end is to be seen here
    test::TwoNodes nodes;
    const test::Tmpfs locks("/run", 0, "");
    const test::TempDirectory journals;
    REQUIRE(::chmod(journals.path().c_str(), 0700) == 0);
    void* shared = ::mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    Told& told = *new (shared) Told;
    const pid_t agent = ::fork();
    if (agent == 0) be_the_job(group, journals.path(), told, way == Way::all_are_stopped);
    REQUIRE(within(20 * kNsPerS, [&] { return told.in_force == 1; }));
    REQUIRE_FALSE(ok(nodes.node.link("eth0")).up());

    std::vector<pid_t> victims{agent, told.rank};
    if (!group.empty()) {
      victims = members_of(group);
      REQUIRE(std::count(victims.begin(), victims.end(), agent) == 1);
      REQUIRE(std::count(victims.begin(), victims.end(), told.heir) == 0);
      REQUIRE(std::string(told.cgroups).find(group.filename().string()) == std::string::npos);
      REQUIRE(ends_with_the_job(told.cgroups, journals.path()).empty());
    }
    if (way != Way::all_are_killed) {
      REQUIRE(::kill(told.rank, SIGSTOP) == 0);
      victims = {agent};
    }
    const int how = way == Way::all_are_stopped ? SIGSTOP : SIGKILL;
    for (const pid_t pid : victims) REQUIRE(::kill(pid, how) == 0);
    int status = 0;
    REQUIRE(within(10 * kNsPerS, [&] { return ::waitpid(agent, &status, WNOHANG) == agent; }));
    REQUIRE(WIFSIGNALED(status));  // one that was stopped by its heir
    REQUIRE(within((way == Way::rank_is_stopped ? 10 : 2) * kNsPerS, [&] { return ok(nodes.node.link("eth0")).up(); }));
    REQUIRE(within(10 * kNsPerS, [&] { return ok(find_journals(journals.path())).of_this_node.empty(); }));
    REQUIRE(within(10 * kNsPerS, [&] { return ::waitpid(told.heir, nullptr, WNOHANG) == told.heir; }));
    if (way != Way::all_are_killed) REQUIRE(::kill(told.rank, SIGKILL) == 0);
  });
}

}  // namespace

TEST_CASE("an agent's heir takes its faults off when agent and rank are killed") { end_job({}); }

TEST_CASE("an agent's heir takes its faults off when the rank that would start another agent is stopped") {
  end_job({}, Way::rank_is_stopped);
}

TEST_CASE("an agent's heir takes faults off whose lease is over while all of the job is stopped") {
  end_job({}, Way::all_are_stopped);
}

TEST_CASE("an agent's heir is not in the job's control group, and outlives it") {
  const auto version = GENERATE(CgroupVersion::v1, CgroupVersion::v2);
  const JobGroup group(version);
  if (group.path.empty()) {
    test::skip("no control group can be made here");
    return;
  }
  end_job(group.path);
}

TEST_CASE("an agent's heir ends with an agent that ends by itself") {
  Segment segment = ok(Segment::create(1));
  segment.slots()[0].pid = ::getpid();
  const test::TempDirectory journals;
  std::optional<Heir> heir = ok(Heir::fork(journals.path(), segment));
  const pid_t pid = heir->pid();
  REQUIRE(::kill(pid, 0) == 0);
  heir.reset();
  CHECK(::kill(pid, 0) != 0);
}

TEST_CASE("an agent's heir leaves everything to another agent as long as the rank lives that starts one") {
  test::in_namespaces([] {
    REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    const test::Tmpfs locks("/run", 0, "");
    Segment segment = ok(Segment::create(1));
    segment.slots()[0].pid = ::getpid();
    const test::TempDirectory journals;
    Told& told = *new (::mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) Told;
    const pid_t agent = ::fork();
    if (agent == 0) {
      const Heir heir = ok(Heir::fork(journals.path(), segment));
      told.heir = heir.pid();
      for (;;) ::pause();
    }
    REQUIRE(within(20 * kNsPerS, [&] { return told.heir != 0; }));
    ::kill(agent, SIGKILL);
    REQUIRE(::waitpid(agent, nullptr, 0) == agent);
    const auto ended = [&] { return ::waitpid(told.heir, nullptr, WNOHANG) == told.heir; };
    REQUIRE_FALSE(within(kNsPerS / 2, ended));
    segment.control().agent_generation += 1;
    REQUIRE(within(10 * kNsPerS, ended));
  });
}
