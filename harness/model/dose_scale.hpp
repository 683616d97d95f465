// Where a dose stands between the two ends of a search, and how exactly a dose is known.
#pragma once

namespace grit {

/// What the interval of a threshold claims to hold it with.
constexpr double kThresholdConfidence = 0.90;

struct DoseInterval {
  double low = 0, high = 0;  // doses
};

/// Doses between `from` and `to`, with the place 0 at the end without harm and 1 at the other.
struct DoseScale {
  double from = 1, to = 10;  // from < to; above 0 unless linear
  bool linear = false;
  bool harm_grows = true;  // with the dose
  bool whole = false;      // only whole numbers are doses
  [[nodiscard]] double place_of(double dose) const;
  [[nodiscard]] double dose_at(double place) const;
  /// The same to three significant digits, and a whole number where it must be one.
  [[nodiscard]] double round_dose_at(double place) const;
  /// Is the interval as narrow as `resolution` asks? In equal ratios: its middle is within this fraction of both ends,
  /// (1 + resolution)^2 >= high / low. Linear: it is no wider than this fraction of the range. Of whole numbers it
  /// is always enough that its ends, rounded, are neighbours.
  [[nodiscard]] bool is_within(const DoseInterval& interval, double resolution) const;
  /// How wide such an interval is, in places.
  [[nodiscard]] double width_of(double resolution) const;
};

}  // namespace grit
