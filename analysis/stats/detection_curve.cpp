#include "analysis/stats/detection_curve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "analysis/stats/proportions.hpp"

namespace grit {
namespace {

constexpr double kChiSquare90 = 2.705543;  // one degree of freedom: one-sided 5 %
constexpr int kFewestDoses = 3;
constexpr int kFewestTrials = 40;
constexpr int kCurvePoints = 49;

void sort_by_harm(const DoseScale& scale, std::vector<DoseHits>& hits) {
  std::erase_if(hits, [](const DoseHits& one) { return one.of <= 0; });
  std::sort(hits.begin(), hits.end(),
            [&](const DoseHits& a, const DoseHits& b) { return scale.place_of(a.dose) < scale.place_of(b.dose); });
}

/// The hits at `at` and at as many neighbours on one side as make up kDemonstrationTrials.
DoseHits pooled(const std::vector<DoseHits>& hits, std::size_t at, int direction) {
  DoseHits pool{hits[at].dose, 0, 0};
  for (auto i = static_cast<std::ptrdiff_t>(at);
       i >= 0 && i < static_cast<std::ptrdiff_t>(hits.size()) && pool.of < kDemonstrationTrials; i += direction) {
    pool.found += hits[static_cast<std::size_t>(i)].found;
    pool.of += hits[static_cast<std::size_t>(i)].of;
  }
  return pool;
}

/// Where a function of one number is largest: the best of a grid, then by the golden section about it.
double place_of_largest(const std::function<double(double)>& value, double low, double high, int grid) {
  const double width = (high - low) / grid;
  double best = low, most = -std::numeric_limits<double>::infinity();
  for (int i = 0; i <= grid; ++i) {
    const double at = low + width * i, here = value(at);
    if (here > most) most = here, best = at;
  }
  constexpr double kGolden = 0.6180339887;
  double from = std::max(low, best - width), to = std::min(high, best + width);
  double a = to - kGolden * (to - from), b = from + kGolden * (to - from), at_a = value(a), at_b = value(b);
  for (int i = 0; i < 40; ++i) {
    if (at_a > at_b) {
      to = b, b = a, at_b = at_a, a = to - kGolden * (to - from), at_a = value(a);
    } else {
      from = a, a = b, at_a = at_b, b = from + kGolden * (to - from), at_b = value(b);
    }
  }
  return (from + to) / 2;
}

/// chance + (1 - chance) / (1 + exp(-(height + slope * place))), place 0 .. 1.
struct Logistic {
  double height = 0, slope = 0;
};

class CurveFit {
 public:
  CurveFit(const DoseScale& scale, const std::vector<DoseHits>& hits, double chance)
      : scale_(scale), hits_(hits), chance_(chance) {
    const auto with_bend = [&](double bend) { return likelihood(largest_with_slope(slope_of(bend))); };
    best_ = largest_with_slope(slope_of(place_of_largest(with_bend, -kMostBend, kMostBend, 48)));
    most_ = likelihood(best_);
  }

  [[nodiscard]] double chance_at(double place) const { return chance_at(best_, place); }

  /// Penalised likelihood ratio test of "the slope is 0 or less", 5 %.
  [[nodiscard]] bool grows() const {
    return best_.slope > 0 && 2 * (most_ - likelihood(largest_with_slope(0))) > kChiSquare90;
  }

  /// The place at which the curve passes a share; empty: nowhere in the range.
  [[nodiscard]] std::optional<double> place_of(double share) const {
    if (share <= chance_ || best_.slope <= 0) return std::nullopt;
    const double place = (height_of(share) - best_.height) / best_.slope;
    return place < 0 || place > 1 ? std::nullopt : std::optional(place);
  }

  /// Up to where, in this direction from the estimate, the place of kFoundShare may be; empty: beyond the range.
  [[nodiscard]] std::optional<double> end_of(double estimate, double outermost) const {
    if (allowed(outermost)) return std::nullopt;
    double in = estimate, out = outermost;
    for (int i = 0; i < 30; ++i) {
      const double middle = (in + out) / 2;
      (allowed(middle) ? in : out) = middle;
    }
    return in;
  }

  /// Pearson's goodness of fit over the doses.
  [[nodiscard]] double p_of_fit() const {
    double sum = 0;
    for (const DoseHits& hit : hits_) {
      const double p = chance_at(scale_.place_of(hit.dose)), expected = p * hit.of;
      sum += (hit.found - expected) * (hit.found - expected) / std::max(expected * (1 - p), 1e-9);
    }
    return chi_square_above(sum, static_cast<int>(hits_.size()) - 2);
  }

 private:
  // Slopes are searched in equal ratios, on both sides of 0: up to one that rises within a hundredth of the range.
  static constexpr double kMostBend = 7;
  static double slope_of(double bend) { return std::sinh(bend); }

  [[nodiscard]] double chance_at(const Logistic& curve, double place) const {
    return chance_ + (1 - chance_) / (1 + std::exp(-(curve.height + curve.slope * place)));
  }

  /// The height over which the curve has this share.
  [[nodiscard]] double height_of(double share) const {
    const double above = (share - chance_) / (1 - chance_);
    return std::log(above / (1 - above));
  }

