// From where on: the dose at which an effect starts. Nothing is run here; the next dose is a function of what the doses
// before have shown.
//
// Magnitudes (fit_threshold). A response is the logarithm of a slowdown. It is flat up to the knee, rises in a straight
// line over the dose's scale (in equal ratios, or linear), and may be flat again: piecewise linear regression with
// breakpoints unknown, by least squares over a grid of them (R. E. Quandt, JASA 53, 1958; D. V. Hinkley, JASA 66,
// 1971). The second flat part lets a step-like response be one: a plain hinge through 0, 0, 5, 5 would put the knee far
// before the step. A step's knee may be anywhere between the doses around it, and the interval says so. Responses are
// capped at kCapOfCriterion times the slowdown that counts, since what happens far above says nothing about where it
// starts. Interval: bootstrap of the pairs within each dose (B. Efron and R. Tibshirani, An Introduction to the
// Bootstrap, 1993, ch. 8 and 9.5), widened from n-1 to n pairs, with the scatter of whole trials about the fit added
// where it is larger than pairs explain; 90 %, percentiles.
//
// Yes or no (NoisyBisection). Probabilistic bisection: M. Horstein, IEEE Trans. Inf. Theory 9 (1963); R. Waeber, P. I.
// Frazier and S. G. Henderson, SIAM J. Control Optim. 51 (2013); in psychophysics, with another likelihood, QUEST (A.
// B. Watson and D. G. Pelli, Percept. Psychophys. 33, 1983). The posterior of the threshold's place is kept on a grid,
// the next question is its median, and an answer is wrong with a known probability.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace grit {

/// Doses between `from` and `to`, with the place 0 at the end without harm and 1 at the other.
struct DoseScale {
  double from = 1, to = 10;  // from < to; above 0 unless linear
  bool linear = false;
  bool harm_grows = true;  // with the dose
  [[nodiscard]] double place_of(double dose) const;
  [[nodiscard]] double dose_at(double place) const;
  /// The same to three significant digits, and a whole number where it must be one.
  [[nodiscard]] double round_dose_at(double place, bool whole) const;
};

/// A dose and log(time under it / time without) of each of its pairs.
struct DoseResponse {
  double dose = 0;
  std::vector<double> log_ratios{};
};

struct DoseInterval {
  double low = 0, high = 0;  // doses
  /// Is its middle within this fraction of both ends, in ratios? (1 + resolution)^2 >= high / low.
  [[nodiscard]] bool within(double resolution) const;
};

constexpr double kCapOfCriterion = 5;
constexpr double kThresholdConfidence = 0.90;

struct ThresholdFit {
  double dose = 0;
  DoseInterval interval{};
  /// The doses measured next to where the slowdown passes the one that counts.
  DoseInterval crossing{};
  double flat = 0;      // the response before the knee, log
  double rise = 0;      // by which it grows, log, to its second flat part or to the end of the range
  double knee_end = 0;  // the dose at which it is flat again, or the range's end
  /// Are both within the resolution? The interval alone is only as good as the fit's shape: what a dose costs by itself
  /// (a flood takes CPU time) can look like the foot of a rise that goes straight on to the next dose, however far that
  /// is.
  [[nodiscard]] bool known(double resolution) const { return unknown(resolution) == nullptr; }
  /// The one that is still too wide; null: none.
  [[nodiscard]] const DoseInterval* unknown(double resolution) const {
    if (!interval.within(resolution)) return &interval;
    return crossing.within(resolution) ? nullptr : &crossing;
  }
};

/// Needs two doses and a pair in each. `criterion`: the slowdown that counts, a fraction. The same data give the same
/// figures.
ThresholdFit fit_threshold(const DoseScale& scale, std::span<const DoseResponse> responses, double criterion);

/// Hodges-Lehmann estimate of a dose's slowdown, a fraction.
double slowdown_of(const DoseResponse& response);

/// The end of the range at which the harm is, from what both ends have shown.
bool harm_grows(const DoseResponse& at_from, const DoseResponse& at_to);

/// The dose to try next, as a place: in the widest gap between doses inside of this interval.
double next_place(const DoseScale& scale, const DoseInterval& interval, std::span<const DoseResponse> responses);

/// Where does "yes" begin? At places from the threshold on the answer is yes.
class NoisyBisection {
 public:
  /// `noise`: how often an answer is wrong, above 0 and below one half.
  explicit NoisyBisection(double noise);
  void answer(double place, bool yes);
  /// The place to ask at: an end as long as the threshold may well be beyond it, else the median of what is between.
  [[nodiscard]] double next() const;
  /// Probability that there is no yes up to place 1; or no "no" from place 0 on.
  [[nodiscard]] double beyond_end() const;
  [[nodiscard]] double before_start() const;
  /// Of the threshold between the ends: a quantile of the posterior.
  [[nodiscard]] double quantile(double share) const;

 private:
  static constexpr std::size_t kCells = 1024;
  double noise_;
  std::vector<double> mass_;  // before the start, cells, beyond the end; their sum is 1
};

}  // namespace grit
