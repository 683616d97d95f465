// From which size on damage is seen, beside the size from which on it hurts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/score/recall.hpp"
#include "analysis/stats/detection_curve.hpp"

namespace grit {

/// A step that is so much longer hurts.
constexpr double kHurts = 0.05;

/// One fault by one mechanism, at all the doses that were tried: two or more, alike in everything else.
struct DoseSeries {
  std::string fault{}, mechanism{}, unit{};
  std::string besides{};  // DamageCell::besides of its cells
  DoseScale scale{};
  std::vector<int> cells{};            // in the direction of harm
  std::optional<double> hurts_from{};  // one that was tried at the least; empty: not known, or none that was tried
  bool hurts_at_least = false;         // the least harmful that was tried hurts already: it may hurt from less on
};

/// Of one check over one series.
struct Visibility {
  int check = 0;
  int series = 0;
  std::vector<DoseHits> hits{};  // in the direction of harm
  DemonstratedDose demonstrated{};
  DetectionCurve curve{};
  /// Shown to be found from a dose on that does not hurt yet; false: shown to be missed at one that does. Empty:
  /// neither is shown; the former never is where hurts_at_least.
  std::optional<bool> before_it_hurts{};
};

std::vector<DoseSeries> dose_series(const ScoreInput& input);

/// Of each check and each series in which the check is credited for something.
std::vector<Visibility> visibilities(const ScoreInput& input, const std::vector<DoseSeries>& series,
                                     const std::vector<Recall>& recalls);

}  // namespace grit
