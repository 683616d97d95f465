// Whether what a scorecard says is so, in simulated ones. More of them: tests/bench/score_calibration.cpp.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "analysis/score/scorecard.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/score_coverage.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

constexpr std::uint64_t kSeed = 20261129;
constexpr int kScorecards = 100;

std::string problems_with(CountingMistake mistake, int scorecards = 40) {
  return fmt::format("{}", fmt::join(problems(cover_scorecards(scorecards, kSeed, mistake)), "; "));
}

}  // namespace

TEST_CASE("intervals of simulated scorecards hold the truth as often as they say, and nobody is credited for chance",
          "[statistics]") {
  const ScoreCoverage coverage = cover_scorecards(kScorecards, kSeed);
  const auto truths = law_truths();
  for (std::size_t check = 0; check < truths.size(); ++check)
    WARN(fmt::format("{}: recall {}, false alarms {}, median {} of {}, credited {}, bursts {}", truths[check].name,
                     coverage.laws[check].recall, coverage.laws[check].false_alarms, coverage.laws[check].medians,
                     coverage.laws[check].with_median, coverage.laws[check].credited, coverage.laws[check].bursts));
  CHECK(fmt::format("{}", fmt::join(problems(coverage), "; ")) == "");
  CHECK(coverage.laws.back().false_alarms < kScorecards * 9 / 10);  // in bursts, which is said
  CHECK(coverage.laws.back().bursts == kScorecards);
  CHECK(coverage.laws[0].with_median == kScorecards);
  for (const std::size_t sees : {0U, 1U, 2U, 8U}) CHECK(coverage.laws[sees].credited == kScorecards);
}

TEST_CASE("scorecards that are counted wrongly are found out", "[statistics]") {
  using Catch::Matchers::Contains;
  CHECK_THAT(problems_with(CountingMistake::readings), Contains("sees each with 50 %: recall"));
  CHECK_THAT(problems_with(CountingMistake::on_at_onset), Contains("always alarms: recall"));
  CHECK_THAT(problems_with(CountingMistake::wall_time), Contains("alarms in 5 % of readings: false alarms"));
  CHECK_THAT(problems_with(CountingMistake::guard_time), Contains("stays on: false alarms"));
  CHECK_THAT(problems_with(CountingMistake::uncorrected, kScorecards), Contains("false credits"));
}

TEST_CASE("a whole scorecard of simulated checks says of each what it is") {
  const Scorecard card = score(ScorecardSimulator(kSeed, 6).make());
  CHECK(card.rounds == 6);
  CHECK(card.injections == 36);
  CHECK(card.shams == 36);
  const auto check = [](CheckLaw law) { return static_cast<std::size_t>(law); };
  const Recall& perfect = card.recall(check(CheckLaw::perfect), 0);
  CHECK(perfect.found == 6);
  CHECK(perfect.credited);
  CHECK(card.recall(check(CheckLaw::always_on), 0).found == 0);
  CHECK(card.recall(check(CheckLaw::always_on), 0).on_at_onset == 6);
  CHECK(card.false_alarms[check(CheckLaw::always_on)].always_on());
  CHECK(card.recall(check(CheckLaw::hangs), 0).unreadable == 6);
  CHECK(card.recall(check(CheckLaw::crashes), 0).found == 0);
  CHECK(card.recall(check(CheckLaw::crashes), 0).unreadable < 6);
  CHECK(card.false_alarms[check(CheckLaw::crashes)].episodes == 0);
  CHECK_FALSE(card.recall(check(CheckLaw::random), 0).credited);
  CHECK(card.false_alarms[check(CheckLaw::slow_and_sticky)].episodes == 0);
  REQUIRE_FALSE(card.cover.steps.empty());
  CHECK(card.cover.steps.front().recall == Approx(1));
  CHECK(card.cover.enough == 1);
  REQUIRE(card.cover.held_out);
  CHECK(card.cover.held_out->found == 36);
}
