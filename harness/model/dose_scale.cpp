#include "harness/model/dose_scale.hpp"

#include <algorithm>
#include <cmath>

namespace grit {

double DoseScale::place_of(double dose) const {
  const double place = linear ? (dose - from) / (to - from) : std::log(dose / from) / std::log(to / from);
  return harm_grows ? place : 1 - place;
}

double DoseScale::dose_at(double place) const {
  const double along = harm_grows ? place : 1 - place;
  return linear ? from + along * (to - from) : from * std::pow(to / from, along);
}

double DoseScale::round_dose_at(double place) const {
  const double dose = dose_at(place);
  if (dose <= from || dose >= to || dose == 0) return std::clamp(dose, from, to);
  const double unit = std::pow(10.0, std::floor(std::log10(dose)) - 2);
  const double rounded = unit >= 1 ? std::round(dose / unit) * unit : std::round(dose / unit) / std::round(1 / unit);
  return std::clamp(whole ? std::round(rounded) : rounded, from, to);
}

bool DoseScale::is_within(const DoseInterval& interval, double resolution) const {
  if (whole && std::round(interval.high) - std::round(interval.low) <= 1) return true;
  if (linear) return interval.high - interval.low <= resolution * (to - from);
  return interval.low > 0 && interval.high <= interval.low * (1 + resolution) * (1 + resolution);
}

double DoseScale::width_of(double resolution) const {
  const double asked = linear ? resolution : 2 * std::log1p(resolution) / std::log(to / from);
  const double one = !whole   ? 0
                     : linear ? 1 / (to - from)
                              : std::log(to / std::max(to - 1, from)) / std::log(to / from);
  return std::clamp(std::max(asked, one), 1e-4, 1.0);
}

}  // namespace grit
