#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "harness/os/proc_stat.hpp"
#include "tests/spinner.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

std::string stat_of(int pid, const std::string& name, char state, int start_ticks = 500) {
  return fmt::format("{} ({}) {} 1 2 3 0 -1 0 10 0 1 0 5 6 0 0 20 0 1 0 {} 1000 20\n", pid, name, state, start_ticks);
}

struct Processes {
  test::KernelFiles tree{};
  Processes() { tree.write("proc/self/comm", "x\n"); }
  void write(const std::string& directory, const std::string& stat, int switches) const {
    tree.write(directory + "/stat", stat);
    tree.write(directory + "/status", fmt::format("Name:\tx\nvoluntary_ctxt_switches:\t{}\n"
                                                  "nonvoluntary_ctxt_switches:\t1\n",
                                                  switches));
  }
  void set(int pid, char state, int switches = 7, int start_ticks = 500) const {
    write(fmt::format("proc/{}", pid), stat_of(pid, "my job", state, start_ticks), switches);
    tree.write(fmt::format("proc/{}/wchan", pid), "nfs_wait_bit_killable");
  }
};

bool comes_into_state(pid_t pid, char state) {
  for (int i = 0; i < 2000; ++i) {
    if (const auto stat = read_proc_stat(pid); stat && stat->state == state) return true;
    ::usleep(1000);
  }
  return false;
}

