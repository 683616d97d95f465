// What a scenario says about its series: search and drive, right and wrong.
#include <fmt/format.h>

#include "harness/scenario/load.hpp"
#include "tests/catch.hpp"
#include "tests/unit/scenario/fixture.hpp"

using namespace grit::test;
using SearchKind = grit::SearchSpec::Kind;

namespace {

constexpr const char* kSearchOptions = R"(options = { rate = { "1Gbit/s", unit = "bit rate" }, word = "a" },)";

std::string with_search(std::string_view search) { return scenario_with(fmt::format("{} {}", kSearchOptions, search)); }

std::string threshold(std::string_view extra) {
  return with_search(fmt::format(
      R"(search = grit.search.threshold {{ option = "rate", from = "100Mbit/s", to = "10Gbit/s", {} }},)", extra));
}

grit::SearchSpec load(const std::string& lua, const grit::Overrides& overrides = {}) {
  const auto loaded = grit::evaluate_scenario("x.lua", lua, overrides);
  INFO((loaded ? std::string() : loaded.error().message));
  REQUIRE(loaded.has_value());
  return loaded->search;
}

/// drive_scenario with a body and a trial that answers with a slowdown of its number; the message of a failure.
struct Driven {
  grit::Result<grit::DriveEnd> end;
  std::vector<grit::Overrides> trials{};
};

Driven drive(std::string_view body, int failing_trial = 0) {
  const std::string lua = with_search(fmt::format("drive = function(trial) {} end,", body));
  std::vector<grit::Overrides> trials;
  auto end = grit::drive_scenario("x.lua", lua, {}, [&](const grit::Overrides& overrides) -> grit::Result<grit::Json> {
    trials.push_back(overrides);
    if (static_cast<int>(trials.size()) == failing_trial) return grit::unavailable_error("no mpirun");
    return grit::Json{{"slowdown", {{"estimate", 0.1 * static_cast<double>(trials.size())}}}, {"outcome", "completed"}};
  });
  return {std::move(end), std::move(trials)};
}

}  // namespace

TEST_CASE("a scenario without search is one run") { CHECK(load(scenario_with("")).kind == SearchKind::none); }

TEST_CASE("a threshold's doses have the unit of its option") {
  const auto spec = load(threshold(R"(slowdown = "5%", trials = 7, resolution = "20%")"));
  CHECK(spec.kind == SearchKind::magnitude);
  CHECK(spec.from == 1e8);
  CHECK(spec.to == 1e10);
  CHECK(spec.slowdown == 0.05);
  CHECK(spec.trials == 7);
  CHECK(spec.resolution == 0.2);
  CHECK_FALSE(spec.harm_grows.has_value());
  CHECK(load(threshold(R"(outcome = "node_loss")")).kind == SearchKind::escalate);
  CHECK(load(threshold("")).kind == SearchKind::yes_no);
  CHECK(load(threshold("")).trials == 44);
  CHECK(load(threshold(R"(slowdown = "5%", resolution = "1%")")).trials == 20);
  CHECK(load(threshold(R"(kind = "yes_no", harm = "falls")")).harm_grows == false);
  std::string checked = threshold(R"(check = "link_up")");
  checked.insert(checked.find("search ="), "checks = { grit.check.link_up {} }, ");
  CHECK(load(checked).check == "link_up");
  const auto by_option = with_search(
      R"(search = function(o) return grit.search.threshold { option = "rate", from = o.rate, to = "10Gbit/s" } end,)");
  CHECK(load(by_option, {{"rate", "2Gbit/s"}}).from == 2e9);
}

