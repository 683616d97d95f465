// Ranks that are stopped when the agent dies run again, though nobody reverts anything: the thread that would start
// another agent is stopped with them.
#include <csignal>

#include "injectors/faults.hpp"
#include "injectors/ranks.hpp"
#include "injectors/stop_cycle.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using grit::test::ok;

namespace {

bool is_stopped(const ProcessIdentity& process) { return ok(process_state(process))->state == 'T'; }

void wait_until(const ProcessIdentity& process, bool stopped) {
  for (const std::int64_t deadline_ns = monotonic_ns() + 5 * kNsPerS; is_stopped(process) != stopped;) {
    REQUIRE(monotonic_ns() < deadline_ns);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// An agent puts a fault in force on a rank, and is killed once the rank stands still.
template <class MakeFault>
void runs_again_after(MakeFault make_fault) {
  const pid_t rank = ::fork();
  if (rank == 0)
    for (;;) ::usleep(100);
  const ProcessIdentity identity = ok(identify_process(rank));
  const pid_t agent = ::fork();
  if (agent == 0) {
    const auto fault = make_fault(identity);
    if (!fault || !(*fault)->start()) ::_exit(1);
    for (;;) ::pause();
  }
  wait_until(identity, true);
  ::kill(agent, SIGKILL);
  ::waitpid(agent, nullptr, 0);
  wait_until(identity, false);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK_FALSE(is_stopped(identity));  // for good
  ::kill(rank, SIGKILL);
  ::waitpid(rank, nullptr, 0);
}

}  // namespace

TEST_CASE("guardian: a paused rank goes on when the agent is killed", "[process_pause]") {
  runs_again_after([](const ProcessIdentity& rank) -> Result<std::unique_ptr<Fault>> {
    const Target target{.params = Params(ok(complete_params(process_pause().info().params, Json::object()))),
                        .ranks = {.all = {{.process = rank}}}};
    GRIT_TRY(Prepared made, process_pause().prepare(target));
    return std::move(made.fault);
  });
}

TEST_CASE("guardian: a rank that is stopped in turn goes on when the agent is killed", "[cpu_throttle]") {
  runs_again_after([](const ProcessIdentity& rank) { return make_stop_cycle({rank}, 0, 300 * kNsPerMs); });
}
