// The files under scenarios/: they load and plan, and the annotations for editors are complete.
#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "harness/base/files.hpp"
#include "harness/health/check.hpp"
#include "harness/scenario/load.hpp"
#include "harness/scenario/planner.hpp"
#include "harness/scenario/timing.hpp"
#include "injectors/injector.hpp"
#include "tests/catch.hpp"
#include "tests/unit/scenario/fixture.hpp"
#include "workloads/workload.hpp"

using namespace grit::test;

namespace {

const std::filesystem::path kScenarios = std::filesystem::path(GRIT_SOURCE_DIR) / "scenarios";

/// The lines of one ---@class in the annotation file.
std::string class_text(const std::string& annotations, const std::string& name) {
  const std::string head = fmt::format("---@class {}\n", name);
  auto begin = annotations.find(head);
  if (begin == std::string::npos) begin = annotations.find(fmt::format("---@class {}: ", name));
  INFO("missing: " << head);
  REQUIRE(begin != std::string::npos);
  return annotations.substr(begin, annotations.find("\n\n", begin) - begin + 1);
}

/// A class and those that it inherits from: "---@class a: b".
std::string with_inherited(const std::string& annotations, const std::string& fields) {
  const auto head = fields.substr(0, fields.find('\n'));
  const auto colon = head.find(": ");
  if (colon == std::string::npos) return fields;
  return fields + with_inherited(annotations, class_text(annotations, head.substr(colon + 2)));
}

void check_plugin(const std::string& annotations, const std::string& kind, const std::string& name,
                  const std::vector<grit::ParamSpec>& params) {
  CHECK(contains(annotations, fmt::format("function grit.{}.{}(", kind, name)));
  const std::string fields = class_text(annotations, fmt::format("grit.{}.{}.params", kind, name));
  for (const grit::ParamSpec& param : params) {
    const char* optional = param.default_value.is_null() ? "" : "?";
    CHECK(contains(fields, fmt::format("---@field {}{} ", param.name, optional)));
  }
}

/// The flag without which the guard rails refuse this scenario.
std::string flag_of(const std::string& scenario) {
  if (scenario == "command") return "--allow-command";
  return scenario == "process_kill" ? "--allow-destructive" : "";
}

}  // namespace

TEST_CASE("every shipped scenario loads and plans, and is refused nothing but by name") {
  int found = 0, guarded = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kScenarios)) {
    if (entry.path().extension() != ".lua" || entry.path().parent_path().filename() == "lib") continue;
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
  CHECK(guarded == 2);  // command, process_kill
}

TEST_CASE("the annotation file names every plug-in and each of its parameters") {
  const auto annotations = grit::read_file(kScenarios / "lib" / "grit.lua");
  REQUIRE(annotations.has_value());
  CHECK(annotations->starts_with("---@meta"));
  for (const grit::Injector* injector : grit::injectors()) {
    check_plugin(*annotations, "fault", injector->info().name, injector->info().params);
    const std::string fields = class_text(*annotations, "grit.fault." + injector->info().name + ".params");
    CHECK(contains(fields, "---@field on? "));
    const std::string all = with_inherited(*annotations, fields);
    for (const grit::ParamSpec& param : grit::timing_params_beside(injector->info())) {
      INFO(injector->info().name << ": add \": grit.timing\" to its class, or this field");
      CHECK(contains(all, fmt::format("---@field {}? ", param.name)));
    }
  }
  for (const grit::WorkloadInfo& workload : grit::workloads()) {
    check_plugin(*annotations, "workload", workload.name, workload.params);
  }
  for (const grit::CheckInfo& check : grit::checks()) check_plugin(*annotations, "check", check.name, check.params);
}
