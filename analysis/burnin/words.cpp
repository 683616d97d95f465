#include "analysis/burnin/words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace grit {

double worse_fraction(const BurninMeasure& measure, double worse) {
  // A factor of a thousand is as good as any larger one, and every format can hold it.
  const double bounded = std::clamp(worse, -6.9, 6.9);
  return measure.better == BurninBetter::higher ? -std::expm1(-bounded) : std::expm1(bounded);
}

std::string burnin_percent(double fraction) {
  const double percent = 100 * fraction, size = std::abs(percent);
  const int decimals = size >= 9.95 || size == 0 ? 0
                       : size >= 0.95            ? 1
                                                 : std::min(6, 1 - static_cast<int>(std::floor(std::log10(size))));
  return fmt::format("{:.{}f} %", percent, decimals);
}

std::string burnin_value(const BurninMeasure& measure, double value) {
  if (measure.unit == "share") return burnin_percent(value);
  if (measure.unit == "count") return fmt::format("{:.0f}", value);
  constexpr std::array<std::string_view, 9> kPrefixes{"n", "u", "m", "", "k", "M", "G", "T", "P"};
  int power = value > 0 ? static_cast<int>(std::floor(std::log10(value) / 3)) : 0;
  power = std::clamp(power, -3, 5);
  return fmt::format("{:.3g} {}{}", value / std::pow(1000.0, power), kPrefixes[static_cast<std::size_t>(power + 3)],
                     measure.unit);
}

std::string words_of_rate(const BurninFinding& finding, const BurninReadings& readings, const BurninUnit& unit) {
  const BurninMeasure& measure = *readings.measure;
  const bool slower = finding.worse >= 0;
  const std::string_view word =
      measure.better == BurninBetter::higher ? (slower ? "less" : "more") : (slower ? "longer" : "shorter");
  const double sign = slower ? 1 : -1;
  const double low = sign * (slower ? finding.worse_low : finding.worse_high),
               high = sign * (slower ? finding.worse_high : finding.worse_low);
  std::string subject(measure.what);
  if (!unit.part.empty()) subject += ", " + unit.part;
  const std::string than = finding.of_reference ? "than in the reference, less the fleet's change"
                                                : fmt::format("than the middle of its {} peers", finding.peers);
  const std::string visits = unit.fresh.empty() ? fmt::format("{} visits", unit.base.size())
                                                : fmt::format("{} visits beside good nodes", unit.fresh.size());
  return fmt::format("{}: {} {} {} (95 % interval {} to {}, {})", subject, burnin_percent(sign * finding.worse), word,
                     than, burnin_percent(low), burnin_percent(high), visits);
}

}  // namespace grit
