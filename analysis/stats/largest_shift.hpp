// Which of many candidates shifted between two groups of runs, when one of them must be the luckiest?
//
// Of every candidate (a rank, a machine's counter) there is one value a run. Its shift is the mean of the new runs less
// that of the old ones, and its ratio that shift over its standard error:
//   - The noise is the candidate's own spread between runs. With few runs some candidates' spread is small by chance,
//   so
//     the median spread of all of its kind is added to it (V. G. Tusher, R. Tibshirani and G. Chu, Significance
//     analysis of microarrays, PNAS 98, 2001).
//   - The largest of these ratios over all candidates is held against the same maximum when the runs are divided
//   between
//     the two groups in other ways, so that thousands of candidates are no more likely to give a name than two
//     (P. H. Westfall and S. S. Young, Resampling-based multiple testing, 1993: single-step max T). At least 3 + 3 runs
//     are needed for a p of 0.05.
//   - Runs in which candidates wander cannot be exchanged: the real ratios are divided by what the candidates'
//     autocorrelation makes of them (analysis/stats/autocorrelation.hpp).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace grit {

/// Candidates of one kind: spreads of the same unit, and autocorrelation alike.
struct CandidateKind {
  std::size_t independent = 1;  // so many of them vary for themselves: nodes, where ranks of one vary together
};

class LargestShift {
 public:
  /// `values` by candidate and run, the old runs first; above 0 is what is looked for. `kind_of` by candidate.
  /// `places`: of all runs, in order of time, where they are in `values`.
  LargestShift(std::vector<std::vector<double>> values, std::vector<std::size_t> kind_of,
               std::span<const CandidateKind> kinds, std::size_t old_runs, std::span<const std::size_t> places);

  [[nodiscard]] double of(std::size_t candidate) const { return shifts_[candidate]; }
  /// Shift over standard error; 0 for a shift below 0.
  [[nodiscard]] double ratio(std::size_t candidate) const;
  /// That some candidate stands out as much by chance.
  [[nodiscard]] double p(std::size_t candidate) const;
  /// By how much its ratio was divided because it wanders from run to run. 1 where the runs came by turns.
  [[nodiscard]] double inflation(std::size_t candidate) const { return inflation_[kind_of_[candidate]]; }
  /// What the shift may be at most, at the level 0.05 for all candidates. Infinite when there are too few runs.
  [[nodiscard]] double at_most(std::size_t candidate) const;

 private:
  [[nodiscard]] double shift_of(std::size_t candidate, std::span<const std::size_t> old_places) const;
  [[nodiscard]] double error_of(double squares, std::size_t lost) const;
  [[nodiscard]] double error(std::size_t candidate, double shift) const;
  [[nodiscard]] double ratio_of(std::size_t candidate, double shift) const;
  [[nodiscard]] double largest_ratio(std::span<const std::size_t> old_places) const;
  void set_usual_errors();
  void set_inflations(std::span<const CandidateKind> kinds, std::span<const std::size_t> places);

  std::vector<std::vector<double>> values_;
  std::vector<std::size_t> kind_of_;
  std::size_t old_, new_;
  std::vector<double> totals_{}, squares_{};  // by candidate: sum, and sum of squares about the mean, over all runs
  std::vector<double> shifts_{};
  std::vector<double> usual_error_{};  // by kind
  std::vector<double> inflation_{};    // by kind
  std::vector<double> largest_{};      // the largest ratio of any candidate, by division, descending
};

}  // namespace grit
