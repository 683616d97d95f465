// The local cluster, from outside: real namespaces, real Open MPI, real signals.
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <regex>
#include <sstream>

#include "harness/base/files.hpp"
#include "harness/cluster/local.hpp"
#include "harness/os/namespaces.hpp"
#include "tests/catch.hpp"
#include "tests/cluster/program.hpp"

using grit::test::count_lines_with;
using grit::test::Program;
using grit::test::TemporaryDirectory;
using grit::test::visible_state;

namespace {

using grit::test::kHelper;

std::vector<std::string> cluster_of(int nodes, const TemporaryDirectory& run, std::vector<std::string> command) {
  std::vector<std::string> arguments{kHelper, "run", std::to_string(nodes), run.path()};
  arguments.insert(arguments.end(), command.begin(), command.end());
  return arguments;
}

grit::Json end_of(const Program& program) {
  const auto start = program.out().find("end: ");
  INFO(program.out() << program.err());
  REQUIRE(start != std::string::npos);
  return grit::Json::parse(program.out().substr(start + 5));
}

std::string log_of(const TemporaryDirectory& run) { return grit::read_file(run.path() / "mpirun.log").value_or(""); }

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// A job of three ranks that never ends by itself, running when this returns.
struct EndlessJob {
  TemporaryDirectory run{};
  std::string before = visible_state();
  Program program{cluster_of(3, run, {kHelper, "loop"})};

  EndlessJob() {
    INFO(program.err() << log_of(run));
    REQUIRE(program.read_until([](const Program& p) { return count_lines_with(p.out(), "looping") == 3; }));
  }
  [[nodiscard]] pid_t supervisor() const { return only_child(program.pid()); }
  [[nodiscard]] pid_t init() const { return only_child(supervisor()); }
  [[nodiscard]] pid_t mpirun() const {
    for (const auto& [pid, name] : grit::test::children_of(init()))
      if (name == "mpirun") return pid;
    FAIL("no mpirun under the cluster's init");
    return -1;
  }
  [[nodiscard]] pid_t some_rank() const {
    for (const pid_t pid : program.descendants_by_tag()) {
      const auto command = grit::read_file("/proc/" + std::to_string(pid) + "/cmdline").value_or("");
      if (command == kHelper + '\0' + "loop" + '\0') return pid;
    }
    FAIL("no rank is running");
    return -1;
  }
  void check_that_nothing_is_left() const {
    CHECK(program.left_no_process());
    CHECK(visible_state() == before);
  }

 private:
  static pid_t only_child(pid_t parent) {
    const auto children = grit::test::children_of(parent);
    REQUIRE(children.size() == 1);
    return children.begin()->first;
  }
};

}  // namespace

TEST_CASE("the nodes of a local cluster compute together and leave nothing behind") {
  const TemporaryDirectory run;
  const auto before = visible_state();
  Program program(cluster_of(4, run, {kHelper, "allreduce"}));
  CHECK(program.wait() == 0);
  INFO(program.err() << log_of(run));
  CHECK(end_of(program) == grit::Json{{"job_status", 0}, {"interrupted", false}});
  for (int node = 0; node < 4; ++node) {
    const auto index = std::to_string(node);
    CHECK(count_lines_with(program.out(), "node" + index + " rank " + index + " of 4 sum 10") == 1);
  }
  CHECK(program.err().empty());
  // mpirun's own words on a race of its own: the child that it puts into a process group runs another program already.
  const std::regex race(R"(\[[^\]]+\] plm:rsh: Warning: setpgid\(\d+,\d+\) failed in parent with errno=.*)");
  for (const auto& line : lines_of(log_of(run))) CHECK((line.empty() || std::regex_match(line, race)));
  CHECK(program.left_no_process());
  CHECK(visible_state() == before);
}

TEST_CASE("discovery on a local cluster finds exactly what its topology says") {
  const TemporaryDirectory run;
  Program program(cluster_of(3, run, {kHelper, "discover", run.path()}));
  CHECK(program.wait() == 0);
  const auto expected = grit::local_topology(3);
  int found = 0;
  for (const auto& line : lines_of(program.out())) {
    if (!line.starts_with("{")) continue;
    const auto node = grit::Json::parse(line);
    CHECK(node == grit::to_json(expected.nodes.at(node["index"].get<std::size_t>())));
    ++found;
  }
  CHECK(found == 3);
}

TEST_CASE("a node has its own shared memory, sees the switch, and gets its variables") {
  const TemporaryDirectory run;
  Program program(cluster_of(2, run, {kHelper, "private-shm"}));
  CHECK(program.wait() == 0);
  const std::string tail = " switch=true shared=1 extra=a b local=true";
  CHECK(count_lines_with(program.out(), "node0: grit grit-rank-started grit-switch-netns of-node0" + tail) == 1);
  CHECK(count_lines_with(program.out(), "node1: grit grit-rank-started grit-switch-netns of-node1" + tail) == 1);
}

TEST_CASE("the ranks' streams arrive unmodified, mpirun's words go to its log, the exit code to the end") {
  const TemporaryDirectory run;
  Program program(cluster_of(2, run, {kHelper, "streams"}));
  CHECK(program.wait() == 0);
  const auto end = end_of(program);
  CHECK(WEXITSTATUS(end["job_status"].get<int>()) == 3);
  CHECK_FALSE(end["interrupted"].get<bool>());
  // mpirun ends the job at the first exit code above 0, so that the second rank may not have spoken.
  const std::string once = "progress\rprogress\r";
  CHECK((program.err() == once || program.err() == once + once));
  CHECK(count_lines_with(program.out(), "mpirun") == 0);
  CHECK_THAT(log_of(run), Catch::Contains("non-zero"));
}

