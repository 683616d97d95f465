// What process_pause counts as standing still. A rank that computes shows as stopped before its last turn on a CPU is
// counted.
#include <csignal>

#include "harness/os/thread_affinity.hpp"
#include "injectors/faults.hpp"
#include "tests/namespace.hpp"
#include "tests/spinner.hpp"

using namespace grit;
using grit::test::ok;
using grit::test::Spinner;

namespace {

std::int64_t stopped_ns(Fault& fault) { return ok(fault.counters()).at("stopped_ns").get<std::int64_t>(); }

Prepared pause_of(const Spinner& rank) {
  const Target target{.params = Params(ok(complete_params(process_pause().info().params, Json::object()))),
                      .ranks = {.all = {{.process = ok(identify_process(rank.pid))}}}};
  return ok(process_pause().prepare(target));
}

/// As the agent does it: read until it holds.
void put_in_force(Fault& fault) {
  ok(fault.start());
  for (const std::int64_t deadline_ns = monotonic_ns() + 5 * kNsPerS; !ok(fault.read()).holds;)
    REQUIRE(monotonic_ns() < deadline_ns);
}

}  // namespace

TEST_CASE("process_pause: each pause of a rank that computes and waits for a CPU counts", "[process_pause]") {
  const Spinner rank, first_rival, second_rival;  // it is stopped when it is next given a CPU: at any time
  const Cpus one{*ok(affinity_of_thread(0)).begin()};
  for (const Spinner* process : {&rank, &first_rival, &second_rival})
    REQUIRE(ok(set_affinity(ok(identify_process(process->pid)), one)));
  const Prepared pause = pause_of(rank);
  for (int i = 0; i < 50; ++i) {
    const std::int64_t before_ns = stopped_ns(*pause.fault);
    put_in_force(*pause.fault);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ok(pause.fault->stop());
    CAPTURE(i);
    CHECK(stopped_ns(*pause.fault) - before_ns >= 5 * kNsPerMs);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // some of its turn is not counted yet
  }
}

TEST_CASE("process_pause: a rank that somebody else set going meanwhile does not count", "[process_pause]") {
  const Spinner rank;
  const Prepared pause = pause_of(rank);
  put_in_force(*pause.fault);
  const ProcessIdentity identity = ok(identify_process(rank.pid));
  const std::int64_t ran_from_ns = ok(process_state(identity))->cpu_ns;
  REQUIRE(ok(send_signal(identity, SIGCONT)));
  for (const std::int64_t deadline_ns = monotonic_ns() + 5 * kNsPerS;
       ok(process_state(identity))->cpu_ns - ran_from_ns < 100 * kNsPerMs;)
    REQUIRE(monotonic_ns() < deadline_ns);
  REQUIRE(ok(send_signal(identity, SIGSTOP)));
  for (const std::int64_t deadline_ns = monotonic_ns() + 5 * kNsPerS; ok(process_state(identity))->state != 'T';)
    REQUIRE(monotonic_ns() < deadline_ns);
  ok(pause.fault->stop());
  CHECK(stopped_ns(*pause.fault) == 0);
}
