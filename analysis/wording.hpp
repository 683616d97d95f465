// Numbers and sentences as a verdict says them.
#pragma once

#include <span>
#include <string>

#include "harness/model/plan.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

/// A fraction as per cent with two or three significant digits: 0.534 -> "53", 0.0031 -> "0.31", -0.0102 -> "−1.0".
std::string percent_number(double fraction);

/// "10 %".
std::string percent(double fraction);

/// "95 % CI 47 .. 60 %".
std::string interval_text(const Effect& effect);

/// "p = 0.008", "p < 0.001".
std::string p_text(double p);

/// What happened, without its cost: "node1 eth0 went down for 1 s", "cpu_throttle on node2". "No fault" for an empty
/// plan.
std::string faults_text(const Plan& plan);

/// The verdict's sentence when an effect could be measured. `fault_windows`: fault blocks that count.
std::string effect_sentence(const Plan& plan, const Effect& effect, int fault_windows);

}  // namespace grit