TEST_CASE("processes that outlive mpirun may finish") {
  const TemporaryDirectory run;
  const auto file = run.path() / "trace";
  Program program(cluster_of(2, run, {kHelper, "linger", "2", file}));
  CHECK(program.wait() == 0);
  CHECK(end_of(program)["job_status"] == 0);
  for (const auto* node : {"node0", "node1"}) CHECK(std::filesystem::exists(file.string() + "." + node));
  CHECK(program.left_no_process());
}

TEST_CASE("nothing is left when grit itself is killed") {
  EndlessJob job;
  CHECK(job.program.descendants_by_tag().size() >= 9);  // supervisor, init, 3 node inits, mpirun, 3 orted, 3 ranks ...
  job.program.signal(SIGKILL);
  CHECK(job.program.wait() == 128 + SIGKILL);
  job.check_that_nothing_is_left();
}

TEST_CASE("nothing is left when the cluster's init or its supervisor is killed, and grit says so") {
  EndlessJob job;
  ::kill(GENERATE(true, false) ? job.init() : job.supervisor(), SIGKILL);
  CHECK(job.program.wait() == 70);
  CHECK_THAT(job.program.err(), Catch::Contains("init process was killed"));
  job.check_that_nothing_is_left();
}

TEST_CASE("the job ends when mpirun is killed") {
  EndlessJob job;
  ::kill(job.mpirun(), SIGKILL);
  CHECK(job.program.wait() == 0);
  const auto end = end_of(job.program);
  CHECK(WTERMSIG(end["job_status"].get<int>()) == SIGKILL);
  CHECK_FALSE(end["interrupted"].get<bool>());
  job.check_that_nothing_is_left();
}

TEST_CASE("the job ends when a rank is killed") {
  EndlessJob job;
  ::kill(job.some_rank(), SIGKILL);
  CHECK(job.program.wait() == 0);
  CHECK(WEXITSTATUS(end_of(job.program)["job_status"].get<int>()) == 128 + SIGKILL);
  job.check_that_nothing_is_left();
}

TEST_CASE("the first end signal ends the job in order") {
  const int number = GENERATE(SIGINT, SIGTERM, SIGHUP);
  EndlessJob job;
  job.program.signal(number);
  CHECK(job.program.wait() == 0);
  const auto end = end_of(job.program);
  CHECK(end["interrupted"].get<bool>());
  CHECK(end["job_status"] != 0);
  job.check_that_nothing_is_left();
}

TEST_CASE("a second end signal kills the cluster at once, even when mpirun does not react") {
  EndlessJob job;
  ::kill(job.mpirun(), SIGSTOP);
  job.program.signal(SIGINT);
  ::usleep(300'000);
  CHECK(grit::test::children_of(job.program.pid()).size() == 1);  // it waits for mpirun
  job.program.signal(SIGINT);
  CHECK(job.program.wait() == 0);
  CHECK(end_of(job.program)["interrupted"].get<bool>());
  job.check_that_nothing_is_left();
}

TEST_CASE("an ordinary user has a local cluster too") {
  if (::geteuid() != 0) SUCCEED("all other tests show it");
  const TemporaryDirectory run;
  const auto program_copy = run.path() / "helper with spaces";  // where everybody may execute it
  std::filesystem::copy_file(kHelper, program_copy);
  const auto before = visible_state();
  Program program({program_copy, "run", "3", run.path(), program_copy, "allreduce"}, [] {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() != 0) return;
    if (::setresgid(kNobody, kNobody, kNobody) != 0 || ::setresuid(kNobody, kNobody, kNobody) != 0) ::_exit(126);
  });
  CHECK(program.wait() == 0);
  INFO(program.err() << log_of(run));
  CHECK(end_of(program)["job_status"] == 0);
  CHECK(count_lines_with(program.out(), "of 3 sum 6") == 3);
  CHECK(program.left_no_process());
  CHECK(visible_state() == before);
}

TEST_CASE("where user namespaces are forbidden, grit names the setting and what to do") {
  const TemporaryDirectory run;
  Program program(cluster_of(2, run, {kHelper, "allreduce"}), [] {
    if (!grit::enter_new_user_namespace()) ::_exit(126);
    std::ofstream("/proc/sys/user/max_user_namespaces") << "0" << std::flush;
    ::prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN);  // after exec, root in name only
  });
  CHECK(program.wait() == 69);
  CHECK_THAT(program.err(), Catch::Contains("user.max_user_namespaces is 0") && Catch::Contains("Run as root"));
}

TEST_CASE("an unwritable run directory is an error that says so") {
  if (::geteuid() != 0) return;
  const TemporaryDirectory run;
  std::filesystem::permissions(run.path(), std::filesystem::perms(0555));
  Program program(cluster_of(2, run, {"/bin/true"}), [] { ::prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE); });
  CHECK(program.wait() == 69);
  CHECK_THAT(program.err(), Catch::Contains("mpirun.log"));
}

TEST_CASE("64 nodes", "[large]") {
  const TemporaryDirectory run;
  const auto before = visible_state();
  Program program(cluster_of(grit::kMaxLocalNodes, run, {kHelper, "allreduce"}));
  CHECK(program.wait() == 0);
  INFO(program.err() << log_of(run));
  CHECK(end_of(program)["job_status"] == 0);
  CHECK(count_lines_with(program.out(), "of 64 sum 2080") == 64);
  CHECK(program.left_no_process());
  CHECK(visible_state() == before);
}
