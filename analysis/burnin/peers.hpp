// One that is held against its peers: how far it is from them, and whether one of them might be as far.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace grit {

/// What is judged as one: a node, what a node sends or receives, or one direction of a link. All values are logarithms
/// of ratios to the peers; larger is worse.
struct BurninUnit {
  std::string host{}, peer{};
  std::string part{};           // "sent" or "received" of a node's links; empty: there is one part only
  std::vector<double> base{};   // by visit, less the middle of all units in that visit
  double middle = 0;            // of these
  double error2 = 0;            // variance of `middle`, of measurement alone
  std::vector<double> fresh{};  // by visit that confirms, less nodes known good beside it
  double fresh_noise = 1;       // variance of one of these, as a multiple of that of one base value
  double shared2 = 0;           // variance of what all of these have in common: the middles of the good nodes
  double of_ends = 0;           // of a link: what its ends do with others, which is taken off its values
};

/// How measurements of one unit differ: the middle unit's variance, with the number of all degrees of freedom.
struct BurninNoise {
  double variance = 0;
  double degrees = 0;  // 0: no unit has two values
};
BurninNoise noise_within(const std::vector<BurninUnit>& units);

/// How units differ from each other.
struct BurninPeers {
  double middle = 0;
  double variance = 0;  // of true middles; from 200 units on with the noise of measurement in it
  double noise2 = 0;    // as much of `variance` is noise of measurement
  double degrees = 0;   // of `variance`
  double tails = 0;     // degrees of freedom of the Student t with tails as heavy
  std::size_t count = 0;
};

/// Robust location and scale of units' middles. Fewer than 30: Qn with its factors for few values (P. J. Rousseeuw and
/// C. Croux, JASA 88, 1993; C. Croux and P. J. Rousseeuw, Computational Statistics 1, 1992), else the median absolute
/// deviation; moderated by `spread` as if four more had been seen with it. Tails: of 200 and more the heavier of the
/// better side's (q1 against q25) and the worse side's (q95 against q75: a twentieth may be bad), else those of 8
/// degrees of freedom. `error2`: variance of a unit's middle by measurement.
BurninPeers peers_of(std::vector<double> middles, double error2, double spread);

/// The same for each unit; of fewer than 30 without the unit itself.
std::vector<BurninPeers> peers_of_each(const std::vector<BurninUnit>& units, double spread);

/// Of the Student t by which a further unit is held against them.
double degrees_of(const BurninPeers& peers);

/// That one of the peers is as far from their middle as what is estimated to be there, with this variance.
double chance_of_peers(const BurninPeers& peers, double worse, double error2, double error_degrees);

/// A mean of fresh differences, outliers limited: those further from their median than four times the middle distance
/// are drawn in to that. Its variance is moderated by the units' (G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 3, 2004):
/// as if kNoiseWeight more visits had been seen that differ as those of the middle unit do.
struct BurninEstimate {
  double worse = 0;
  double error2 = 0;
  double degrees = 0;

  /// One-sided: P(as large or larger | it is `at_most`), and the bound that is passed with probability alpha.
  [[nodiscard]] double chance_of(double at_most) const;
  [[nodiscard]] double low(double alpha) const;
  [[nodiscard]] double high(double alpha) const;
};
constexpr double kNoiseWeight = 4;
/// Needs a fresh value.
BurninEstimate fresh_estimate(const BurninUnit& unit, const BurninNoise& noise);

/// P(T > t) of Student's t.
double student_t_above(double t, double degrees_of_freedom);

}  // namespace grit
