#include "harness/base/clock.hpp"
#include "harness/base/own_pause.hpp"
#include "tests/catch.hpp"

using namespace grit;

TEST_CASE("own pause: silence counts from the end of a pause of one's own, else from the last sign") {
  OwnPause pause(2 * kNsPerS);
  const std::int64_t heard_ns = 100 * kNsPerS;
  pause.turn(heard_ns);
  pause.turn(heard_ns + 2 * kNsPerS);  // slow, and no pause
  CHECK(pause.silence_ns(heard_ns, heard_ns + 2 * kNsPerS) == 2 * kNsPerS);
  pause.turn(heard_ns + 9 * kNsPerS);
  CHECK(pause.silence_ns(heard_ns, heard_ns + 9 * kNsPerS) == 0);
  pause.turn(heard_ns + 10 * kNsPerS);
  CHECK(pause.silence_ns(heard_ns, heard_ns + 10 * kNsPerS) == kNsPerS);
  // A sign that came after the pause.
  CHECK(pause.silence_ns(heard_ns + 10 * kNsPerS, heard_ns + 11 * kNsPerS) == kNsPerS);
}

TEST_CASE("own pause: before the first turn there was none") {
  OwnPause pause(2 * kNsPerS);
  pause.turn(1000 * kNsPerS);
  CHECK(pause.silence_ns(0, 1000 * kNsPerS) == 1000 * kNsPerS);
}
