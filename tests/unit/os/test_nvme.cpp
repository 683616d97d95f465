#include <array>
#include <limits>

#include "harness/os/nvme.hpp"
#include "tests/catch.hpp"

using namespace grit;

TEST_CASE("nvme: the health log's bytes") {
  std::array<unsigned char, kNvmeHealthBytes> log{};
  const NvmeHealth empty = nvme_health_of(log);
  CHECK(empty.warning_bits == 0);
  CHECK_FALSE(empty.temperature_c);
  log[0] = 0x0c;
  log[1] = 0x3b, log[2] = 0x01;  // 315 K
  log[3] = 99, log[4] = 10, log[5] = 255;
  log[160] = 0x34, log[161] = 0x12;
  log[196] = 7, log[199] = 1;
  const NvmeHealth health = nvme_health_of(log);
  CHECK(health.warning_bits == (nvme_warning::reliability | nvme_warning::read_only));
  CHECK(health.temperature_c == 42);
  CHECK(health.spare_percent == 99);
  CHECK(health.spare_limit_percent == 10);
  CHECK(health.used_percent == 255);
  CHECK(health.media_errors == 0x1234);
  CHECK(health.hot_minutes == (1 << 24) + 7);
  log[175] = 1;  // more than 64 bits hold
  CHECK(nvme_health_of(log).media_errors == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("nvme: a drive that is not there") {
  CHECK(read_nvme_health("nvme977").error().kind == ErrorKind::unavailable);
}
