// The duty cycle of cpu_throttle; its control groups: tests/unit/os/test_cgroup.cpp and the conformance tests.
#include <csignal>

#include "injectors/faults.hpp"
#include "injectors/stop_cycle.hpp"
#include "tests/namespace.hpp"
#include "tests/spinner.hpp"

using namespace grit;
using grit::test::ok;
using grit::test::Spinner;

namespace {

bool is_stopped(const ProcessIdentity& process) { return ok(process_state(process))->state == 'T'; }

void wait_until_stopped(const ProcessIdentity& process) {
  for (const std::int64_t deadline_ns = monotonic_ns() + 5 * kNsPerS; !is_stopped(process);)
    REQUIRE(monotonic_ns() < deadline_ns);
}

}  // namespace

TEST_CASE("cpu_throttle: stopping in turn holds the share, and leaves the rank running", "[cpu_throttle][alone]") {
  const Spinner rank;
  const ProcessIdentity identity = ok(identify_process(rank.pid));
  const auto load = ok(make_stop_cycle({identity}, kNsPerMs, 20 * kNsPerMs));
  REQUIRE_FALSE(ok(load->read()).left);
  ok(load->start());
  const auto before = ok(scheduler_times(identity));
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  const auto after = ok(scheduler_times(identity));
  REQUIRE(ok(load->read()).holds);
  ok(load->stop());
  ok(load->stop());
  REQUIRE_FALSE(ok(load->read()).left);
  REQUIRE_FALSE(is_stopped(identity));
  const Json counters = ok(load->counters());
  CHECK(counters.at("stops").get<int>() > 0);
  CHECK(counters.at("throttled_ns").get<std::int64_t>() > 100 * kNsPerMs);
  CHECK(after->on_cpu_ns - before->on_cpu_ns < 150 * kNsPerMs);  // 5 % of 600 ms, and what a loaded machine adds
}

TEST_CASE("cpu_throttle: a worker that was killed leaves a stopped rank, which revert sets going",
          "[cpu_throttle][alone]") {
  const Spinner rank;
  const ProcessIdentity identity = ok(identify_process(rank.pid));
  const auto load = ok(make_stop_cycle({identity}, kNsPerMs, 500 * kNsPerMs));
  ok(load->start());
  wait_until_stopped(identity);
  const Json workers = ok(load->read()).details.at("pids");
  for (const Json& worker : workers) ::kill(worker.get<pid_t>(), SIGKILL);
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  REQUIRE(is_stopped(identity));
  const Reading orphaned = ok(load->read());
  REQUIRE_FALSE(orphaned.holds);
  REQUIRE(orphaned.left);
  const Json undo{{"mechanism", "duty_cycle"}, {"ranks", Json::array({to_json(identity)})}, {"groups", Json::array()}};
  ok(cpu_throttle().check_undo(undo));
  ok(cpu_throttle().revert(undo));
  ok(cpu_throttle().revert(undo));
  REQUIRE_FALSE(is_stopped(identity));
  REQUIRE_FALSE(ok(load->read()).left);
}

TEST_CASE("cpu_throttle: an undo record of one mechanism does not name what another one changes",
          "[cpu_throttle][alone]") {
  const Json rank = to_json(ok(identify_process(::getpid())));
  const Json undo{{"mechanism", "duty_cycle"}, {"ranks", Json::array({rank})}, {"groups", Json::array()}};
  ok(cpu_throttle().check_undo(undo));
  Json other = undo;
  other["mechanism"] = "cgroup1";
  CHECK_FALSE(cpu_throttle().check_undo(other).has_value());
  other = undo;
  other["ranks"] = Json::array();
  CHECK_FALSE(cpu_throttle().check_undo(other).has_value());
}
