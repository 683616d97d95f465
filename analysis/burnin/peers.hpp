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
  double tails = 0;     // degrees of freedom of the Student t whose tails theirs are no heavier than
  std::size_t count = 0;
};

/// What is known beforehand of how nodes of one class differ.
struct BurninSpread {
  double size = 0;         // one standard deviation, of logarithms
  bool is_stated = false;  // by the config, which claims with it that tails are no heavier than kStatedTails
};
constexpr double kStatedTails = 8;
constexpr double kUnseenTails = 2;  // so heavy that their variance is infinite: a choice, to be on the safe side

/// Robust location and scale of units' middles. Fewer than 30: Qn with its factors for few values (P. J. Rousseeuw and
/// C. Croux, JASA 88, 1993; C. Croux and P. J. Rousseeuw, Computational Statistics 1, 1992), else the median absolute
/// deviation; moderated by `spread` as if four more had been seen with it. `error2`:
/// variance of a unit's middle by measurement.
BurninPeers peers_of(std::vector<double> middles, double error2, const BurninSpread& spread);
/// Nobody else is there: what is known beforehand alone.
BurninPeers no_peers(const BurninSpread& spread);

/// The same for each unit; of fewer than 30 without the unit itself.
std::vector<BurninPeers> peers_of_each(const std::vector<BurninUnit>& units, const BurninSpread& spread);

/// How many of so many peers are expected to be so far from their middle and further, if they differ as a normal
/// distribution of the bulk's scale. Heavier tails would expect more: who is cleared by that goes live.
double expected_as_far(const BurninPeers& peers, double from_middle, std::size_t units);

/// That one of the peers is as far from their middle as what is estimated to be there, with this variance: Student's t
/// with tails as heavy as `peers.tails`.
double chance_of_peers(const BurninPeers& peers, double worse, double error2, double error_degrees);

/// Of each value the chance that a healthy fleet of so many has a gap like that between it and all that are less far
/// from the middle; 1: there is none. `from_middle`: of the whole fleet, values below 0 are on the better side.
///
/// Y_1 >= Y_2 >= ... are the values above 0, and D_i = i log(Y_i / Y_i+1). Under a power law these are independent
/// exponentials with one mean, whatever the law's index and scale (A. Renyi, Acta Math. Hung. 4, 1953; B. M. Hill, Ann.
/// Stat. 3, 1975). So D_k over the mean of the next m = ceil(sqrt(n) / 2) of them exceeds G with the probability
/// (1 + G/m)^-m: F with 2 and 2m degrees of freedom, exactly. Where the logarithm of Y has a hazard that grows
/// (M. Lariviere, Oper. Res. 54, 2006: normal, exponential, Weibull, lognormal, Student's t of any degrees), the
/// probability is smaller: log Y_i is a concave function of exponential order statistics, which makes D_k smaller and
/// the others larger (as R. E. Barlow and F. Proschan, Ann. Math. Stat. 37, 1966). Of k = 1 .. n/20 gaps each has the
/// weight 1/(k(k+1)), so that all are one statement.
///
/// Step-down: what lies above the outermost gap whose chance is at most `level` is taken out and the rest numbered
/// anew, until n/20 are out or there is none; the chance of a value is the largest so far, and 1 of those that stay. A
/// gap must be the widest so far, as a logarithm: then what lies above it is one group, and not some bad ones with a
/// healthy one that is far out by itself. So several bad ones do not hide each other, nor is a healthy one taken along.
/// `resolution`: values are known to so much on each side; each gap is taken for as small as that allows, and those
/// below it for as large.
std::vector<double> gap_chances(const std::vector<double>& from_middle, double level, double resolution = 0);
/// Fewer values show no gap.
constexpr std::size_t kFewestForGaps = 200;

/// A mean of fresh differences, outliers limited: those further from their median than four times the middle distance
/// are drawn in to that, if they are a fifth of all or fewer; of more, none is. Its variance is moderated by the units'
/// (G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 3, 2004): as if kNoiseWeight more visits had been seen that differ as
/// those of the middle unit do.
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
