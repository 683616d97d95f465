// Findings in words, with figures and units.
#pragma once

#include <string>

#include "analysis/burnin/judgement.hpp"
#include "analysis/burnin/peers.hpp"
#include "analysis/burnin/readings.hpp"

namespace grit {

/// Of a logarithm by which something is worse: 0.05 is 5 % less bandwidth, or 5 % more time.
double worse_fraction(const BurninMeasure& measure, double worse);

/// "5.3 %", "0.042 %": two digits that count.
std::string burnin_percent(double fraction);

/// "3.18 GFLOP/s", "12.5 us", "0.97": of a measure's unit.
std::string burnin_value(const BurninMeasure& measure, double value);

/// "matrix products 5.3 % slower than its 7 peers (3.8 to 6.7 %, 95 % interval) in 12 visits beside good nodes".
std::string words_of_rate(const BurninFinding& finding, const BurninReadings& readings, const BurninUnit& unit);

}  // namespace grit
