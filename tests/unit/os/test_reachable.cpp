#include "harness/base/clock.hpp"
#include "harness/os/job_control.hpp"
#include "harness/os/reachable.hpp"
#include "tests/catch.hpp"

TEST_CASE("a port that somebody listens on is reached, another is not, and the error says which") {
  for (const std::string address : {"127.0.0.1", "::1"}) {
    auto listening = grit::listen_on(address);
    if (!listening && address == "::1") continue;  // no IPv6 here
    REQUIRE(listening.has_value());
    CHECK(grit::try_to_connect(address, listening->port, grit::kNsPerS).has_value());
    listening->fd.reset();
    const auto refused = grit::try_to_connect(address, listening->port, grit::kNsPerS);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message.find(std::to_string(listening->port)) != std::string::npos);
  }
  CHECK_FALSE(grit::listen_on("192.0.2.1").has_value());
  CHECK_FALSE(grit::listen_on("no address").has_value());
}

TEST_CASE("a batch system's control group is known by its name") {
  CHECK(grit::control_group_of_job("0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n") ==
        "/system.slice/slurmstepd.scope/job_7/step_0/user/task_0");
  CHECK(grit::control_group_of_job("9:cpu:/\n4:memory:/slurm/uid_0/job_7/step_0\n0::/init.scope\n") ==
        "/slurm/uid_0/job_7/step_0");
  CHECK(grit::control_group_of_job("0::/user.slice/user-0.slice/session-1.scope\n").empty());
}
