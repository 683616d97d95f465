// The host as a device: buffers, periods, what differs from them.
#include "workloads/compute/device.hpp"

#include <cstring>
#include <numeric>
#include <vector>

#include "tests/catch.hpp"

namespace grit {
namespace {

/// Numbers 1, 2, 3 ... of 16 bits.
void count_up(Period& period) {
  std::vector<std::uint16_t> values(period.elements());
  std::iota(values.begin(), values.end(), std::uint16_t{1});
  std::memcpy(period.rewrite(), values.data(), period.values().size());
}

std::uint16_t element(const DeviceBuffer& buffer, std::size_t index) {
  std::uint16_t value = 0;
  std::memcpy(&value, buffer.data() + index * sizeof value, sizeof value);
  return value;
}

}  // namespace

TEST_CASE("a buffer is all 0 and is filled with a period from any place on") {
  HostDevice host;
  Period period(5, 2);
  count_up(period);
  const DeviceBuffer buffer = host.allocate(12 * sizeof(std::uint16_t));
  for (std::size_t i = 0; i < 12; ++i) CHECK(element(buffer, i) == 0);
  host.fill(period, 8, buffer.data(), 11);
  for (std::size_t i = 0; i < 11; ++i) CHECK(element(buffer, i) == (8 + i) % 5 + 1);
  CHECK(element(buffer, 11) == 0);
  CHECK(host.compare(period, 8, buffer.data(), 11).count == 0);
}

TEST_CASE("every element that differs from the period counts, and the first is told") {
  HostDevice host;
  Period period(5, 2);
  count_up(period);
  const DeviceBuffer buffer = host.allocate(20 * sizeof(std::uint16_t));
  host.fill(period, 3, buffer.data(), 20);
  for (const std::size_t wrong : {7U, 8U, 19U}) host.flip(buffer.data() + 2 * wrong + 1, std::byte{0x80});
  const Unlike unlike = host.compare(period, 3, buffer.data(), 20);
  CHECK(unlike.count == 3);
  REQUIRE(unlike.first);
  CHECK(unlike.first->element == 7);
  CHECK(unlike.first->expected_bits == 1);
  CHECK(unlike.first->got_bits == 0x8001);
  CHECK(host.compare(period, 3, buffer.data(), 7).count == 0);
}

TEST_CASE("a period knows how often it was written") {
  Period period(3, 4);
  CHECK(period.version() == 0);
  period.rewrite();
  CHECK(period.version() == 1);
  CHECK(period.elements() == 3);
}

}  // namespace grit
