// What scorecards say of health checks against what is so, in simulated ones whose truth is known in closed form, and
// what they would say if they were counted wrongly.
//
//   usage: bench_score_calibration [scorecards, default 2000] [seed]
//
// Of each check one cell counts, chosen before, so that rows are independent trials. An interval of 95 % that held in
// 95 of 100 exactly would be seen to hold in 95 or more of 100 in 62 % of tries: so a row is wrong when its own 97.5 %
// bound is below 95 %.
#include <fmt/format.h>

#include <cstdlib>

#include "tests/bench/claims.hpp"
#include "tests/unit/analysis/score_coverage.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

void print(const ScoreCoverage& coverage) {
  fmt::print("{:34} {:24} {:24} {:24} {:10} {}\n", "check", "interval of recall", "of false alarms", "of the median",
             "credited", "bursts said");
  const auto truths = law_truths();
  const auto share = [](int count, int of, bool asked) {
    return asked ? bench::rate_text(count, of) : std::string("-");
  };
  for (std::size_t check = 0; check < truths.size(); ++check) {
    const LawCoverage& law = coverage.laws[check];
    fmt::print("{:34} {:24} {:24} {:24} {:10} {}\n", truths[check].name,
               share(law.recall, coverage.scorecards, !truths[check].in_bursts),
               share(law.false_alarms, coverage.scorecards, truths[check].false_alarms_per_hour.has_value()),
               share(law.medians, law.with_median, law.with_median > 0), law.credited, law.bursts);
  }
  fmt::print("some check that knows nothing is credited for something: {} of scorecards, 5 % are allowed\n",
             bench::rate_text(coverage.false_credits, coverage.scorecards));
}

int print_problems(const ScoreCoverage& coverage, const char* what) {
  const std::vector<std::string> found = problems(coverage);
  fmt::print("{}: {}\n", what, found.empty() ? "nothing is shown to be wrong" : "");
  for (const std::string& problem : found) fmt::print("  wrong: {}\n", problem);
  return static_cast<int>(found.size());
}

}  // namespace

int main(int argc, char** argv) {
  const int scorecards = argc > 1 ? std::atoi(argv[1]) : 2000;
  const std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 20261129;
  if (scorecards < 20) {
    fmt::print(stderr, "usage: bench_score_calibration [scorecards, at least 20] [seed]\n");
    return 64;
  }
  constexpr int kFirst = 100;
  fmt::print("the first {} scorecards of seed {}\n", std::min(kFirst, scorecards), seed);
  print(cover_scorecards(std::min(kFirst, scorecards), seed));
  fmt::print("\nall {} scorecards\n", scorecards);
  const ScoreCoverage all = cover_scorecards(scorecards, seed);
  print(all);
  const int wrong = print_problems(all, "counted as they are");
  fmt::print("\nand of {} that are counted wrongly on purpose\n", std::min(kFirst, scorecards));
  const std::pair<CountingMistake, const char*> mistakes[] = {
      {CountingMistake::readings, "readings instead of injections"},
      {CountingMistake::on_at_onset, "an alarm that was on before has found it"},
      {CountingMistake::wall_time, "exposed also while an alarm is on"},
      {CountingMistake::guard_time, "healthy as soon as the damage is over"},
      {CountingMistake::uncorrected, "each test at 5 %"}};
  int caught = 0;
  for (const auto& [mistake, name] : mistakes)
    caught += print_problems(cover_scorecards(std::min(kFirst, scorecards), seed, mistake), name) > 0 ? 1 : 0;
  return wrong == 0 && caught == static_cast<int>(std::size(mistakes)) ? 0 : 1;
}