/// Waits in state D until its vfork(2) child ends.
struct VforkParent {
  pid_t pid = ::fork();
  VforkParent() {
    if (pid != 0) return;
    ::setpgid(0, 0);
    if (::vfork() == 0)
      for (;;) ::pause();
    ::_exit(0);
  }
  VforkParent(const VforkParent&) = delete;
  VforkParent& operator=(const VforkParent&) = delete;
  ~VforkParent() {
    ::kill(-pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
};

}  // namespace

TEST_CASE("stuck_tasks: a process in state D that does not run, for as long as it was seen so") {
  Processes processes;
  test::CheckUnderTest check("stuck_tasks");
  check.look_at(processes.tree);
  processes.set(7, 'D');
  processes.set(8, 'S');
  processes.set(9, 'D', 1);
  REQUIRE(check.read_one().detail == "3 of 3 processes looked at");
  for (int i = 2; i < 40; ++i) {
    processes.set(9, 'D', i);  // busy with a disk: it runs in between
    REQUIRE(check.read().size() == (i < 31 ? 1 : 2));
  }
  const Outcome stuck = check.read_of("my job[7]");
  REQUIRE(stuck.severity == Severity::warning);
  REQUIRE(stuck.value == 39);
  REQUIRE(stuck.detail == "waits in the kernel (state D) for at least 39 s, in nfs_wait_bit_killable");
  REQUIRE(check.read_of("my job[7]", 100 * kNsPerS).severity == Severity::critical);
  processes.set(7, 'D', 7, 900);  // another process of that number
  processes.set(9, 'S');
  REQUIRE(check.read_one(100 * kNsPerS).severity == Severity::ok);
  check.memory.clear();
  REQUIRE(check.read_one(100 * kNsPerS).severity == Severity::ok);
  processes.set(7, 'S', 7, 900);
  REQUIRE(check.read_one(100 * kNsPerS).severity == Severity::ok);
  processes.set(7, 'D', 7, 900);
  REQUIRE(check.read_one(100 * kNsPerS).severity == Severity::ok);
}

TEST_CASE("stuck_tasks: tasks of a paused container are frozen, not stuck") {
  Processes processes;
  test::CheckUnderTest check("stuck_tasks");
  check.look_at(processes.tree);
  processes.set(7, 'D');
  processes.tree.write("proc/7/wchan", "__refrigerator");
  for (int i = 0; i < 3; ++i) REQUIRE(check.read_one(100 * kNsPerS).severity == Severity::ok);
  processes.tree.write("proc/7/wchan", "__refrigerator_of_another");
  REQUIRE(check.read_of("my job[7]").severity == Severity::critical);
}

TEST_CASE("stuck_tasks: nothing is kept of processes that have ended") {
  Processes processes;
  CheckMemory kept;
  for (int pid = 7; pid < 17; ++pid) {
    test::CheckUnderTest check("stuck_tasks");  // each call is a process of its own
    check.look_at(processes.tree);
    check.memory = CheckMemory::from_json(kept.to_json());
    processes.set(pid, 'D');
    check.read();
    kept = check.memory;
    processes.tree.remove(fmt::format("proc/{}", pid));
  }
  REQUIRE(kept.to_json().at("figures").size() == 2);
}

TEST_CASE("stuck_tasks: files that are something else, and no processes at all") {
  Processes processes;
  test::CheckUnderTest check("stuck_tasks");
  check.look_at(processes.tree);
  for (const std::string& text : test::hostile_texts()) {
    processes.write("proc/7", text, 1);
    processes.write("proc/8", stat_of(8, text, 'D'), 1);
    processes.tree.write("proc/8/status", text);
    for (const Outcome& one : check.read(1000 * kNsPerS)) REQUIRE_FALSE(is_alarm(one.severity));
  }
  processes.tree.remove("proc");
  REQUIRE(check.try_read().error().kind == ErrorKind::unavailable);
}

TEST_CASE("stuck_tasks: a real process that waits in the kernel is found among all of this machine") {
  VforkParent parent;
  if (!comes_into_state(parent.pid, 'D'))
    return test::skip("a process whose vfork child lives does not wait in state D");
  test::CheckUnderTest check("stuck_tasks");
  Outcome found;
  for (int i = 0; i < 200 && found.severity != Severity::critical; ++i)  // many processes take more than one reading
    for (const Outcome& one : check.read(130 * kNsPerS))
      if (one.subject.ends_with(fmt::format("[{}]", parent.pid))) found = one;
  REQUIRE(found.severity == Severity::critical);
  test::proves("stuck_tasks", found);
}

TEST_CASE("stopped_ranks: one that is stopped, one that a debugger holds, one whose thread waits without end") {
  Processes processes;
  test::CheckUnderTest check("stopped_ranks");
  check.look_at(processes.tree);
  REQUIRE(check.read_one().not_here);
  check.rank_pids = {7, 8, 9};
  check.node.ranks = {0, 1, 2};
  const auto set = [&](int pid, char state) {
    processes.set(pid, state);
    processes.write(fmt::format("proc/{0}/task/{0}", pid), stat_of(pid, "python", state), 5);
  };
  set(7, 'R'), set(8, 'S');
  processes.write("proc/8/task/88", stat_of(88, "pt_data", 'D'), 5);
  const auto first = check.read();
  REQUIRE(first.size() == 3);
  REQUIRE(first[0].detail == "can run");
  REQUIRE(first[1].severity == Severity::ok);
  REQUIRE(first[2].severity == Severity::unknown);
  REQUIRE(first[2].detail == "has ended");
  set(7, 'T'), set(9, 't');
  const auto second = check.read(6 * kNsPerS);
  REQUIRE(second[0].severity == Severity::critical);
  REQUIRE(second[0].subject == "rank 0");
  REQUIRE(second[1].severity == Severity::warning);
  REQUIRE_THAT(second[1].detail,
               Catch::Contains("its thread pt_data waits in the kernel (state D) for at least 6.0 s"));
  REQUIRE(second[2].severity == Severity::critical);
  set(7, 'R'), set(9, 'Z');
  processes.write("proc/8/task/88", stat_of(88, "pt_data", 'D'), 6);  // it ran
  const auto third = check.read(6 * kNsPerS);
  REQUIRE(third[0].severity == Severity::ok);
  REQUIRE(third[1].severity == Severity::ok);
  REQUIRE(third[2].severity == Severity::unknown);
}

TEST_CASE("stopped_ranks: a real process that is stopped is critical at once, and well when it goes on") {
  test::Spinner rank;
  test::CheckUnderTest check("stopped_ranks");
  check.rank_pids = {rank.pid};
  REQUIRE(check.read_one().severity == Severity::ok);
  REQUIRE(::kill(rank.pid, SIGSTOP) == 0);
  REQUIRE(comes_into_state(rank.pid, 'T'));
  const Outcome stopped = check.read_one();
  REQUIRE(stopped.severity == Severity::critical);
  test::proves("stopped_ranks", stopped);
  REQUIRE(::kill(rank.pid, SIGCONT) == 0);
  REQUIRE(comes_into_state(rank.pid, 'R'));
  REQUIRE(check.read_one().severity == Severity::ok);
}
