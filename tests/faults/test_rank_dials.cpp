// rank_delay, imbalance, bit_flip: dials of ranks. What is special to them; the rest is in tests/conformance.
#include "injectors/faults.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using grit::test::ok;

TEST_CASE("rank_dials: a bit is a number or a name", "[bit_flip]") {
  const auto resolved = [](const char* bit) {
    return bit_flip().resolve_device({}, Params(ok(complete_params(bit_flip().info().params, Json{{"bit", bit}}))));
  };
  for (const char* good : {"0", "31", "sign", "exponent", "mantissa", "any"}) {
    INFO(good);
    CHECK(resolved(good).has_value());
  }
  for (const char* bad : {"32", "-1", "1.5", "", "first", "1 ", "0x1"}) {
    INFO(bad);
    REQUIRE_FALSE(resolved(bad).has_value());
    CHECK(resolved(bad).error().message ==
          fmt::format("bit = \"{}\": it is a number from 0 to 31, or one of sign, exponent, mantissa, any", bad));
  }
}

TEST_CASE("rank_dials: a node without ranks is refused", "[bit_flip]") {
  for (const Injector* injector : {&rank_delay(), &imbalance(), &bit_flip()}) {
    const auto params = ok(complete_params(injector->info().params, Json::object()));
    REQUIRE_FALSE(injector->prepare({.params = Params(params)}).has_value());
  }
}
