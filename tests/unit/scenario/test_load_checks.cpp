#include <fstream>

#include "harness/health/check.hpp"
#include "harness/scenario/load_checks.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

namespace grit {
namespace {

Result<std::vector<ScenarioPlugin>> load_list(const std::string& text) {
  const test::TempDirectory directory;
  const auto file = directory.path() / "checks.lua";
  std::ofstream(file) << "local grit = require 'grit'\n" << text;
  return load_checks(file);
}

std::string error_of_list(const std::string& text) {
  const auto loaded = load_list(text);
  REQUIRE_FALSE(loaded.has_value());
  CHECK(loaded.error().kind == ErrorKind::usage);
  return loaded.error().message;
}

TEST_CASE("a file of checks gives them in its order, with their defaults") {
  const auto checks =
      load_list("return { grit.check.nic_errors {}, grit.check.link_up { nic = 'eth1', every = '5s' } }");
  REQUIRE(checks.has_value());
  REQUIRE(checks->size() == 2);
  CHECK((*checks)[0].name == "nic_errors");
  CHECK((*checks)[0].params.at("limit") == find_check("nic_errors")->info.limit_ns);
  CHECK((*checks)[1].params.at("nic") == "eth1");
  CHECK((*checks)[1].params.at("every") == 5 * kNsPerS);
}

TEST_CASE("what is wrong in a file of checks is said with its line") {
  using Catch::Matchers::Contains;
  CHECK_THAT(error_of_list("return { grit.check.link_up { }, "), Contains("checks.lua:"));
  CHECK_THAT(error_of_list("return { grit.check.lnk_up {} }"),
             Contains("checks.lua:2: unknown check \"lnk_up\"") && Contains("did you mean \"link_up\"?"));
  CHECK_THAT(error_of_list("return { grit.check.link_up { every = '1ms' } }"), Contains("every") && Contains("100ms"));
  CHECK_THAT(error_of_list("return { grit.check.link_up { limit = '2min' } }"), Contains("limit") && Contains("55s"));
  CHECK_THAT(error_of_list("return grit.check.link_up {}"), Contains("must end with: return {"));
  CHECK_THAT(error_of_list("return { 'link_up' }"), Contains("check 1 of the list must be a grit.check.<name>"));
  CHECK_THAT(error_of_list("return { grit.check.link_up }"), Contains("not a function: is { } missing behind it?"));
  CHECK_THAT(error_of_list("return { grit.fault.link_down {} }"),
             Contains("must be a grit.check.<name> { ... }, not a grit.fault"));
  CHECK_THAT(error_of_list("return { checks = { grit.check.link_up {} } }"), Contains("it has the key \"checks\""));
  CHECK_THAT(error_of_list("return { grit.check.link_up {}, [5] = grit.check.nic_errors {} }"),
             Contains("it has nothing at 2"));
  CHECK_THAT(error_of_list("return { grit.check.kernel_log { deny = 'oops' } }"),
             Contains("checks.lua:2: check kernel_log: parameter \"deny\": \"oops\" does not begin with"));
  CHECK_THAT(error_of_list("return { grit.check.kernel_log { ignore = '(' } }"),
             Contains("parameter \"ignore\": \"(\" is no regular expression"));
  CHECK_THAT(error_of_list("return { grit.check.kernel_log { mild_xids = '13;31' } }"),
             Contains("parameter \"mild_xids\": \"13;31\" is no list of numbers"));
  CHECK_THAT(error_of_list("return { grit.check.link_settings { speed = '400G' } }"),
             Contains("did you mean \"Gbit/s\"?"));
  CHECK_THAT(error_of_list("return { check.link_up {} }"),
             Contains("write grit.check, and at the file's beginning: local grit = require \"grit\""));
  CHECK_THAT(error_of_list("return {}"), Contains("lists no checks"));
  CHECK_THAT(error_of_list("return { grit.check.link_up {}, grit.check.link_up {} }"),
             Contains("checks.lua: two checks are called link_up: give one another name, such as"));
  CHECK(load_checks("/nonexistent/checks.lua").error().kind == ErrorKind::usage);
}

}  // namespace
}  // namespace grit
