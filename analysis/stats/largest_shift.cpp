#include "analysis/stats/largest_shift.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "analysis/stats/autocorrelation.hpp"
#include "analysis/stats/median.hpp"
#include "analysis/stats/two_samples.hpp"
#include "harness/base/result.hpp"

namespace grit {
namespace {

constexpr double kAlpha = 0.05;
constexpr std::size_t kMostDivisions = 2000;  // a p of 0.05 is then known to 0.005 (one standard error)

}  // namespace

LargestShift::LargestShift(std::vector<std::vector<double>> values, std::vector<std::size_t> kind_of,
                           std::span<const CandidateKind> kinds, std::size_t old_runs,
                           std::span<const std::size_t> places)
    : values_(std::move(values)), kind_of_(std::move(kind_of)), old_(old_runs), new_(places.size() - old_runs) {
  GRIT_ASSERT(old_ > 0 && new_ > 0 && kind_of_.size() == values_.size());
  for (const std::vector<double>& one : values_) {
    GRIT_ASSERT(one.size() == places.size());
    totals_.push_back(std::accumulate(one.begin(), one.end(), 0.0));
    const double mean = totals_.back() / static_cast<double>(one.size());
    double squares = 0;
    for (const double value : one) squares += (value - mean) * (value - mean);
    squares_.push_back(squares);
  }
  usual_error_.resize(kinds.size());
  set_usual_errors();
  set_inflations(kinds, places);
  std::vector<std::size_t> real(old_);
  std::iota(real.begin(), real.end(), std::size_t{0});
  for (std::size_t i = 0; i < values_.size(); ++i) shifts_.push_back(shift_of(i, real));
  double real_largest = 0;
  for (std::size_t i = 0; i < values_.size(); ++i) real_largest = std::max(real_largest, ratio(i));
  largest_.push_back(real_largest);
  if (old_ + new_ > 2)
    each_other_division(old_, new_, kMostDivisions,
                        [&](const auto& old_places) { largest_.push_back(largest_ratio(old_places)); });
  std::sort(largest_.begin(), largest_.end(), std::greater<>());
}

double LargestShift::ratio(std::size_t candidate) const {
  return ratio_of(candidate, shifts_[candidate]) / inflation(candidate);
}

double LargestShift::p(std::size_t candidate) const {
  const auto as_large = std::upper_bound(largest_.begin(), largest_.end(), ratio(candidate), std::greater<>());
  return static_cast<double>(as_large - largest_.begin()) / static_cast<double>(largest_.size());
}

double LargestShift::at_most(std::size_t candidate) const {
  const auto as_large_by_chance = static_cast<std::size_t>(kAlpha * static_cast<double>(largest_.size()));
  if (as_large_by_chance < 1) return HUGE_VAL;
  return shifts_[candidate] +
         largest_[as_large_by_chance] * inflation(candidate) * error(candidate, shifts_[candidate]);
}

double LargestShift::shift_of(std::size_t candidate, std::span<const std::size_t> old_places) const {
  double old_sum = 0;
  for (const std::size_t place : old_places) old_sum += values_[candidate][place];
  return (totals_[candidate] - old_sum) / static_cast<double>(new_) - old_sum / static_cast<double>(old_);
}

/// Standard error of a difference of means with these squares, `lost` degrees of freedom less than there are runs.
double LargestShift::error_of(double squares, std::size_t lost) const {
  const auto old_runs = static_cast<double>(old_), new_runs = static_cast<double>(new_);
  const double freedom = std::max(1.0, old_runs + new_runs - static_cast<double>(lost));
  return std::sqrt(std::max(0.0, squares) / freedom * (1 / old_runs + 1 / new_runs));
}

double LargestShift::error(std::size_t candidate, double shift) const {
  const auto old_runs = static_cast<double>(old_), new_runs = static_cast<double>(new_);
  const double between = shift * shift * old_runs * new_runs / (old_runs + new_runs);
  return error_of(squares_[candidate] - between, 2) + usual_error_[kind_of_[candidate]];
}

double LargestShift::ratio_of(std::size_t candidate, double shift) const {
  if (shift <= 0) return 0;
  const double noise = error(candidate, shift);
  return noise > 0 ? shift / noise : HUGE_VAL;
}

double LargestShift::largest_ratio(std::span<const std::size_t> old_places) const {
  double largest = 0;
  for (std::size_t i = 0; i < values_.size(); ++i) largest = std::max(largest, ratio_of(i, shift_of(i, old_places)));
  return largest;
}

/// Over all runs, whichever side they are of: the same for every division.
void LargestShift::set_usual_errors() {
  for (std::size_t kind = 0; kind < usual_error_.size(); ++kind) {
    std::vector<double> errors;
    for (std::size_t i = 0; i < values_.size(); ++i)
      if (kind_of_[i] == kind) errors.push_back(error_of(squares_[i], 1));
    if (!errors.empty()) usual_error_[kind] = median(std::move(errors));
  }
}

void LargestShift::set_inflations(std::span<const CandidateKind> kinds, std::span<const std::size_t> places) {
  std::vector<std::size_t> sides;
  for (const std::size_t place : places) sides.push_back(place < old_ ? 0 : 1);
  const Wandering wandering(sides);
  std::vector<Residuals> by_kind(kinds.size());
  std::vector<double> in_time(places.size());
  for (std::size_t i = 0; i < values_.size(); ++i) {
    for (std::size_t k = 0; k < places.size(); ++k) in_time[k] = values_[i][places[k]];
    by_kind[kind_of_[i]] += residuals(in_time, sides);
  }
  for (std::size_t kind = 0; kind < kinds.size(); ++kind)
    inflation_.push_back(wandering.inflation_of(by_kind[kind].autocorrelation(), kinds[kind].independent));
}

}  // namespace grit
