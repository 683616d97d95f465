// A scorecard before it is measured: what it takes, what fits, and what is said of it.
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "grit_version.hpp"
#include "harness/base/commit.hpp"
#include "harness/base/files.hpp"
#include "harness/cluster/local.hpp"
#include "harness/model/verdict.hpp"
#include "harness/run/damage_plan.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

namespace grit {
namespace {

using Catch::Matchers::Contains;

constexpr std::int64_t kSecond = 1'000'000'000;

Design blocks_of(std::int64_t seconds, std::int64_t pairs) {
  return Design{.pairs = pairs, .block_ns = seconds * kSecond, .sham = true};
}

const std::string kScenario = R"(
local grit = require "grit"
return grit.scenario {
  name = "small",
  options = { damage = { "one", choices = { "one", "two", "deadly" } } },
  workload = grit.workload.ddp { model = "gpt2-small", scale = 0.002 },
  faults = function(o)
    if o.damage == "deadly" then return { grit.fault.process_kill { on = "any" } } end
    return { grit.fault.rank_delay { on = "any", delay = o.damage == "one" and "1ms" or "2ms", lasts = "1s" } }
  end,
  design = { pairs = 8, max_pairs = 16, block = "4s", sham = true },
  checks = { grit.check.link_up {} },
  expect = { slowdown = { at_least = "5%" } },
}
)";

DamageSetup setup_of(const std::string& source = kScenario) {
  return {.file = "small.lua", .source = source, .fresh_seed = 40, .topology = local_topology(4)};
}

std::string changed(const std::string& from, const std::string& to) {
  std::string text = kScenario;
  return text.replace(text.find(from), from.size(), to);
}

std::string refusal(const DamageSetup& setup) {
  const auto plan = plan_damages(setup);
  return plan ? "" : plan.error().message;
}

TEST_CASE("a run of a scorecard takes its blocks, and the time to start and to judge it") {
  CHECK(run_takes_ns(blocks_of(4, 6)) == (9 + 6 * 3 * 4) * kSecond);
  Design more = blocks_of(4, 6);
  more.recovery_ns = 2 * kSecond, more.link_test = true;
  CHECK(run_takes_ns(more) == (9 + 6 * (3 * 4 + 2) + 4 * 4) * kSecond);
  CHECK_FALSE(run_takes_ns(Design{.pairs = 6, .block_steps = 40}).has_value());
}

TEST_CASE("less time means fewer injections, down to six, and never fewer kinds of damage") {
  const std::vector<Design> twenty(20, blocks_of(4, 10));  // 129 s a run
  CHECK(injections_within(twenty, 20 * 129 * kSecond, "") == 10);
  CHECK(injections_within(twenty, 20 * 129 * kSecond - 1, "") == 9);
  CHECK(injections_within(twenty, 20 * 81 * kSecond, "") == 6);
  const auto too_short = injections_within(twenty, 20 * 81 * kSecond - 1, "");
  REQUIRE_FALSE(too_short.has_value());
  CHECK(too_short.error().kind == ErrorKind::usage);
  CHECK_THAT(too_short.error().message, Contains("20 kinds of damage") && Contains("6 injections") &&
                                            Contains("fewer injections would show nothing") &&
                                            Contains("time for 19 of them") && Contains("--damage"));
  CHECK_THAT(injections_within({twenty.front()}, kSecond, "").error().message, Contains("not time for one"));
  CHECK_THAT(injections_within({Design{.pairs = 6, .block_steps = 40}}, kSecond, "").error().message,
             Contains("counted in steps"));
}

TEST_CASE("what has begun with ten injections is not mixed with nine, and the reason is said") {
  const std::vector<Design> twenty(20, blocks_of(4, 10));
  const auto fixed = injections_within(twenty, 20 * 129 * kSecond - 1, "--pairs");
  REQUIRE_FALSE(fixed.has_value());
  CHECK_THAT(fixed.error().message, Contains("10 injections") && Contains("their number is fixed by --pairs"));
  CHECK(fixed.error().message.find("would show nothing") == std::string::npos);
}

TEST_CASE("runs of different lengths take their sum, and the shortest are counted first when not all fit") {
  const std::vector<Design> designs{blocks_of(60, 6), blocks_of(3, 6), blocks_of(12, 6)};  // 1089 s, 63 s, 225 s
  CHECK(runs_take_ns(designs) == 1377 * kSecond);
  CHECK(runs_take_ns({}) == 0);
  CHECK_FALSE(runs_take_ns({blocks_of(3, 6), Design{.pairs = 6, .block_steps = 40}}).has_value());
  CHECK(injections_within(designs, 1377 * kSecond, "") == 6);
  CHECK_THAT(injections_within(designs, 1377 * kSecond - 1, "").error().message, Contains("time for 2 of them"));
  CHECK_THAT(injections_within(designs, 287 * kSecond, "").error().message, Contains("time for 1 of them"));
}

TEST_CASE("a scorecard's end is told by this machine's clock, with the date when it is another day") {
  ::setenv("TZ", "UTC", 1), ::tzset();
  constexpr std::int64_t kMorning = 1'796'025'600;  // 2026-11-30 08:00 UTC
  CHECK(until_text(kMorning, 90 * 60 * kSecond) == "until about 09:30");
  CHECK(until_text(kMorning, 16 * 3600 * kSecond) == "until about 2026-12-01 00:00");
}

TEST_CASE("every kind of damage is planned, with its own seed, and what the guard rails refuse is listed and not run") {
  const auto plan = plan_damages(setup_of());
  REQUIRE(plan.has_value());
  REQUIRE(plan->all.size() == 3);
  CHECK(plan->damages.seed == 40);
  CHECK(plan->all[0].plan->seed == 40);
  CHECK(plan->all[1].plan->seed == 41);
  CHECK(plan->damages.pairs == 8);
  CHECK(plan->all[0].plan->design.max_pairs == 0);  // no looks: when it ends does not hang on what was found
  CHECK(plan->all[1].damage.state == Damage::State::to_do);
  CHECK(plan->all[2].damage.state == Damage::State::not_here);
  CHECK_THAT(plan->all[2].damage.reason, Contains("--allow-destructive"));
  const auto lines = describe_damages(*plan, 0);
  REQUIRE(lines.size() == 3);
  CHECK_THAT(lines[0], Contains("small: 2 kinds of damage x 8 injections and as many shams (16 and 16), 1 check"));
  CHECK_THAT(lines[1], Contains("takes about") && Contains("until about") &&
                           Contains("8 of 8 found would mean a recall of at least 63 %"));
  CHECK_THAT(lines[2], Contains("not run here: deadly: "));
}

TEST_CASE("some kinds only, fewer injections, and the same names as directories") {
  DamageSetup setup = setup_of();
  setup.chosen = {"two"}, setup.pairs = 7;
  const auto plan = plan_damages(setup);
  REQUIRE(plan.has_value());
  REQUIRE(plan->all.size() == 1);
  CHECK(plan->all[0].damage.name == "two");
  CHECK(plan->all[0].plan->seed == 41);  // as when all are run
  CHECK(plan->damages.pairs == 7);
  setup.chosen = {"tow"};
  CHECK_THAT(refusal(setup), Contains("tow") && Contains("did you mean two?"));
}

TEST_CASE("a scenario of which no scorecard can be made is refused, with what it lacks") {
  CHECK_THAT(refusal(setup_of(changed("damage = {", "what = {"))), Contains("no option `damage` with choices"));
  CHECK_THAT(refusal(setup_of(changed("sham = true", "sham = false"))), Contains("no sham blocks"));
  CHECK_THAT(refusal(setup_of(changed("checks = {", "-- "))), Contains("no health checks"));
  CHECK_THAT(refusal(setup_of(changed("\"deadly\" }", "\"deadly\", \"a/b\" }"))), Contains("no name of a directory"));
  CHECK_THAT(refusal(setup_of(changed("\"deadly\" }", "\"deadly\", \"..\" }"))), Contains("no name of a directory"));
  CHECK_THAT(refusal(setup_of(changed("lasts = \"1s\"", "lasts = \"9s\""))), Contains("damage one"));
}

TEST_CASE("how long all runs take is counted from the length that each kind of damage gives its blocks") {
  const std::string source = changed(R"(design = { pairs = 8, max_pairs = 16, block = "4s", sham = true })",
                                     R"(design = function(o)
    return { pairs = 6, block = o.damage == "one" and "2s" or "100s", sham = true }
  end)");
  DamageSetup setup = setup_of(source);
  const auto plan = plan_damages(setup);  // 45 s and 1809 s
  REQUIRE(plan.has_value());
  CHECK_THAT(describe_damages(*plan, 0)[1], Contains("takes about 30.9 min"));
  setup.most_ns = 20 * 60 * kSecond;
  CHECK_THAT(refusal(setup), Contains("--time") && Contains("time for 1 of them"));
  setup.chosen = {"one"};
  CHECK(refusal(setup).empty());
}

/// What an earlier call has left: damages.json, in which the kind is finished, and the files of its run.
void leave(const DamagePlan& plan, std::size_t finished, const Verdict& verdict = {}, const char* version = kVersion) {
  Damages damages = plan.damages;
  damages.all[finished].state = Damage::State::finished;
  const auto write = [](const std::filesystem::path& file, const Json& json) {
    REQUIRE(write_file_durably(file, json_text(json, 1) + "\n").has_value());
  };
  write(plan.directory / "damages.json", to_json(damages));
  const std::filesystem::path run = plan.directory / damages.all[finished].name;
  std::filesystem::create_directories(run);
  write(run / "plan.json", to_json(*plan.all[finished].plan));
  write(run / "verdict.json", to_json(verdict));
  write(run / "run.json", Json{{"version", version}, {"commit", commit()}});
}

TEST_CASE("what is finished is not run again, unless its run is gone or left something behind") {
  const test::TempDirectory directory;
  DamageSetup setup = setup_of();
  setup.directory = directory.path();
  const auto before = plan_damages(setup);
  REQUIRE(before.has_value());
  const auto state = [&](std::size_t kind) {
    const auto now = plan_damages(setup);
    REQUIRE(now.has_value());
    return now->damages.all[kind].state;
  };
  leave(*before, 0);
  CHECK(state(0) == Damage::State::finished);
  CHECK(state(1) == Damage::State::to_do);
  Verdict dirty;
  dirty.residue.push_back({.node = "node1", .differences = {"eth0 is down"}});
  leave(*before, 0, dirty);
  CHECK(state(0) == Damage::State::to_do);
  Verdict cut_off;
  cut_off.outcome = "interrupted";
  leave(*before, 0, cut_off);
  CHECK(state(0) == Damage::State::to_do);
  leave(*before, 0);
  setup.chosen = {"two"};
  CHECK(state(0) == Damage::State::finished);
  std::filesystem::remove_all(directory.path() / "one");
  CHECK(state(0) == Damage::State::to_do);
}

TEST_CASE("a scorecard does not go on with what another grit has run, nor by another plan") {
  const test::TempDirectory directory;
  DamageSetup setup = setup_of();
  setup.directory = directory.path();
  const auto before = plan_damages(setup);
  REQUIRE(before.has_value());
  leave(*before, 0, {}, "0.0.1");
  CHECK_THAT(refusal(setup),
             Contains("was run by grit 0.0.1") && Contains((directory.path() / "one").string()) && Contains("--out"));
  leave(*before, 0);
  CHECK(refusal(setup).empty());
  setup.source = changed("delay = o.damage == \"one\"", "delay = o.damage ~= \"one\"");
  CHECK_THAT(refusal(setup), Contains("another plan"));
}

}  // namespace
}  // namespace grit
