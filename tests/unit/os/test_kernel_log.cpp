#include "harness/base/clock.hpp"
#include "harness/os/kernel_log.hpp"
#include "tests/catch.hpp"

using namespace grit;

TEST_CASE("a record of the kernel's log, with its dictionary") {
  const auto line = parse_kernel_record(
      "30,5432,58349551228,-;NETDEV WATCHDOG: eth0\\x0a\n SUBSYSTEM=pci\n DEVICE=+pci:0000:3b:00.0\n");
  REQUIRE(line);
  CHECK(line->level == 6);
  CHECK(line->number == 5432);
  CHECK(line->text == "NETDEV WATCHDOG: eth0\\x0a");
  CHECK_FALSE(line->of_kernel);
  CHECK(line->logged_ns == 58349551228 * kNsPerUs);
  CHECK(line->device == "+pci:0000:3b:00.0");
  const auto own = parse_kernel_record("6,1,7,c,caller=T1;text;more");
  REQUIRE(own);
  CHECK(own->of_kernel);
  CHECK(own->text == "text;more");
  CHECK(own->device.empty());
}

TEST_CASE("what is no record of the kernel's log is none") {
  for (const char* wrong :
       {"", ";", "6", "6,1;", "6,1,7", "a,b,c,-;text", "-6,1,7,-;text", "6,99999999999999999999,7,-;t"}) {
    INFO(wrong);
    CHECK_FALSE(parse_kernel_record(wrong));
  }
  CHECK(parse_kernel_record("6,1,9223372036854775807,-;")->text.empty());
}
