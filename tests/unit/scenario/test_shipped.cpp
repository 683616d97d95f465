// The files under scenarios/: they load and plan, and the annotations for editors are complete.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "harness/base/files.hpp"
#include "harness/scenario/annotations.hpp"
#include "harness/scenario/load.hpp"
#include "harness/scenario/planner.hpp"
#include "injectors/injector.hpp"
#include "tests/catch.hpp"
#include "tests/unit/scenario/fixture.hpp"

using namespace grit::test;

namespace {

const std::filesystem::path kScenarios = std::filesystem::path(GRIT_SOURCE_DIR) / "scenarios";

/// The flag without which the guard rails refuse this scenario.
std::string flag_of(const std::string& scenario) {
  if (scenario == "command" || scenario == "health_check_cost") return "--allow-command";
  if (scenario == "external_checks" || scenario == "odd_checks") return "--allow-command";
  return scenario == "process_kill" || scenario == "restart" ? "--allow-destructive" : "";
}

}  // namespace

TEST_CASE("every shipped scenario loads and plans, and is refused nothing but by name") {
  int found = 0, guarded = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kScenarios)) {
    const std::filesystem::path folder = entry.path().parent_path().filename();
    if (entry.path().extension() != ".lua" || folder == "lib" || folder == "burnin") continue;
    ++found;
    INFO(entry.path());
    const auto scenario = grit::load_scenario(entry.path(), {});
    INFO((scenario ? std::string() : scenario.error().message));
    REQUIRE(scenario.has_value());
    CHECK(scenario->name == entry.path().stem().string());
    CHECK_FALSE(scenario->summary.empty());
    const auto plan = grit::make_plan(*scenario, cluster_of(4), {});
    INFO((plan ? std::string() : plan.error().message));
    REQUIRE(plan.has_value());
    std::string flag;
    for (const grit::Guard& guard : plan->guards) flag = guard.override_flag;
    CHECK(flag == flag_of(scenario->name));
    if (flag.empty()) continue;
    // Whoever opens the file reads how to run it.
    ++guarded;
    CHECK(contains(grit::read_file(entry.path()).value_or(""), flag));
  }
  // Each fault has a scenario of its own.
  CHECK(found >= static_cast<int>(grit::injectors().size()));
  CHECK(guarded == 6);  // command, external_checks, health_check_cost, odd_checks, process_kill, restart
}

TEST_CASE("the annotation file for editors is what grit writes of its registries") {
  const auto annotations = grit::read_file(kScenarios / "lib" / "grit.lua");
  REQUIRE(annotations.has_value());
  INFO("to bring it up to date: grit describe --lua > scenarios/lib/grit.lua");
  const std::string now = grit::lua_annotations();
  const bool same = *annotations == now;  // both whole would be 800 lines of a failure
  const auto differs = std::mismatch(annotations->begin(), annotations->end(), now.begin(), now.end());
  INFO("the first difference: " << std::string(differs.second, now.end()).substr(0, 200));
  CHECK(same);
}

TEST_CASE("the annotations have every key that a scenario is read for, and grit itself can read them as Lua") {
  const std::string now = grit::lua_annotations();
  for (const char* part : {"---@field max_pairs? ", "---@field sham? ", "---@field recovery? ", "---@field recovers? ",
                           "---@field within ", "function grit.others(", "function grit.time(",
                           "---@field apply string", "---@param params grit.fault.command.params"})
    CHECK(contains(now, part));
  for (const grit::Injector* injector : grit::injectors())
    CHECK(contains(now, "\nfunction grit.fault." + injector->info().name + "(params) end\n"));
  CHECK(contains(load_error(now), "must end with: return grit.scenario"));  // it parses, and is no scenario
}
