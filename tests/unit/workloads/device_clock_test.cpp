// The device's clock on the host's: what is known of it after which events.
#include "workloads/compute/device_clock.hpp"

#include <cstdlib>

#include "tests/catch.hpp"

namespace grit {
namespace {

constexpr std::int64_t kOffset_ns = 7'000'000'000;  // host - device
constexpr std::int64_t kSecond_ns = 1'000'000'000;

}  // namespace

TEST_CASE("one event bounds the device's clock by when it was issued and when it was seen") {
  DeviceClock clock;
  CHECK_FALSE(clock.is_set());
  clock.bound(1000, kOffset_ns + 1000 - 400, kOffset_ns + 1000 + 200);
  CHECK(clock.is_set());
  CHECK(clock.error_ns(1000) == 300);
  CHECK(clock.to_host(1000) == kOffset_ns + 1000 - 100);
}

TEST_CASE("the narrowest of all bounds stay, one side from one event and one from another") {
  DeviceClock clock;
  clock.bound(1000, kOffset_ns + 1000 - 50, kOffset_ns + 1000 + 90'000);
  clock.bound(2000, kOffset_ns + 2000 - 80'000, kOffset_ns + 2000 + 30);
  // A microsecond between the two lets the clocks drift apart by less than a nanosecond, rounded up.
  CHECK(clock.error_ns(2000) <= 41);
  CHECK(std::abs(clock.to_host(2000) - (kOffset_ns + 2000)) <= clock.error_ns(2000));
  CHECK(clock.contradictions() == 0);
}

TEST_CASE("bounds become wider with time, in both directions") {
  DeviceClock clock;
  clock.bound(kSecond_ns, kOffset_ns + kSecond_ns - 10, kOffset_ns + kSecond_ns + 10);
  CHECK(clock.error_ns(kSecond_ns) == 10);
  CHECK(clock.error_ns(2 * kSecond_ns) == 10 + 100'000);
  CHECK(clock.error_ns(0) == 10 + 100'000);
}

TEST_CASE("clocks that drift as fast as assumed are followed, and the truth is never outside of the error") {
  for (const double drift : {-DeviceClock::kDrift, 0.0, DeviceClock::kDrift}) {
    DeviceClock clock;
    for (std::int64_t device_ns = 0; device_ns < 100 * kSecond_ns; device_ns += kSecond_ns / 10) {
      const std::int64_t host_ns =
          kOffset_ns + device_ns + static_cast<std::int64_t>(drift * static_cast<double>(device_ns));
      clock.bound(device_ns, host_ns - 5'000, host_ns + 3'000);
      CHECK(std::abs(clock.to_host(device_ns) - host_ns) <= clock.error_ns(device_ns) + 1);
      CHECK(clock.error_ns(device_ns) <= 4'000);
    }
    CHECK(clock.contradictions() == 0);
  }
}

TEST_CASE("what is told late of an earlier time neither moves nor widens what is known") {
  DeviceClock clock;
  const auto tell = [&](std::int64_t device_ns, std::int64_t before_ns, std::int64_t after_ns) {
    clock.bound(device_ns, kOffset_ns + device_ns - before_ns, kOffset_ns + device_ns + after_ns);
  };
  tell(10 * kSecond_ns, 5'000, 3'000);
  const std::int64_t at_ns = clock.to_host(10 * kSecond_ns);
  // A step's events, read when it has ended: issued long before they were reached, seen long after.
  for (int i = 0; i < 100; ++i) tell(9 * kSecond_ns + i * kSecond_ns / 100, kSecond_ns, kSecond_ns);
  CHECK(clock.to_host(10 * kSecond_ns) == at_ns);
  CHECK(clock.error_ns(10 * kSecond_ns) == 4'000);
  // One that was seen at once says more, by what the clocks can have drifted since less.
  tell(10 * kSecond_ns - 10'000'000, 1'000, 1'000);
  CHECK(clock.error_ns(10 * kSecond_ns) == 2'000);
  CHECK(clock.contradictions() == 0);
}

TEST_CASE("a clock that was set is noticed, and what is known begins anew") {
  DeviceClock clock;
  clock.bound(0, kOffset_ns - 10, kOffset_ns + 10);
  clock.bound(1000, kOffset_ns + kSecond_ns, kOffset_ns + kSecond_ns + 40);
  CHECK(clock.contradictions() == 1);
  CHECK(clock.error_ns(1000) == 20);
  CHECK(clock.to_host(1000) == kOffset_ns + kSecond_ns + 20);
}

}  // namespace grit
