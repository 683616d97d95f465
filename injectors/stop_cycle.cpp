#include "injectors/stop_cycle.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <optional>

#include "harness/base/clock.hpp"
#include "injectors/worker.hpp"

namespace grit {
namespace {

constexpr std::size_t kStops = 0, kThrottled_ns = 1;  // of WorkerPage::counters
/// As often as this a rank that comes near its quota is looked at.
constexpr std::int64_t kLeastWait_ns = 200 * kNsPerUs;

/// The worker that stops the ranks is killed as the agent dies; its last signal must come before the guardian's.
constexpr std::int64_t kOthersDie_ns = 50 * kNsPerMs;

void sleep_for(std::int64_t duration_ns) {
  const timespec duration{.tv_sec = duration_ns / kNsPerS, .tv_nsec = duration_ns % kNsPerS};
  ::clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, nullptr);
}

/// CPU time of all its threads; nothing when it has ended or cannot be read.
std::optional<std::int64_t> used_ns(const ProcessIdentity& rank) {
  const auto times = scheduler_times(rank);
  return times && *times ? std::optional((*times)->on_cpu_ns) : std::nullopt;
}

bool is_stopped(const ProcessIdentity& rank) {
  const auto state = process_state(rank);
  return state && *state && (*state)->state == 'T';
}

/// One period: the rank runs until it has used its quota, then it is stopped until the end.
void one_period(const ProcessIdentity& rank, std::int64_t quota_ns, std::int64_t end_ns, WorkerPage& page) {
  const auto before_ns = used_ns(rank);
  for (std::int64_t now_ns = monotonic_ns(); now_ns < end_ns; now_ns = monotonic_ns()) {
    const auto now_used_ns = used_ns(rank);
    if (!before_ns || !now_used_ns) return sleep_for(end_ns - now_ns);
    const std::int64_t left_ns = quota_ns - (*now_used_ns - *before_ns);
    if (left_ns <= 0) break;
    sleep_for(std::min(std::max(left_ns, kLeastWait_ns), end_ns - now_ns));
  }
  const std::int64_t stopped_at_ns = monotonic_ns();
  if (stopped_at_ns >= end_ns || !send_signal(rank, SIGSTOP).value_or(false)) return;
  page.counters[kStops].fetch_add(1);
  sleep_for(end_ns - stopped_at_ns);
  const bool stood_still = is_stopped(rank);
  static_cast<void>(send_signal(rank, SIGCONT));
  if (stood_still) page.counters[kThrottled_ns].fetch_add(monotonic_ns() - stopped_at_ns);
}

class StopCycle final : public WorkerFault {
 public:
  static Result<std::unique_ptr<Fault>> make(const std::vector<ProcessIdentity>& ranks, std::int64_t quota_ns,
                                             std::int64_t period_ns) {
    std::vector<Body> bodies;
    for (const ProcessIdentity& rank : ranks)
      bodies.emplace_back([rank, quota_ns, period_ns](WorkerPage& page) {
        page.wait_for_start();
        for (;;) one_period(rank, quota_ns, monotonic_ns() + period_ns, page);
      });
    std::unique_ptr<StopCycle> fault(new StopCycle("grit-throttle", std::move(bodies), {"stops", "throttled_ns"}));
    fault->ranks_ = ranks;
    GRIT_TRY(fault->guardian_, make_guardian(ranks));
    GRIT_CHECK(fault->make_workers());
    return fault;
  }

  Status stop() override {
    GRIT_CHECK(WorkerFault::stop());
    GRIT_CHECK(continue_all(ranks_));
    return {};
  }

  /// Something is left as well while a rank is stopped that nobody will set going.
  Result<Reading> read() override {
    GRIT_TRY(Reading reading, WorkerFault::read());
    Json states = Json::object();
    for (const ProcessIdentity& rank : ranks_) {
      GRIT_TRY(const auto state, process_state(rank));
      states[std::to_string(rank.pid)] = state ? std::string(1, state->state) : std::string("ended");
      reading.left = reading.left || (state && state->state == 'T');
    }
    reading.details["states"] = std::move(states);
    reading.details["mechanism"] = "duty_cycle";
    return reading;
  }

 private:
  using WorkerFault::WorkerFault;
  std::vector<ProcessIdentity> ranks_{};
  std::optional<Worker> guardian_{};
};

}  // namespace

Result<std::unique_ptr<Fault>> make_stop_cycle(const std::vector<ProcessIdentity>& ranks, std::int64_t quota_ns,
                                               std::int64_t period_ns) {
  return StopCycle::make(ranks, quota_ns, period_ns);
}

Result<Worker> make_guardian(const std::vector<ProcessIdentity>& ranks) {
  const pid_t agent = ::getpid();
  return Worker::fork("grit-guardian", [ranks, agent](WorkerPage& page) {
    sigset_t death;
    sigemptyset(&death);
    sigaddset(&death, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &death, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    page.set_ready();
    for (int received = 0; ::getppid() == agent;) ::sigwait(&death, &received);
    sleep_for(kOthersDie_ns);
    static_cast<void>(continue_all(ranks));
  });
}

Status check_stoppable(const std::vector<ProcessIdentity>& ranks) {
  for (const ProcessIdentity& rank : ranks) {
    GRIT_TRY(const auto state, process_state(rank));
    if (state && state->state == 'T')
      return unavailable_error(fmt::format("process {} is stopped already, and not by this run", rank.pid));
    GRIT_TRY(const bool allowed, send_signal(rank, 0));
    if (!allowed) return unavailable_error(fmt::format("rank process {} has ended", rank.pid));
  }
  return {};
}

Result<std::size_t> continue_all(const std::vector<ProcessIdentity>& ranks) {
  Status all;
  std::size_t reached = 0;
  for (const ProcessIdentity& rank : ranks) {
    auto sent = send_signal(rank, SIGCONT);
    if (sent && *sent) ++reached;
    if (!sent && all) all = tl::make_unexpected(sent.error());
  }
  GRIT_CHECK(all);
  return reached;
}

}  // namespace grit
