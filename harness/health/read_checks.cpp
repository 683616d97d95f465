#include "harness/health/read_checks.hpp"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "harness/base/clock.hpp"

namespace grit {
namespace {

/// Slurm ends its HealthCheckProgram after 60 s (slurm.conf(5)).
constexpr std::int64_t kLongest_ns = 50 * kNsPerS;
/// Between the two readings of a check that counts.
constexpr std::int64_t kBetween_ns = kNsPerS;
/// What a second reading needs: the pause before it, and the 2 s that a check takes at most by default.
constexpr std::int64_t kSecond_ns = 3 * kNsPerS;
/// Until then first answers are waited for: one that comes later must not cost the others their second reading. A
/// second more than that needs, since a busy machine is late.
constexpr std::int64_t kFirst_ns = kLongest_ns - kSecond_ns - kNsPerS;

ScenarioPlugin with_defaults(const Check& check) {
  auto params = complete_params(check_params(check.info), Json::object());
  GRIT_ASSERT(params.has_value());
  return {check.info.name, std::move(*params)};
}

/// Answers of all that was asked, until the time is up.
void take_answers(CheckRunner& runner, std::vector<CheckedOnce>& checks, std::int64_t until_ns) {
  const auto waits = [&] {
    for (std::size_t place = 0; place < checks.size(); ++place)
      if (runner.is_asked(place)) return true;
    return false;
  };
  while (waits()) {
    while (auto reading = runner.receive()) {
      CheckedOnce& check = checks[reading->place];
      take_reading(check, std::move(*reading));
    }
    const std::int64_t left_ns = until_ns - monotonic_ns();
    if (!waits() || left_ns <= 0) return;
    pollfd item{runner.descriptor(), POLLIN, 0};
    ::poll(&item, 1, static_cast<int>(std::min(left_ns, kNsPerS) / kNsPerMs) + 1);
  }
}

}  // namespace

std::vector<ScenarioPlugin> checks_without_params() {
  std::vector<ScenarioPlugin> all;
  for (const Check* check : checks())
    if (needs_no_params(*check)) all.push_back(with_defaults(*check));
  return all;
}

void read_checks(CheckRunner& runner, std::vector<CheckedOnce>& checks, const std::vector<CheckMemory>& earlier,
                 std::int64_t began_ns) {
  const auto wants_second = [&](std::size_t place) {
    const CheckReading& reading = checks[place].reading;
    return !runner.is_asked(place) && earlier[place].is_empty() && !reading.memory.is_empty() && reading.tag == 0;
  };
  for (std::size_t place = 0; place < checks.size(); ++place) runner.ask(place, 0);
  take_answers(runner, checks, began_ns + kFirst_ns);
  std::vector<std::size_t> again;
  for (std::size_t place = 0; place < checks.size(); ++place)
    if (wants_second(place)) again.push_back(place);
  if (!again.empty() && began_ns + kLongest_ns - monotonic_ns() >= kSecond_ns) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(kBetween_ns));
    for (const std::size_t place : again) runner.ask(place, 1);
  }
  take_answers(runner, checks, began_ns + kLongest_ns);
  for (std::size_t place = 0; place < checks.size(); ++place) {
    std::vector<Outcome>& outcomes = checks[place].reading.outcomes;  // beside what a first reading has found
    if (runner.is_asked(place))
      outcomes.push_back({.severity = Severity::unknown, .detail = "no answer within 50 s"});
    else if (wants_second(place))
      outcomes.push_back({.severity = Severity::unknown, .detail = "no time to read it twice within 50 s"});
  }
}

}  // namespace grit
