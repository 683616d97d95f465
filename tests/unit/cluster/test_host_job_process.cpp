// A launcher's process: real processes, with shell scripts in a launcher's place.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/cluster/job_launcher.hpp"
#include "harness/cluster/launch.hpp"
#include "tests/catch.hpp"

using grit::HostJobProcess;
using grit::kNsPerS;

namespace {

constexpr std::int64_t kLimit_ns = 120 * kNsPerS;  // for what ends in a moment on an idle machine

/// The job's command is a script for sh.
class ScriptLauncher : public grit::JobLauncher {
 public:
  explicit ScriptLauncher(std::string shell = "sh") : shell_(std::move(shell)) {}
  [[nodiscard]] std::string name() const override { return "script"; }
  [[nodiscard]] std::vector<std::string> words(const grit::HostJob& job) const override {
    return {shell_, "-c", job.command.front()};
  }
  [[nodiscard]] std::vector<std::string> environment(const grit::HostJob& job) const override {
    auto environment = grit::own_environment();
    for (const auto& variable : job.environment) grit::set_variable(environment, variable);
    return environment;
  }
  [[nodiscard]] std::string why_not_started(int, std::string_view) const override { return ""; }

 private:
  std::string shell_;
};

HostJobProcess start(const std::string& script) {
  grit::HostJob job;
  job.command = {script};
  job.environment = {"GRIT_TEST_WORD=said"};
  auto started = HostJobProcess::start(ScriptLauncher(), job);
  if (!started) FAIL(started.error().message);
  return std::move(*started);
}

/// Until `done`, or much too late.
template <class Done>
bool wait_until(HostJobProcess& job, const Done& done) {
  const auto limit_ns = grit::monotonic_ns() + kLimit_ns;
  while (!done()) {
    if (grit::monotonic_ns() > limit_ns) return false;
    pollfd sources[] = {{job.pid_descriptor(), POLLIN, 0}, {job.output_descriptor(), POLLIN, 0}};
    ::poll(sources, 2, 20);
  }
  return true;
}

bool wait_for_end(HostJobProcess& job) {
  return wait_until(job, [&] { return job.poll(); });
}

bool wait_for_output(HostJobProcess& job, const std::string& text) {
  return wait_until(job, [&] {
    job.read_output();
    return job.output().find(text) != std::string::npos;
  });
}

pid_t pid_in(const std::string& output, const std::string& name) {
  const auto at = output.find(name + "=");
  REQUIRE(at != std::string::npos);
  return static_cast<pid_t>(std::stol(output.substr(at + name.size() + 1)));
}

/// It has ended: its number is nobody's, or a zombie's that its new parent has not come to reap.
bool is_gone(pid_t pid) {
  const auto limit_ns = grit::monotonic_ns() + kLimit_ns;
  for (;;) {
    const auto stat = grit::read_file(fmt::format("/proc/{}/stat", pid));
    if (!stat || stat->find(") Z ") != std::string::npos) return true;
    if (grit::monotonic_ns() > limit_ns) return false;
    ::usleep(10'000);
  }
}

}  // namespace

TEST_CASE("a launcher's output, errors and exit status arrive") {
  auto job = start("echo $GRIT_TEST_WORD; echo worse >&2; exit 7");
  REQUIRE(wait_for_end(job));
  CHECK(job.output() == "said\nworse\n");
  CHECK(WIFEXITED(job.status()));
  CHECK(WEXITSTATUS(job.status()) == 7);
  CHECK(job.poll());  // and stays ended
  CHECK(job.pid_descriptor() == -1);
  CHECK(job.output_descriptor() == -1);
}

TEST_CASE("a launcher has no input, a session of its own, and none of grit's descriptors") {
  const int mine = ::open("/dev/null", O_RDONLY);  // not close-on-exec
  auto job = start("cat; ls /proc/self/fd | wc -l; ps -o sid= -p $$; echo pid=$$");
  REQUIRE(wait_for_end(job));
  ::close(mine);
  const pid_t pid = pid_in(job.output(), "pid");
  std::istringstream words(job.output());
  int descriptors = 0, session = 0;
  words >> descriptors >> session;
  CHECK(descriptors == 4);  // three, and ls's own of the directory
  CHECK(session == pid);
}

TEST_CASE("of much output the last MiB is kept") {
  auto job = start("head -c 10485760 /dev/zero | tr '\\0' x; echo; echo the end");
  REQUIRE(wait_for_end(job));
  CHECK(job.output().size() == std::size_t{1} << 20);
  CHECK(job.output().ends_with("xx\nthe end\n"));
  CHECK(WEXITSTATUS(job.status()) == 0);
}

TEST_CASE("a launcher that ends at SIGTERM may say something first") {
  auto job = start("trap 'echo ending; exit 3' TERM; echo ready; while :; do sleep 0.05; done");
  REQUIRE(wait_for_output(job, "ready"));
  job.end(kLimit_ns);
  REQUIRE(wait_for_end(job));
  CHECK(job.output().ends_with("ending\n"));
  CHECK(WEXITSTATUS(job.status()) == 3);
}

TEST_CASE("a launcher that ignores SIGTERM is killed when the patience is over, and not before") {
  auto job = start("trap '' TERM; sleep 1000 & echo child=$!; echo ready; while :; do sleep 0.05; done");
  REQUIRE(wait_for_output(job, "ready"));
  job.end(kLimit_ns);
  CHECK_FALSE(job.poll());
  job.end(0);
  REQUIRE(wait_for_end(job));
  CHECK(WTERMSIG(job.status()) == SIGKILL);
  CHECK(is_gone(pid_in(job.output(), "child")));
}

TEST_CASE("a child that keeps a launcher's output does not keep grit, and goes with it") {
  auto job = start("sleep 1000 & echo child=$!; exit 5");
  REQUIRE(wait_for_end(job));
  CHECK(WEXITSTATUS(job.status()) == 5);
  CHECK(is_gone(pid_in(job.output(), "child")));
}

TEST_CASE("a launcher and its session go with their object") {
  pid_t leader = 0, child = 0;
  {
    auto first = start("sleep 1000 & echo child=$!; echo leader=$$; echo ready; wait");
    REQUIRE(wait_for_output(first, "ready"));
    leader = pid_in(first.output(), "leader"), child = pid_in(first.output(), "child");
    auto second = std::move(first);
    CHECK_FALSE(second.poll());
  }
  CHECK(::kill(leader, 0) != 0);  // it is reaped
  CHECK(is_gone(child));
}

TEST_CASE("a launcher goes with grit") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t grit = ::fork();
  if (grit == 0) {
    auto job = start("echo leader=$$; exec sleep 1000");
    if (!wait_for_output(job, "\n")) ::_exit(1);
    static_cast<void>(grit::write_all(ends[1], job.output()));
    for (;;) ::pause();
  }
  std::string text;
  for (char c = 0; text.find('\n') == std::string::npos && ::read(ends[0], &c, 1) == 1;) text += c;
  ::kill(grit, SIGKILL);
  ::waitpid(grit, nullptr, 0);
  ::close(ends[0]), ::close(ends[1]);
  CHECK(is_gone(pid_in(text, "leader")));
}

TEST_CASE("a launcher that is not there is named") {
  grit::HostJob job;
  job.command = {"true"};
  const auto started = HostJobProcess::start(ScriptLauncher("grit-has-no-such-launcher"), job);
  REQUIRE_FALSE(started.has_value());
  CHECK(started.error().kind == grit::ErrorKind::unavailable);
  CHECK_THAT(started.error().message, Catch::Contains("script") && Catch::Contains("grit-has-no-such-launcher"));
}
