#include <fmt/format.h>

#include "harness/scenario/load.hpp"
#include "harness/scenario/planner.hpp"
#include "tests/catch.hpp"
#include "tests/unit/scenario/fixture.hpp"

using namespace grit::test;
using Catch::Matchers::Contains;

namespace {

constexpr std::string_view kRestart = "{ restart = { detected_within = '2s', goodput_at_least = '80%' } }";

std::string with(std::string_view design, std::string_view expect = kRestart,
                 std::string_view workload = "checkpoint_every = 5") {
  return fmt::format(
      "local grit = require 'grit'\nreturn grit.scenario {{ name = 'x', workload = grit.workload.ddp {{ {} }},"
      " design = {}, expect = {} }}",
      workload, design, expect);
}

}  // namespace

TEST_CASE("a job that may start again has one pair unless more are asked for, and expectations of its own") {
  const auto scenario = load_text(with("{ block = '40 steps', restarts = 2 }"));
  REQUIRE(scenario);
  CHECK(scenario->design.restarts == 2);
  CHECK(scenario->design.pairs == 1);
  CHECK(scenario->expect.detected_within_ns == 2'000'000'000);
  CHECK(scenario->expect.goodput_at_least == 0.8);
  CHECK_FALSE(scenario->expect.back_within_ns);
  CHECK(load_text(with("{ block = '40 steps', restarts = 2, pairs = 3 }"))->design.pairs == 3);

  const auto plan = grit::make_plan(*scenario, cluster_of(2), {.seed = 1});
  REQUIRE(plan);
  const std::string text = grit::describe_plan(*plan);
  CHECK(contains(text, "at most 2 times"));
  CHECK(contains(text, "a death is told within"));
  CHECK(contains(text, "goodput of at least"));
  CHECK_FALSE(contains(text, "so few pairs"));
}

TEST_CASE("every workload that writes checkpoints may start again, on a mesh as well") {
  for (const char* workload : {"fsdp", "tensor", "pipeline", "moe", "transformer"}) {
    INFO(workload);
    CHECK(load_text(
        fmt::format("local grit = require 'grit'\nreturn grit.scenario {{ name = 'x', workload = grit.workload.{} {{"
                    " checkpoint_every = 5, checkpoint_mode = 'asynchronous' }}, mesh = {{ dp = 2 }},"
                    " design = {{ block = '40 steps', restarts = 2 }}, expect = {} }}",
                    workload, kRestart)));
  }
}

TEST_CASE("what a job that may start again cannot be is refused, with what it can") {
  const auto error = [](std::string_view design, std::string_view expect = kRestart,
                        std::string_view workload = "checkpoint_every = 5") {
    return load_error(with(design, expect, workload));
  };
  CHECK_THAT(error("{ block = '3s', restarts = 1 }"), Contains("block = \"40 steps\""));
  CHECK_THAT(error("{ block = 40, restarts = 1, link_test = true }"), Contains("leave out") && Contains("link_test"));
  CHECK_THAT(error("{ block = 40, restarts = 1, recovery = '1s' }"), Contains("leave out"));
  CHECK_THAT(error("{ block = 40, restarts = 101 }"), Contains("0 to 100"));
  CHECK_THAT(error("{ block = 40, restarts = 1 }", kRestart, ""), Contains("checkpoint_every"));
  CHECK_THAT(error("{ block = 40 }"), Contains("design = { restarts = 1"));
  constexpr std::string_view kDesign = "{ block = 40, restarts = 1 }";
  CHECK_THAT(error(kDesign, "{ restart = {} }"), Contains("expect.restart is empty"));
  CHECK_THAT(error(kDesign, "{ restart = '1s' }"), Contains("must be a table"));
  CHECK_THAT(error(kDesign, "{ restart = { back_within = '0s' } }"), Contains("longer than 0"));
  CHECK_THAT(error(kDesign, "{ restart = { back_in = '1s' } }"), Contains("back_within"));
  CHECK_THAT(error(kDesign, "{ restart = { back_within = '1s' }, slowdown = { at_least = '1%' } }"),
             Contains("more than restart"));
  CHECK_THAT(error(kDesign, "{ outcome = 'rank_death', restart = { back_within = '1s' } }"),
             Contains("both outcome and restart"));
}