  /// With Jeffreys' penalty: half the logarithm of the determinant of Fisher's information.
  [[nodiscard]] double likelihood(const Logistic& curve) const {
    double sum = 0, a = 0, b = 0, c = 0;
    for (const DoseHits& hit : hits_) {
      const double place = scale_.place_of(hit.dose), height = curve.height + curve.slope * place;
      const double above = 1 / (1 + std::exp(-height)), below = 1 / (1 + std::exp(height));
      const double p = chance_ + (1 - chance_) * above, q = (1 - chance_) * below;
      if (hit.found > 0) sum += hit.found * std::log(std::max(p, 1e-300));
      if (hit.found < hit.of) sum += (hit.of - hit.found) * std::log(std::max(q, 1e-300));
      const double change = (1 - chance_) * above * below;
      const double weight = hit.of * change * change / std::max(p * q, 1e-300);
      a += weight, b += weight * place, c += weight * place * place;
    }
    return sum + 0.5 * std::log(std::max(a * c - b * b, 1e-300));
  }

  /// The best curve of a slope: one whose middle is in the range, or not far from it.
  [[nodiscard]] Logistic largest_with_slope(double slope) const {
    const double margin = 12 + std::abs(slope) / 2;
    const double height = place_of_largest(
        [&](double at) {
          return likelihood({at - slope / 2, slope});
        },
        -margin, margin, 32);
    return {height - slope / 2, slope};
  }

  /// Could the curve pass kFoundShare at this place?
  [[nodiscard]] bool allowed(double place) const {
    const auto with_bend = [&](double bend) {
      return likelihood({height_of(kFoundShare) - slope_of(bend) * place, slope_of(bend)});
    };
    return 2 * (most_ - with_bend(place_of_largest(with_bend, 0, kMostBend, 48))) <= kChiSquare90;
  }

  const DoseScale& scale_;
  const std::vector<DoseHits>& hits_;
  double chance_;
  Logistic best_{};
  double most_ = 0;
};

/// Why there can be no curve at all; empty: there can.
std::string why_no_curve(const std::vector<DoseHits>& hits, double chance) {
  if (hits.size() < kFewestDoses) return fmt::format("fewer than {} doses", kFewestDoses);
  if (chance >= kFoundShare) return "it is said to be found about as often where there is nothing";
  if (std::all_of(hits.begin(), hits.end(), [](const DoseHits& one) { return one.found == 0; }))
    return "none was found";
  if (std::all_of(hits.begin(), hits.end(), [](const DoseHits& one) { return one.found == one.of; }))
    return "all were found";
  return "";
}

/// The largest missed dose is smaller than the smallest found one: the curve between them may be anything.
bool separated(const std::vector<DoseHits>& hits) {
  const auto found = std::find_if(hits.begin(), hits.end(), [](const DoseHits& one) { return one.found > 0; });
  return std::all_of(found, hits.end(), [](const DoseHits& one) { return one.found == one.of; });
}

/// Why the curve's numbers mean nothing; empty: they do.
std::string why_no_number(const std::vector<DoseHits>& hits, const CurveFit& fit) {
  int trials = 0;
  for (const DoseHits& one : hits) trials += one.of;
  if (separated(hits)) return "all larger ones were found and all smaller ones missed: it is somewhere between";
  if (!fit.grows()) return "being found does not grow with the dose";
  if (share_at_most(hits.back().found, hits.back().of, kFoundAlpha) < kFoundShare)
    return "even the largest is found less often";
  if (fit.p_of_fit() < kFoundAlpha) return "no such curve fits";
  if (trials < kFewestTrials) return fmt::format("fewer than {} trials", kFewestTrials);
  return "";
}

}  // namespace

std::optional<DemonstratedDose> demonstrated_dose(const DoseScale& scale, std::vector<DoseHits> hits) {
  sort_by_harm(scale, hits);
  if (hits.empty()) return std::nullopt;
  DemonstratedDose result;
  result.at_largest = hits.back();
  result.at_largest_low = share_at_least(hits.back().found, hits.back().of, kFoundAlpha);
  for (std::size_t i = hits.size(); i-- > 0;) {
    const DoseHits pool = pooled(hits, i, -1);
    if (share_at_least(pool.found, pool.of, kFoundAlpha) < kFoundShare) break;
    result.found_from = hits[i].dose;
  }
  for (std::size_t i = 0; i < hits.size(); ++i) {
    const DoseHits pool = pooled(hits, i, 1);
    if (share_at_most(pool.found, pool.of, kFoundAlpha) >= kFoundShare) break;
    result.missed_up_to = hits[i].dose;
  }
  return result;
}

DetectionCurve detection_curve(const DoseScale& scale, std::vector<DoseHits> hits, double chance) {
  sort_by_harm(scale, hits);
  DetectionCurve curve;
  curve.why_not = why_no_curve(hits, chance);
  if (!curve.why_not.empty()) return curve;
  const CurveFit fit(scale, hits, chance);
  for (int i = 0; i < kCurvePoints; ++i) {
    const double place = static_cast<double>(i) / (kCurvePoints - 1);
    curve.points.emplace_back(scale.dose_at(place), fit.chance_at(place));
  }
  curve.why_not = why_no_number(hits, fit);
  if (!curve.why_not.empty()) return curve;
  const auto a90 = fit.place_of(kFoundShare), a50 = fit.place_of(0.5);
  if (a50) curve.a50 = scale.dose_at(*a50);
  if (!a90) {
    curve.why_not = "it lies outside of the doses that were tried";
    return curve;
  }
  curve.a90 = scale.dose_at(*a90);
  if (const auto low = fit.end_of(*a90, 0)) curve.a90_low = scale.dose_at(*low);
  if (const auto high = fit.end_of(*a90, 1)) curve.a90_high = scale.dose_at(*high);
  return curve;
}

}  // namespace grit
