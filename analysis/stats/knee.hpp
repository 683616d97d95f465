// The dose from which an effect counts whose size is measured at every dose. Nothing is run here; the next dose is a
// function of what the doses before have shown.
//
// A response is the logarithm of a slowdown. It is flat up to the knee, rises in a straight line over the dose's scale
// (in equal ratios, or linear), and may be flat again: piecewise linear regression with breakpoints unknown, by least
// squares over a grid of them (R. E. Quandt, JASA 53, 1958; D. V. Hinkley, JASA 66, 1971). The second flat part lets a
// step-like response be one: a plain hinge through 0, 0, 5, 5 would put the knee far before the step. The threshold is
// where the fitted line passes the slowdown that counts, which is beyond the knee: a cost that is linear in the dose
// begins long before it counts. Where the response is a curve (as that cost is over equal ratios) the line is wrong
// however well its corners are known, so the interval always holds the measured doses on either side of the threshold;
// a step's may be anywhere between them. Responses are capped at kCapOfCriterion times the
// slowdown that counts, since what happens far above says nothing about where it starts. Interval: bootstrap of the
// pairs within each dose (B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, ch. 8 and 9.5), widened
// from n-1 to n pairs, with the scatter of whole trials about the fit added where it is larger than pairs explain;
// percentiles of the thresholds. What it claims against what it does: tests/bench/threshold_calibration.cpp.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "harness/model/dose_scale.hpp"

namespace grit {

/// A dose and log(time under it / time without) of each of its pairs.
struct DoseResponse {
  double dose = 0;
  std::vector<double> log_ratios{};
};

constexpr double kCapOfCriterion = 5;

struct KneeFit {
  double dose = 0;          // the threshold: from here on the slowdown is the one that counts
  DoseInterval interval{};  // of it, kThresholdConfidence; never without the measured doses on either side of it
  double knee = 0;          // the dose at which the response begins to rise, with no claim of how exactly
  double flat = 0;          // the response before the knee, log
  double rise = 0;          // by which it grows, log, to its second flat part or to the end of the range
  double knee_end = 0;      // the dose at which it is flat again, or the range's end
  int doses = 0;            // different ones
  /// Is the interval within the resolution, and are the doses enough to say so?
  [[nodiscard]] bool known(const DoseScale& scale, double resolution) const;
};

/// Needs two doses and a pair in each; what was measured twice at a dose counts as one. `criterion`: the slowdown that
/// counts, a fraction. The same data give the same figures.
KneeFit fit_knee(const DoseScale& scale, std::span<const DoseResponse> responses, double criterion);

/// Hodges-Lehmann estimate of a dose's slowdown, a fraction.
double slowdown_of(const DoseResponse& response);

/// The end of the range at which the harm is, from what both ends have shown.
bool harm_grows(const DoseResponse& at_from, const DoseResponse& at_to);

/// The dose to try next: in the widest gap between doses inside of this interval. Where whole numbers leave no gap, the
/// dose about it that was tried least; empty when each was tried kTriesAtADose times, for then more pairs are needed.
std::optional<double> next_dose(const DoseScale& scale, const DoseInterval& interval,
                                std::span<const DoseResponse> responses);

constexpr int kTriesAtADose = 3;

}  // namespace grit
