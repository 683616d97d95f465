// A command on the local cluster's switch, and the jobs that it starts on the nodes.
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "harness/base/json.hpp"
#include "tests/catch.hpp"
#include "tests/cluster/program.hpp"

using grit::test::count_lines_with;
using grit::test::Program;
using grit::test::TemporaryDirectory;
using grit::test::visible_state;

namespace {

using grit::test::kHelper;

std::vector<std::string> on_switch_of(int nodes, const TemporaryDirectory& run, std::vector<std::string> command) {
  std::vector<std::string> arguments{kHelper, "switch", std::to_string(nodes), run.path()};
  arguments.insert(arguments.end(), command.begin(), command.end());
  return arguments;
}

std::vector<std::string> script_on_switch(const TemporaryDirectory& run, const std::string& script) {
  return on_switch_of(2, run, {"/bin/sh", "-c", script});
}

/// The JSON of the line that begins like this.
grit::Json line_of(const Program& program, const std::string& begin) {
  INFO(program.out() << program.err());
  const auto start = program.out().find(begin);
  REQUIRE(start != std::string::npos);
  const auto end = program.out().find('\n', start);
  return grit::Json::parse(program.out().substr(start + begin.size(), end - start - begin.size()));
}

}  // namespace

TEST_CASE("a command on the switch runs MPI jobs on the nodes of its choice") {
  const TemporaryDirectory run;
  const auto before = visible_state();
  Program program(
      on_switch_of(3, run, {kHelper, "jobs", "local", "1", "100", "mpi", "10.77.0.1,10.77.0.3", kHelper, "allreduce"}));
  CHECK(program.wait() == 0);
  INFO(program.out() << program.err());
  CHECK(count_lines_with(program.out(), "node0 rank 0 of 2 sum 3") == 1);
  CHECK(count_lines_with(program.out(), "node2 rank 1 of 2 sum 3") == 1);
  CHECK(line_of(program, "job: ") ==
        grit::Json{{"hosts", "10.77.0.1,10.77.0.3"}, {"status", 0}, {"ended", false}, {"not_started", ""}});
  CHECK(line_of(program, "end: ") == grit::Json{{"job_status", 0}, {"interrupted", false}});
  CHECK(program.left_no_process());
  CHECK(visible_state() == before);
}

TEST_CASE("a node is entered without MPI, with its words and variables unchanged") {
  const TemporaryDirectory run;
  const std::string script =
      "printf '%s|' \"$(hostname)\" \"$GRIT_TEST_JOB\" \"$GRIT_SHARED_CORES\" \"$0\" \"$1\"; echo";
  Program program(on_switch_of(
      2, run,
      {kHelper, "jobs", "local", "1", "100", "alone", "10.77.0.2", "/bin/sh", "-c", script, "a  b", "$HOME;'x'"}));
  CHECK(program.wait() == 0);
  INFO(program.out() << program.err());
  CHECK(count_lines_with(program.out(), "node1|c d|1|a  b|$HOME;'x'|") == 1);
}

TEST_CASE("a node that is none is said by both ways in") {
  const auto* const way = GENERATE("mpi", "alone");
  const TemporaryDirectory run;
  Program program(on_switch_of(2, run, {kHelper, "jobs", "local", "1", "100", way, "10.77.0.9", "/bin/true"}));
  CHECK(program.wait() == 0);
  const auto ended = line_of(program, "job: ");
  CHECK(ended["status"] != 0);
  CHECK_THAT(ended["not_started"].get<std::string>(), Catch::Contains("10.77.0.9 is no node of a local cluster"));
}

TEST_CASE("the exit code of the command on the switch is the cluster's, and what it leaves behind ends") {
  const TemporaryDirectory run;
  Program program(script_on_switch(run, "sleep 1000 & setsid sleep 1000 & echo worse >&2; exit 7"));
  CHECK(program.wait() == 0);
  CHECK(WEXITSTATUS(line_of(program, "end: ")["job_status"].get<int>()) == 7);
  CHECK(program.err() == "worse\n");
  CHECK_FALSE(std::filesystem::exists(run.path() / "mpirun.log"));
  CHECK(program.left_no_process());
}

