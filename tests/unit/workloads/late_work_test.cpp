// Phases of a step whose work a device does after the rank has gone on.
#include <array>
#include <thread>

#include "tests/catch.hpp"
#include "workloads/step_account.hpp"

namespace grit {
namespace {

constexpr std::int64_t kWait_ns = 20 * kNsPerMs;

void sleep_in(StepAccount& account, Phase phase) {
  const InPhase in(account, phase);
  std::this_thread::sleep_for(std::chrono::nanoseconds(kWait_ns));
}

}  // namespace

TEST_CASE("what a rank waits for while its device works is the work's, and the rest is communication") {
  StepAccount account;
  StepRecord record;
  account.begin(record);
  {
    const InPhase phase(account, Phase::forward);
    account.work_given();
  }
  {
    const InPhase phase(account, Phase::backward);
    account.work_given();
  }
  const std::int64_t from_ns = monotonic_ns();
  sleep_in(account, Phase::exposed_comm);
  const std::int64_t half_ns = monotonic_ns();
  sleep_in(account, Phase::exposed_comm);
  const std::int64_t paused_ns = monotonic_ns();
  sleep_in(account, Phase::optimizer);
  {
    const InPhase phase(account, Phase::exposed_comm);
    // Forward: the first wait. Backward: the second, and a part of the optimizer's time, which stays the optimizer's.
    const std::array times{WorkTime{from_ns - kWait_ns, half_ns}, WorkTime{half_ns, paused_ns + kWait_ns / 2}};
    account.work_done(times);
  }
  account.end();
  // Sleeps last at least as long as they should, so that these hold however busy the machine is.
  CHECK(record.forward_ns >= kWait_ns);
  CHECK(record.backward_ns >= kWait_ns);
  CHECK(record.optimizer_ns >= kWait_ns);
  CHECK(record.exposed_comm_ns >= 0);
  CHECK(record.forward_ns + record.backward_ns <= paused_ns - record.start_ns);
  CHECK(record.forward_ns + record.backward_ns + record.exposed_comm_ns + record.optimizer_ns <=
        record.end_ns - record.start_ns);
}

TEST_CASE("input that comes while the device works costs a step nothing, and what comes later does") {
  StepAccount account;
  StepRecord record;
  account.begin(record);
  {
    const InPhase phase(account, Phase::forward);
    account.work_given();
  }
  const std::int64_t from_ns = monotonic_ns();
  sleep_in(account, Phase::input);
  const std::int64_t done_ns = monotonic_ns();
  sleep_in(account, Phase::input);
  const std::int64_t until_ns = monotonic_ns();
  {
    const InPhase phase(account, Phase::exposed_comm);
    const std::array times{WorkTime{from_ns, done_ns}};
    account.work_done(times);
  }
  account.end();
  CHECK(record.forward_ns >= kWait_ns);
  CHECK(record.input_ns >= kWait_ns);
  CHECK(record.input_ns <= until_ns - done_ns);
}

TEST_CASE("a rank has come to its first sum when its device has") {
  StepAccount account;
  StepRecord record;
  account.begin(record);
  {
    const InPhase phase(account, Phase::backward);
    account.work_given();
    account.gradients_begin();
    account.work_given();
    account.gradients_end();
  }
  const std::int64_t now_ns = monotonic_ns();
  {
    const InPhase phase(account, Phase::exposed_comm);
    const std::array times{WorkTime{now_ns, now_ns + 1000}, WorkTime{now_ns + 1000, now_ns + 5000}};
    account.work_done(times);
  }
  account.end();
  CHECK(record.collective_entry_ns == now_ns + 1000);
}

}  // namespace grit
