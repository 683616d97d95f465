// What a fault costs: the paired design.
//
// Per pair d = log(step time of the fault block) - log(that of the baseline block), once for the mean and once for the
// median step time of a block: a stall of one step in a hundred moves only the mean, a small slowdown under heavy noise
// shows in the median first. Effects are exp(d) - 1: 0.10 is 10 % slower. The estimate is Hodges-Lehmann's, p and
// interval are those of the exact sign-flip test.
//
// Two statistics mean two chances to be wrong. Holm's step-down (S. Holm, Scand. J. Statist. 6, 1979) multiplies the
// smaller p by two; for an interval that always agrees with p the first step is applied to both (Bonferroni): p is
// min(1, 2 p), each interval is at 97.5 %, and BOTH cover the truth together in at least 95 % of runs. Whichever is
// then read, or both, "95 % CI" holds. With six pairs no interval at 97.5 % exists (the smallest p is 2/2^6 = 0.031):
// there the mean alone is tested, at 95 %, which is settled before any data are seen. Westfall and Young's max-T (1993)
// would test both together, but leaves no interval for either.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "harness/model/verdict.hpp"

namespace grit {

/// What is measured of the two blocks of one pair, all above 0. Of p99 and steps a second 0: not measured.
struct PairTimes {
  int pair = 0;  // Block::pair
  double baseline_mean_ns = 0;
  double baseline_median_ns = 0;
  double fault_mean_ns = 0;
  double fault_median_ns = 0;
  double baseline_p99_ns = 0;
  double fault_p99_ns = 0;
  double baseline_steps_per_s = 0;
  double fault_steps_per_s = 0;
};

constexpr double kFamilyAlpha = 0.05;

/// Fewer pairs cannot show anything at the 5 % level, shared between the looks: 2/2^5 = 0.0625. 6 for one look, 7 for
/// three.
int fewest_pairs(int looks = 1);

/// The mean's effect and, where the test over so many pairs can reach half the level (from seven pairs on, with three
/// looks from eight), the median's. Empty below fewest_pairs().
///
/// minimum_detectable: the smallest slowdown that this design would show with 80 % power,
///   exp(h + z_0.80 sqrt(s^2/n + h^2/(2(n-1)))) - 1
/// with h the half width of the interval and s the standard deviation of d: critical value plus z of the power times
/// the standard error (H. S. Bloom, Minimum detectable effects, Evaluation Review 19, 1995), where the half width is
/// this test's own critical value and, being estimated from n pairs, has an error of its own (the normal approximation
/// of noncentral t, N. L. Johnson and B. L. Welch, Biometrika 31, 1940). s is not a robust one, on purpose: neither is
/// the test, and an odd pair does cost it power.
///
/// A run that looks several times (looks_of()) may be wrong at each: every look has an equal part of the 5 %
/// (Bonferroni; O. J. Dunn, JASA 56, 1961), so that all its intervals cover together, whenever it stops and for
/// whatever reason. Its `alpha` is kFamilyAlpha / looks; p is multiplied by the number of looks. Sequential plans that
/// spend less early (P. C. O'Brien and T. R. Fleming, Biometrics 35, 1979) need a level at the first look that the
/// exact test over 8 pairs cannot reach.
std::vector<Effect> paired_effects(std::span<const PairTimes> pairs, int looks = 1);

/// The effect on the 99th percentile step time, and on steps a second (0.10: 10 % more of them). Each is a statement of
/// its own, made only where a scenario expects something of it, at the 5 % level shared between the looks alone. Empty
/// below fewest_pairs(), or when a pair lacks it.
std::optional<Effect> p99_effect(std::span<const PairTimes> pairs, int looks = 1);
std::optional<Effect> throughput_effect(std::span<const PairTimes> pairs, int looks = 1);

/// The effect to name first. The mean, since that is what a job pays; the median when only the median's interval
/// excludes 0. Needs at least one effect.
const Effect& leading_effect(std::span<const Effect> effects);

/// exp(Hodges-Lehmann) - 1 of the mean step times, for a word on what is known when there are too few pairs. Needs at
/// least one pair.
double estimate_only(std::span<const PairTimes> pairs);

}  // namespace grit