TEST_CASE("an end signal reaches the command on the switch, which ends in its own way") {
  const TemporaryDirectory run;
  Program program(script_on_switch(run, "trap 'echo ending; exit 5' TERM; echo ready; while :; do sleep 0.05; done"));
  REQUIRE(program.read_until([](const Program& p) { return count_lines_with(p.out(), "ready") == 1; }));
  program.signal(SIGINT);
  CHECK(program.wait() == 0);
  CHECK(count_lines_with(program.out(), "ending") == 1);
  const auto end = line_of(program, "end: ");
  CHECK(end["interrupted"].get<bool>());
  CHECK(WEXITSTATUS(end["job_status"].get<int>()) == 5);
  CHECK(program.left_no_process());
}

TEST_CASE("a job that goes on for too long is ended, and the nodes are free for the next") {
  const TemporaryDirectory run;
  const std::string hosts = "10.77.0.1,10.77.0.2";
  Program program(script_on_switch(
      run, fmt::format("{0} jobs local 1 4 mpi {1} {0} loop && {0} jobs local 1 100 mpi {1} {0} allreduce", kHelper,
                       hosts)));
  CHECK(program.wait() == 0);
  INFO(program.out() << program.err());
  const auto first = line_of(program, "job: ");
  CHECK(first["ended"].get<bool>());
  CHECK(first["status"] != 0);
  CHECK(count_lines_with(program.out(), "of 2 sum 3") == 2);
  CHECK(program.left_no_process());
}

TEST_CASE("jobs and the command on the switch go with grit") {
  const TemporaryDirectory run;
  const auto before = visible_state();
  Program program(script_on_switch(run, fmt::format("{0} jobs local 1 100 alone 10.77.0.1 sleep 1000 & echo ready; {0} "
                                                    "jobs local 1 100 mpi 10.77.0.1,10.77.0.2 {0} loop",
                                                    kHelper)));
  REQUIRE(program.read_until([](const Program& p) { return count_lines_with(p.out(), "ready") == 1; }));
  program.signal(SIGKILL);
  CHECK(program.wait() == 128 + SIGKILL);
  CHECK(program.left_no_process());
  CHECK(visible_state() == before);
}

TEST_CASE("who enters a node is in the control groups of its init") {
  namespace fs = std::filesystem;
  if (::geteuid() != 0) return grit::test::skip("only root moves a node into another control group");
  const fs::path hierarchy = fs::exists("/sys/fs/cgroup/cgroup.controllers") ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
  const fs::path group = hierarchy / fmt::format("on-switch-test-{}", ::getpid());
  std::error_code failed;
  if (!fs::exists(hierarchy / "cgroup.procs") || !fs::create_directory(group, failed))
    return grit::test::skip("no control group can be made here");
  {
    const TemporaryDirectory run;
    const std::string member = fmt::format("cat /proc/self/cgroup | grep -c {}", group.filename().string());
    Program program(script_on_switch(
        run,
        fmt::format(
            "cat /dev/shm/grit-nodes/10.77.0.2 > {0}/cgroup.procs && for way in alone mpi; do for node in 1 2; do "
            "echo \"$way $node: $({1} jobs local 1 100 $way 10.77.0.$node /bin/sh -c '{2}' | head -1)\"; done; done",
            group.string(), kHelper, member)));
    CHECK(program.wait() == 0);
    INFO(program.out() << program.err());
    for (const auto* line : {"alone 1: 0", "alone 2: 1", "mpi 1: 0", "mpi 2: 1"})
      CHECK(count_lines_with(program.out(), line) == 1);
    CHECK(program.left_no_process());
  }
  for (int attempt = 0; attempt < 100 && ::rmdir(group.c_str()) != 0; ++attempt) ::usleep(50'000);
  CHECK_FALSE(fs::exists(group));
}
