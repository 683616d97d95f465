// The GPUs' library in a reader of its own: whatever it does, the check is unknown and the next one is read.
#include <poll.h>

#include "harness/health/runner.hpp"
#include "tests/unit/health/fake_gpus.hpp"

using namespace grit;
using grit::test::ok;

namespace {

/// One reading of gpu_clock by a runner of its own.
Outcome read_through_runner() {
  const Check* check = find_check("gpu_clock");
  const Json params = ok(complete_params(check_params(check->info), {{"limit", 300 * kNsPerMs}}));
  auto runner = ok(CheckRunner::start({.node = {.name = "node0"}, .checks = {{"gpu_clock", params}}}));
  REQUIRE(runner.ask(0, 1));
  for (const std::int64_t until_ns = monotonic_ns() + 20 * kNsPerS; monotonic_ns() < until_ns;) {
    if (auto reading = runner.receive()) {
      REQUIRE(reading->outcomes.size() == 1);
      return reading->outcomes.front();
    }
    pollfd item{runner.descriptor(), POLLIN, 0};
    ::poll(&item, 1, 100);
  }
  FAIL("no answer");
  return {};
}

}  // namespace

TEST_CASE("gpu_library: one that answers, hangs and ends its process") {
  test::FakeGpus gpus;
  const std::string one = "gpus 1\ngpu0.reasons 0\n";
  gpus.write(one);
  CHECK(read_through_runner().severity == Severity::ok);
  gpus.write(one + "hang nvmlDeviceGetFieldValues 60\n");
  const Outcome hung = read_through_runner();
  CHECK(hung.severity == Severity::unknown);
  CHECK(hung.detail.starts_with("no answer within"));
  gpus.write(one + "abort nvmlDeviceGetPowerUsage\n");
  CHECK(read_through_runner().severity == Severity::unknown);
  gpus.write(one);
  CHECK(read_through_runner().severity == Severity::ok);
}
