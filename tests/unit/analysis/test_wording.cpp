#include "analysis/wording.hpp"
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
  plan.faults.resize(5, plan.faults[0]);
  CHECK(faults_text(plan) ==
        "cpu_throttle on node 9, cpu_throttle on node 9, cpu_throttle on node 9 and 2 more faults");
  plan.faults.clear();
  CHECK(faults_text(plan) == "No fault");
}
