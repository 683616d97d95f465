// From where on: the places at which a series changed, found without a model of it.
//
// E-divisive: D. S. Matteson and N. A. James, A nonparametric approach for multiple change point analysis of
// multivariate data, JASA 109 (2014). The energy distance between two neighbouring stretches (with exponent 1) is
// largest at a change; the best place of all is kept when a permutation test within the stretches found so far says
// that chance seldom does as well, and its stretch is divided there; then the same again. The test takes the values of
// a stretch to be exchangeable. A series that wanders (each value near the one before) is not, and has changes in that
// sense wherever one looks. So the same search is made once more in what is left of the series when the expected share
// of the value before is taken off each (G. E. P. Box and G. M. Jenkins, Time Series Analysis, 1970: prewhitening; the
// first value as in S. J. Prais and C. B. Winsten, Cowles Commission paper 383, 1954). Its autocorrelation is estimated
// about the changes found (analysis/stats/autocorrelation.hpp); they were chosen to leave little of it, so that one
// standard error is added for each. A change that is not found again, one place more or less, cannot be
// told from wandering.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace grit {

struct ChangePoint {
  std::size_t first = 0;       // place of the first value after the change
  double p = 1;                // of the permutation test that kept it
  double shift = 0;            // median of the stretch after it less that of the stretch before it
  double autocorrelation = 0;  // of the series about its changes, as it was allowed for
  bool wandering = false;      // cannot be told from a series that wanders: no change is shown
  double spread = 0;  // of the values about the median of their stretch, both together: 1.48 times the median of the
                      // absolute deviations, which is the standard deviation of normal values
};

struct ChangePointOptions {
  double alpha = 0.05;       // a series without any change has one shown with about this probability at most, up to an
                             // autocorrelation of 0.5 (bench_calibration)
  std::size_t shortest = 3;  // values in a stretch: with 3, no level shift of a single value is taken for a change
  std::uint64_t seed = 1;    // of the permutations
};

/// In order of place, with those that cannot be told from wandering. Time grows with the square of the number of
/// values, by a few hundred permutations: 3,000 values take some seconds. Below 2 * shortest values there is none; and
/// below 8, none at the level 0.05 (of the divisions of eight values in halves, 2 in 70 are as good as the best).
std::vector<ChangePoint> change_points(std::span<const double> values, const ChangePointOptions& options = {});

/// The newest values of a series are too few for a stretch of their own.
struct Newest {
  std::size_t count = 0;
  double shift = 0;       // their mean less that of the values before them
  double half_width = 0;  // of the prediction interval of `shift`, if nothing changed; infinite for too few before them
};

/// For the newest 1, 2 ... `most` values, in this order, those before them being one stretch: Student's t prediction
/// interval of the mean of so many further values (G. J. Hahn and W. Q. Meeker, Statistical Intervals, 1991, 4.8), at
/// alpha / most each, so that without a change some `shift` lies outside with probability alpha at most; widened for
/// values that wander (analysis/stats/autocorrelation.hpp).
/// With heavy tails (Student's t with 3 degrees of freedom, 8 to 30 values) kNewestAlpha is outside in 4.8 % at most.
constexpr double kNewestAlpha = 0.02;
std::vector<Newest> compare_newest(std::span<const double> stretch, std::size_t most, double alpha);

/// Fewest values among which a change can be shown at the level 0.05.
constexpr std::size_t kFewestForChange = 8;

}  // namespace grit
