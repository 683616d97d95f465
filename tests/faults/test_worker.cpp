// Processes that are a fault's load: set up, started, ended, and never left behind.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "harness/base/clock.hpp"
#include "injectors/worker.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using test::ok;

namespace {

bool exists(pid_t pid) { return ::kill(pid, 0) == 0; }

/// Waits (up to 5 s) for something that another process does.
bool becomes_true(const std::function<bool()>& condition) {
  const std::int64_t deadline_ns = monotonic_ns() + 5 * kNsPerS;
  while (!condition()) {
    if (monotonic_ns() > deadline_ns) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

void count(WorkerPage& page) {
  page.wait_for_start();
  for (;;) {
    page.counters[0].fetch_add(1);
    ::usleep(1000);
  }
}

}  // namespace

TEST_CASE("worker: it is idle until it is started, and gone when its owner is") {
  pid_t pid = 0;
  {
    Worker worker = ok(Worker::fork("grit-test", count));
    pid = worker.pid();
    REQUIRE_FALSE(worker.running());
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    REQUIRE(worker.page().counters[0].load() == 0);
    worker.start();
    REQUIRE(worker.running());
    REQUIRE(becomes_true([&] { return worker.page().counters[0].load() > 3; }));
    Worker moved = std::move(worker);
    REQUIRE(moved.running());
    REQUIRE(exists(pid));
  }
  REQUIRE_FALSE(exists(pid));
}

TEST_CASE("worker: what fails while it sets itself up is said in its own words") {
  const auto failed = Worker::fork("grit-test", [](WorkerPage& page) { page.fail("no such luck"); });
  REQUIRE_FALSE(failed.has_value());
  REQUIRE(failed.error().message == "no such luck");
  const auto died = Worker::fork("grit-test", [](WorkerPage&) { ::raise(SIGKILL); });
  REQUIRE_FALSE(died.has_value());
  REQUIRE_THAT(died.error().message, Catch::Contains("died while it started"));
}

TEST_CASE("worker: a load can be started again and its counters go on") {
  auto load = ok(WorkerFault::make("grit-test", {count, count}, {"ticks"}));
  REQUIRE_FALSE(ok(load->read()).left);
  ok(load->start());
  REQUIRE(ok(load->read()).holds);
  const auto ticks = [&] { return ok(load->counters()).value("ticks", 0LL); };
  REQUIRE(becomes_true([&] { return ticks() > 4; }));
  const pid_t first = load->workers().front().pid();
  ok(load->stop());
  ok(load->stop());
  REQUIRE_FALSE(exists(first));
  REQUIRE_FALSE(ok(load->read()).left);
  const auto before = ticks();
  REQUIRE(before > 4);
  ok(load->start());
  REQUIRE(ok(load->read()).holds);
  REQUIRE(becomes_true([&] { return ticks() > before; }));
}

TEST_CASE("worker: a load whose worker dies is not in force") {
  auto load = ok(WorkerFault::make("grit-test", {count, count}, {"ticks"}));
  ok(load->start());
  ::kill(load->workers().back().pid(), SIGKILL);
  REQUIRE(becomes_true([&] { return !ok(load->read()).holds; }));
  ok(load->stop());
}

TEST_CASE("worker: it dies with a parent that is killed") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);  // the orphan becomes ours, so that its end can be seen
  const pid_t parent = ::fork();
  REQUIRE(parent >= 0);
  if (parent == 0) {
    auto worker = Worker::fork("grit-test", count);
    const pid_t pid = worker ? worker->pid() : -1;
    if (worker) worker->start();
    static_cast<void>(::write(ends[1], &pid, sizeof pid) == sizeof pid);
    for (;;) ::pause();
  }
  pid_t worker = -1;
  REQUIRE(::read(ends[0], &worker, sizeof worker) == sizeof worker);
  REQUIRE(worker > 0);
  REQUIRE(exists(worker));
  ::kill(parent, SIGKILL);
  REQUIRE(::waitpid(parent, nullptr, 0) == parent);
  int status = 0;
  REQUIRE(becomes_true([&] { return ::waitpid(worker, &status, WNOHANG) == worker; }));
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(WTERMSIG(status) == SIGKILL);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  ::close(ends[0]);
  ::close(ends[1]);
}