TEST_CASE("what is wrong in a search is said with its line") {
  CHECK(contains(load_error(with_search(
                     R"(search = grit.search.threshold { option = "rat", from = "1Gbit/s", to = "2Gbit/s" },)")),
                 R"(no option "rat"; did you mean "rate"?)"));
  CHECK(
      contains(load_error(with_search(R"(search = grit.search.threshold { option = "word", from = "1", to = "2" },)")),
               "needs a unit"));
  CHECK(contains(load_error(with_search(
                     R"(search = grit.search.threshold { option = "rate", from = "2Gbit/s", to = "1Gbit/s" },)")),
                 "must be below"));
  CHECK(contains(
      load_error(with_search(R"(search = grit.search.threshold { option = "rate", from = "0", to = "1Gbit/s" },)")),
      "scale = \"linear\""));
  CHECK(contains(
      load_error(with_search(R"(search = grit.search.threshold { option = "rate", from = "1s", to = "1Gbit/s" },)")),
      "from"));
  CHECK(contains(load_error(with_search(R"(search = grit.search.threshold { option = "rate", to = "1Gbit/s" },)")),
                 "has no from"));
  CHECK(contains(load_error(threshold(R"(slowdwn = "5%")")), R"(did you mean "slowdown"?)"));
  CHECK(contains(load_error(threshold(R"(outcome = "explosion")")), "node_loss"));
  CHECK(contains(load_error(threshold(R"(kind = "magnitude", outcome = "hang")")), "escalate"));
  CHECK(contains(load_error(threshold(R"(check = "link_up")")), "add checks = { grit.check.link_up {} }"));
  CHECK(contains(load_error(threshold(R"(kind = "escalate", check = "link_up")")), "any check"));
  std::string misspelt = threshold(R"(check = "link_upp")");
  misspelt.insert(misspelt.find("search ="), "checks = { grit.check.link_up {} }, ");
  CHECK(contains(load_error(misspelt), R"(did you mean "link_up"?)"));
  CHECK(contains(load_error(threshold(R"(kind = "escalat")")), R"(did you mean "escalate"?)"));
  CHECK(contains(load_error(threshold("trials = 0")), "1 to 1000"));
  CHECK(contains(load_error(threshold(R"(noise = "60%")")), "below 50%"));
  CHECK(contains(load_error(threshold(R"(resolution = "0.5%")")), "at least 1%"));
  CHECK(contains(load_error(with_search("search = { option = 1 },")), "search must be a grit.search"));
  CHECK(contains(load_error(with_search("search = grit.search.thresold {},")), R"(did you mean "threshold"?)"));
  CHECK(contains(load_error(with_search("search = grit.search.minimal {},")), "no faults"));
  std::string both = threshold("");
  both.insert(both.find("search ="), "drive = function() end, ");
  CHECK(contains(load_error(both), "both search and drive"));
  CHECK(contains(load_error(with_search("drive = 3,")), "drive must be a function"));
  CHECK(contains(load_error(with_search("trials = 3,")), "trials belongs to drive"));
}

TEST_CASE("a search says itself what every trial is to show") {
  std::string lua = threshold(R"(slowdown = "5%")");
  const auto at = lua.find("expect =");
  lua.erase(at, lua.find('\n', at) - at);
  const auto loaded = grit::evaluate_scenario("x.lua", lua, {});
  INFO((loaded ? std::string() : loaded.error().message));
  REQUIRE(loaded.has_value());
  CHECK(loaded->scenario.expect.slowdown_at_least == 0.05);
}

TEST_CASE("drive decides on trials by what the ones before showed") {
  const Driven driven = drive(R"(
    local r = trial { rate = "2Gbit/s" }
    while r.slowdown.estimate < 0.25 do r = trial { rate = "3Gbit/s" } end
    return { verdict = "reproduced", text = "slow: " .. r.outcome })");
  INFO((driven.end ? std::string() : driven.end.error().message));
  REQUIRE(driven.end.has_value());
  CHECK(driven.end->verdict == grit::VerdictKind::reproduced);
  CHECK(driven.end->text == "slow: completed");
  CHECK(driven.trials.size() == 3);
  CHECK(driven.trials.front() == grit::Overrides{{"rate", "2Gbit/s"}});
}

TEST_CASE("a trial's error ends drive, even if it is caught, with the error's own kind") {
  const Driven driven =
      drive(R"(pcall(trial, {}) pcall(trial, {}) return { verdict = "reproduced", text = "never mind" })", 1);
  REQUIRE_FALSE(driven.end.has_value());
  CHECK(driven.end.error().kind == grit::ErrorKind::unavailable);
  CHECK(driven.trials.size() == 1);
}

TEST_CASE("what is wrong in drive is said with its line") {
  const auto message = [](std::string_view body) {
    const Driven driven = drive(body);
    REQUIRE_FALSE(driven.end.has_value());
    CHECK(driven.end.error().kind == grit::ErrorKind::usage);
    return driven.end.error().message;
  };
  CHECK(contains(message(R"(trial { rat = "1Gbit/s" })"),
                 R"(x.lua:4: unknown option "rat" of the scenario; did you mean "rate"?)"));
  CHECK(contains(message("trial(3)"), "takes one table"));
  CHECK(contains(message("return 7"), "drive must return"));
  CHECK(contains(message(R"(return { verdict = "reproducd", text = "" })"), R"(did you mean "reproduced"?)"));
  CHECK(contains(message("while true do end"), "endless loop"));
  CHECK(contains(message("trial {} while true do end"), "endless loop"));
}

TEST_CASE("the limits of drive hold for each stretch between two trials") {
  // 6 times 20 million instructions are more than the 50 million of one stretch.
  const Driven driven = drive(R"(
    for i = 1, 6 do
      local x = 0
      for j = 1, 5000000 do x = x + j end
      trial {}
    end
    return { verdict = "inconclusive", text = "done" })");
  INFO((driven.end ? std::string() : driven.end.error().message));
  CHECK(driven.end.has_value());
}
