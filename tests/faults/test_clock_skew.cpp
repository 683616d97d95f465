// What can be shown without setting this machine's clock, which no test may do.
#include <cstdlib>

#include "harness/os/identity.hpp"
#include "harness/os/wall_clock.hpp"
#include "injectors/clock_skew.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using clock_skew_math::still_in;
using grit::test::ok;

TEST_CASE("clock_skew: a step is ours, or none, or it cannot be told", "[clock_skew]") {
  const std::int64_t ms = kNsPerMs;
  CHECK(still_in(1000, 1000, 500 * ms) == false);
  CHECK(still_in(1000, 1300, 500 * ms) == false);
  CHECK(still_in(0, 500 * ms, 500 * ms) == true);
  CHECK(still_in(0, 500 * ms - 900, 500 * ms) == true);
  CHECK(still_in(0, -500 * ms, -500 * ms) == true);
  CHECK(still_in(0, ms, ms) == true);
  CHECK(still_in(0, 0, ms) == false);
  CHECK_FALSE(still_in(0, 300 * ms, 500 * ms).has_value());  // a daemon has begun to set it right
  CHECK_FALSE(still_in(0, 500 * ms, -500 * ms).has_value());
  CHECK_FALSE(still_in(0, 1000 * ms, 500 * ms).has_value());
}

TEST_CASE("clock_skew: refused on the local cluster, whose clock is the machine's", "[clock_skew]") {
  REQUIRE(::setenv("GRIT_LOCAL_CLUSTER", "1", 1) == 0);
  const Target target{.params = Params(ok(complete_params(clock_skew().info().params, Json::object())))};
  const auto why = clock_skew().why_unavailable(target);
  REQUIRE(why.has_value());
  CHECK(why->find("local cluster") != std::string::npos);
  CHECK_FALSE(clock_skew().prepare(target).has_value());
}

TEST_CASE("clock_skew: the undo of another boot, or of a step that never was, changes nothing", "[clock_skew]") {
  const uid_t user = ::geteuid();
  REQUIRE(::seteuid(65534) == (user == 0 ? 0 : -1));  // without any capability, whatever the code below does
  REQUIRE(why_no_clock_setting().has_value());
  const std::int64_t now_ns = wall_clock_origin_ns();
  const Json other_boot{{"boot_id", "x"}, {"origin_ns", now_ns - kNsPerS}, {"offset_ns", kNsPerS}};
  CHECK(ok(clock_skew().revert(other_boot)) == Reverted::gone);
  const Json never{{"boot_id", ok(boot_id())}, {"origin_ns", now_ns}, {"offset_ns", kNsPerS}};
  CHECK(ok(clock_skew().revert(never)) == Reverted::put_back);
  const Json set_by_others{{"boot_id", ok(boot_id())}, {"origin_ns", now_ns - 300 * kNsPerMs}, {"offset_ns", kNsPerS}};
  const auto cannot_tell = clock_skew().revert(set_by_others);
  REQUIRE_FALSE(cannot_tell.has_value());
  CHECK(cannot_tell.error().message.find("somebody else has set it") != std::string::npos);
  CHECK_FALSE(clock_skew().check_undo({{"boot_id", "x"}, {"origin_ns", 0}, {"offset_ns", 0}}).has_value());
  REQUIRE(::seteuid(user) == 0);
}
