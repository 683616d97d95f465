// How often what a scorecard says of simulated checks is so, and how often it would be if it were counted wrongly.
#pragma once

#include <vector>

#include "analysis/score/false_alarms.hpp"
#include "analysis/score/recall.hpp"
#include "analysis/stats/proportions.hpp"
#include "tests/unit/analysis/simulated_scorecards.hpp"

namespace grit::testing {

/// Mistakes that one could make in counting.
enum class CountingMistake {
  none,
  readings,     // the unit is a reading in the damage, and not an injection
  on_at_onset,  // an alarm that was on before has found it
  wall_time,    // exposed also while an alarm is on
  guard_time,   // healthy as soon as the damage is over
  uncorrected   // of all tests each is made at 5 %
};

/// Of one check.
struct LawCoverage {
  int recall = 0;        // scorecards whose interval of the recall holds it, in the cell that was chosen before
  int false_alarms = 0;  // and whose interval of the rate does
  int medians = 0, with_median = 0;
  int credited = 0;  // in that cell
  int bursts = 0;    // were said
};

struct ScoreCoverage {
  int scorecards = 0;
  int false_credits = 0;  // scorecards in which a check that knows nothing is credited for something
  std::vector<LawCoverage> laws = std::vector<LawCoverage>(law_truths().size());
};

/// An interval of 95 % that holds so seldom is none: 0.975 sure.
inline bool covers_too_seldom(int covered, int of) { return share_at_most(covered, of, 0.025) < 0.95; }
/// What is claimed to be so in 5 % at most is so more often, as sure.
inline bool claims_too_often(int wrong, int of) { return share_at_least(wrong, of, 0.025) > 0.05; }

inline std::vector<Recall> counted_recalls(const ScoreInput& input, const Detections& detections,
                                           CountingMistake mistake) {
  constexpr int kReadingsInDamage = 7;
  std::vector<Recall> all = recalls(input, detections);
  for (Recall& one : all) {
    if (mistake == CountingMistake::readings)
      one.interval = clopper_pearson(kReadingsInDamage * one.found, kReadingsInDamage * one.of);
    if (mistake == CountingMistake::on_at_onset)
      one.interval = clopper_pearson(std::min(one.found + one.on_at_onset, one.of), one.of);
    if (mistake == CountingMistake::uncorrected)
      one.credited = fisher_more(one.found, one.of, one.shams_fired, one.shams) <= kCreditAlpha;
  }
  return all;
}

inline std::vector<FalseAlarms> counted_alarms(ScoreInput input, const Alarms& alarms, const Detections& detections,
                                               CountingMistake mistake) {
  if (mistake == CountingMistake::guard_time)
    for (ScoredCheck& check : input.checks) check.grace_ns = 0;
  std::vector<FalseAlarms> all = false_alarms(input, alarms, detections);
  for (FalseAlarms& one : all)
    if (mistake == CountingMistake::wall_time && one.readable_h > 0)
      one.interval = {garwood(one.episodes).low / one.readable_h, garwood(one.episodes).high / one.readable_h};
  return all;
}

inline void count_scorecard(ScoreCoverage& coverage, const ScoreInput& input,
                            CountingMistake mistake = CountingMistake::none) {
  const Alarms alarms(input, AlarmFrom::warning);
  const Detections detections = detect(input, alarms, alarms);
  const std::vector<Recall> recalls = counted_recalls(input, detections, mistake);
  const std::vector<FalseAlarms> false_alarms = counted_alarms(input, alarms, detections, mistake);
  const auto truths = law_truths();
  bool false_credit = false;
  for (std::size_t check = 0; check < truths.size(); ++check) {
    LawCoverage& law = coverage.laws[check];
    for (std::size_t cell = 0; cell < kLawCells; ++cell)
      false_credit |= truths[check].chance_only && recalls[check * kLawCells + cell].credited;
    const Recall& recall = recalls[check * kLawCells + kLawCell];
    const double truth = law_recall(truths[check].law, kLawCell);
    law.recall += recall.interval.low <= truth && truth <= recall.interval.high ? 1 : 0;
    law.credited += recall.credited ? 1 : 0;
    const FalseAlarms& of_check = false_alarms[check];
    law.bursts += of_check.bursts ? 1 : 0;
    if (truths[check].false_alarms_per_hour)
      law.false_alarms += of_check.interval.low <= *truths[check].false_alarms_per_hour &&
                                  *truths[check].false_alarms_per_hour <= of_check.interval.high
                              ? 1
                              : 0;
    if (truths[check].median_s && recall.to_detection.interval) {
      ++law.with_median;
      law.medians += recall.to_detection.interval->low <= *truths[check].median_s * 1e9 &&
                             *truths[check].median_s * 1e9 <= recall.to_detection.interval->high
                         ? 1
                         : 0;
    }
  }
  coverage.false_credits += false_credit ? 1 : 0;
  ++coverage.scorecards;
}

/// The same seed gives the same scorecards.
inline ScoreCoverage cover_scorecards(int scorecards, std::uint64_t seed,
                                      CountingMistake mistake = CountingMistake::none) {
  ScorecardSimulator simulator(seed);
  ScoreCoverage coverage;
  for (int i = 0; i < scorecards; ++i) count_scorecard(coverage, simulator.make(), mistake);
  return coverage;
}

/// What is wrong with it, one line each; empty: nothing is shown to be.
inline std::vector<std::string> problems(const ScoreCoverage& coverage) {
  std::vector<std::string> found;
  const auto truths = law_truths();
  for (std::size_t check = 0; check < truths.size(); ++check) {
    const LawCoverage& law = coverage.laws[check];
    if (truths[check].in_bursts) continue;  // the scorecard says so itself
    if (covers_too_seldom(law.recall, coverage.scorecards)) found.push_back(truths[check].name + ": recall");
    if (truths[check].false_alarms_per_hour && covers_too_seldom(law.false_alarms, coverage.scorecards))
      found.push_back(truths[check].name + ": false alarms");
    if (truths[check].median_s && covers_too_seldom(law.medians, law.with_median))
      found.push_back(truths[check].name + ": time to detection");
  }
  if (claims_too_often(coverage.false_credits, coverage.scorecards)) found.emplace_back("false credits");
  return found;
}

}  // namespace grit::testing
