#include "analysis/facts/wording.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/fixture.hpp"

using namespace grit;

TEST_CASE("percentages have two or three significant digits") {
  CHECK(percent_number(0.534) == "53");
  CHECK(percent_number(0.0996) == "10");
  CHECK(percent_number(0.0984) == "9.8");
  CHECK(percent_number(0.0102) == "1.0");
  CHECK(percent_number(0.0031) == "0.31");
  CHECK(percent_number(0.00031) == "0.031");
  CHECK(percent_number(0) == "0.0");
  CHECK(percent_number(-0.0000001) == "0.0");
  CHECK(percent_number(-0.0102) == "−1.0");
  CHECK(percent_number(3.456) == "346");
  CHECK(percent_number(21.449) == "2140");
  CHECK(percent_number(9.996) == "1000");
  CHECK(percent(0.1) == "10 %");
  CHECK(percent(std::nan("")) == "unknown");
  CHECK(percent(0.5312, Digits::tenths) == "53.1 %");
  CHECK(percent(0.9996, Digits::tenths) == "100 %");
  CHECK(percent(-0.0031, Digits::tenths) == "−0.31 %");
  CHECK(signed_percent(12.3456, Digits::tenths) == "+1230 %");
  CHECK(signed_percent(0.5312) == "+53 %");
  CHECK(signed_percent(-0.0031) == "−0.31 %");
  CHECK(signed_percent(0.0000001) == "0.0 %");
  CHECK(signed_percent(1.0 / 0.0) == "unknown");
}

TEST_CASE("p is never given as zero") {
  CHECK(p_text(0.0156) == "p = 0.016");
  CHECK(p_text(0.314) == "p = 0.31");
  CHECK(p_text(1) == "p = 1.00");
  CHECK(p_text(0.0000019) == "p < 0.001");
}

TEST_CASE("faults are named with their place and, when planned so, their duration") {
  Plan plan = grit::testing::small_plan();
  CHECK(faults_text(plan) == "node1 eth0 went down for 1 s");
  plan.faults[0].name = "cpu_throttle";
  plan.faults[0].device.clear();
  plan.faults[0].pulses = {{0, -1}};
  CHECK(faults_text(plan) == "cpu_throttle on node1");
  plan.faults[0].node = 9;
  CHECK(faults_text(plan) == "cpu_throttle on node 9");
  plan.faults.resize(7, plan.faults[0]);
  for (int node = 0; node < 7; ++node) plan.faults[static_cast<std::size_t>(node)].node = 10 + node % 6;
  CHECK(faults_text(plan) == "cpu_throttle on node 10, node 11, node 12, node 13 and 2 more nodes");
  plan.faults.resize(2);
  plan.faults[0].name = "os_noise";
  CHECK(faults_text(plan) == "os_noise on node 10 and cpu_throttle on node 11");
  plan.faults.clear();
  CHECK(faults_text(plan) == "No fault");
}

TEST_CASE("changes of counters are said in the unit their name ends with") {
  CHECK(acted_text({}).empty());
  CHECK(acted_text({{"carrier_changes", 16}, {"tx_bytes", 3.21e9}}) == "carrier_changes +16, tx_bytes +3.21 GB");
  CHECK(acted_text({{"cpu_ns", 2.5e9}, {"free_bytes", -999}, {"load", 0.25}}) ==
        "cpu_ns +2.5 s, free_bytes −999 B, load +0.25");
  CHECK(acted_text({{"bytes", 12}, {"packets", 1234567}}) == "bytes +12 B, packets +1234567");
}

TEST_CASE("a skew names the clocks it was told by") {
  CHECK(skew_text({{1000, 2000, 3000, 4}, 0}) == "p50 1 µs, p99 2 µs, at most 3 µs, on one clock");
}
