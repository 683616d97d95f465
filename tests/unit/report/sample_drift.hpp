// A burn-in of several cycles, made by hand: what the nodes did over these.
#pragma once

#include "analysis/burnin/drift.hpp"
#include "tests/unit/report/sample_burnin.hpp"

namespace grit::test {

/// Of a measure: the fleet gets worse by so much over its cycles, which are drawn each; nobody stands out.
inline BurninDrift sample_course(const std::string& measure, int cycles, double shift) {
  BurninDrift drift{.measure = measure, .round = "solo", .machine_class = "EPYC 9654", .cycles = cycles};
  constexpr std::int64_t kHour_ns = 3'600'000'000'000;
  for (int cycle = 1; cycle <= cycles; ++cycle) {
    const double middle = cycles < 2 ? 0 : shift * (cycle - 1) / (cycles - 1);
    drift.points.push_back({cycle, (cycle - 1) * kHour_ns + kHour_ns / 2, 12, middle, middle - 0.004 * (cycle > 1),
                            middle + 0.005 * (cycle > 1)});
  }
  drift.shift = shift;
  drift.nodes_told = cycles < kFewestDriftCycles ? 0 : 12;
  return drift;
}

/// Of 20 cycles: the fleet loses memory bandwidth, and n04 and n07 matrix products.
inline BurninReport sample_soak() {
  BurninReport report = BurninMaker(12, 3).report();
  report.config.cycles = 20;
  report.drift = {sample_course("compute", 20, 0.001), sample_course("memory", 20, 0.03)};
  report.drift[1].is_beyond_noise = true;
  for (const auto& [host, worst] : {std::pair{"n04", 0.07}, std::pair{"n07", 0.045}}) {
    BurninDrift::Node node{.host = host, .worse = worst, .beyond_fleet = worst - 0.001};
    for (int cycle = 1; cycle <= 20; ++cycle) {
      node.cycles.push_back(cycle);
      node.path.push_back(worst * (cycle - 1) / 19);
    }
    report.drift[0].slower.push_back(node);
  }
  return report;
}

}  // namespace grit::test
