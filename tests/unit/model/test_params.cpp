#include <string>
#include <vector>

#include "harness/model/params.hpp"
#include "tests/catch.hpp"
#include "tests/text.hpp"

using grit::Json;
using grit::ParamSpec;
using grit::Unit;

namespace {

std::vector<ParamSpec> specs() {
  return {{.name = "down", .unit = Unit::time_ns, .default_value = 1'000'000'000, .help = "", .min = 1e6, .max = 60e9},
          {.name = "share", .unit = Unit::fraction, .default_value = 0.5, .help = ""},
          {.name = "side", .unit = Unit::text, .default_value = "admin", .help = "", .choices = {"admin", "carrier"}},
          {.name = "hard", .unit = Unit::boolean, .default_value = false, .help = ""},
          {.name = "nic", .unit = Unit::text, .default_value = nullptr, .help = "which interface"}};
}

std::string error_of(const grit::Status& status) {
  REQUIRE_FALSE(status.has_value());
  CHECK(status.error().kind == grit::ErrorKind::usage);
  return status.error().message;
}

using grit::test::contains;

}  // namespace

TEST_CASE("defaults fill what is not given") {
  const auto complete = grit::complete_params(specs(), {{"nic", "eth0"}, {"down", 5'000'000}});
  REQUIRE(complete.has_value());
  const grit::Params params(*complete);
  CHECK(params.integer("down") == 5'000'000);
  CHECK(params.number("share") == 0.5);
  CHECK(params.text("side") == "admin");
  CHECK(params.text("nic") == "eth0");
  CHECK_FALSE(params.boolean("hard"));
  CHECK(params.json().size() == 5);
}

TEST_CASE("a parameter without default must be given") {
  const auto complete = grit::complete_params(specs(), Json::object());
  REQUIRE_FALSE(complete.has_value());
  CHECK(complete.error().message == "parameter \"nic\" is missing and has no default: which interface");
}

TEST_CASE("an unknown parameter is an error with the nearest name") {
  const auto complete = grit::complete_params(specs(), {{"nic", "eth0"}, {"dwon", 1}});
  REQUIRE_FALSE(complete.has_value());
  CHECK(complete.error().message == "unknown parameter \"dwon\"; did you mean \"down\"?");
}

TEST_CASE("values are held to type, bounds and choices") {
  const std::vector<ParamSpec> all = specs();
  CHECK(grit::check_param(all[0], 1'000'000).has_value());
  CHECK(grit::check_param(all[0], 60'000'000'000).has_value());
  CHECK(contains(error_of(grit::check_param(all[0], 999'999)), "below its least value 1ms"));
  CHECK(contains(error_of(grit::check_param(all[0], 60'000'000'001)), "above its greatest value 60s"));
  CHECK(contains(error_of(grit::check_param(all[0], "1s")), "takes time"));
  CHECK(contains(error_of(grit::check_param(all[0], 1.5)), "takes time"));
  CHECK(grit::check_param(all[2], "carrier").has_value());
  const std::string message = error_of(grit::check_param(all[2], "carier"));
  CHECK(contains(message, "did you mean \"carrier\"?"));
  CHECK(contains(message, "\"admin\", \"carrier\""));
  CHECK(grit::check_param(all[3], true).has_value());
  error_of(grit::check_param(all[3], 1));
}
