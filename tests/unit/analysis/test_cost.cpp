#include <cmath>

#include "analysis/cost.hpp"
#include "tests/catch.hpp"

using namespace grit;
using Catch::Matchers::Contains;

TEST_CASE("one bad node in a job that fills the fleet: all its GPUs wait") {
  const Fleet fleet{.gpus = 800, .gpus_per_node = 8, .bad_nodes = 100, .jobs = {{800, 1.0}}};
  CHECK(gpu_days_a_week(fleet, 1.0) == Approx(7 * 800 / 2.0));  // half of every step is waiting
  CHECK(gpu_days_a_week(fleet, 0.25) == Approx(7 * 800 * 0.2));
  CHECK(gpu_days_a_week(fleet, 0) == 0);
  CHECK(gpu_days_a_week(fleet, -0.1) == 0);
}

TEST_CASE("a job of one node is hit as often as nodes are bad, a job of many nearly always") {
  Fleet fleet{.gpus = 8000, .gpus_per_node = 8, .bad_nodes = 10, .jobs = {{8, 1.0}}};
  CHECK(gpu_days_a_week(fleet, 1.0) == Approx(7 * 8000 * 0.5 * 0.01));
  fleet.jobs = {{4000, 1.0}};
  CHECK(gpu_days_a_week(fleet, 1.0) == Approx(7 * 8000 * 0.5 * (1 - std::pow(0.99, 500))));
  fleet.jobs = {{8, 0.5}, {4000, 0.5}};
  CHECK(gpu_days_a_week(fleet, 1.0) == Approx(7 * 8000 * 0.5 * (0.5 * 0.01 + 0.5 * (1 - std::pow(0.99, 500)))));
}

TEST_CASE("a job mix is read, and what is none is refused with what to write") {
  const auto jobs = parse_job_mix("1024:70%,128:30%");
  REQUIRE(jobs);
  REQUIRE(jobs->size() == 2);
  CHECK(jobs->at(0).gpus == 1024);
  CHECK(jobs->at(1).share == Approx(0.3));
  for (const char* wrong : {"", "1024", "1024:", ":70%", "0:50%", "1024:70%,", "x:10%", "1024:-5%"}) {
    const auto refused = parse_job_mix(wrong);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Contains("such as 1024:70%"));
  }
  CHECK_THAT(parse_job_mix("8:80%,16:30%").error().message, Contains("at most 100 %"));
}
