// What a scorecard counts, by hand.
#include <algorithm>

#include "analysis/score/demand.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/score_fixture.hpp"

using namespace grit;
using Catch::Matchers::WithinRel;
using grit::testing::ns;
using grit::testing::ScoreMaker;
using grit::testing::slower_by;

namespace {

/// What the only check made of the only slot.
Detection detected(ScoreMaker& maker, AlarmFrom from = AlarmFrom::warning, std::size_t slot = 0) {
  const ScoreInput& input = maker.input();
  return detect(input, Alarms(input, from), Alarms(input, AlarmFrom::warning)).front()[slot];
}

ScoreMaker one_injection(double* onset = nullptr) {
  ScoreMaker maker({"check"}, {"link_down"});
  maker.begins_well();
  const double at = maker.slot(0);
  if (onset != nullptr) *onset = at;
  return maker;
}

FalseAlarms false_alarms_of(ScoreMaker& maker) {
  const ScoreInput& input = maker.input();
  const Alarms alarms(input, AlarmFrom::warning);
  return false_alarms(input, alarms, detect(input, alarms, alarms)).front();
}

}  // namespace

TEST_CASE("found: an alarm begins after the onset and before the grace is over") {
  const auto at = [](double after_onset_s) {
    double onset = 0;
    ScoreMaker maker = one_injection(&onset);
    maker.alarms(onset + after_onset_s, onset + after_onset_s + 1);
    return detected(maker);
  };
  CHECK_FALSE(at(0).found);  // a reading that ended with the onset
  CHECK(at(0).on_at_onset);
  CHECK(at(0.001).found);
  CHECK(at(0.001).after_ns == ns(0.001));
  CHECK(at(5).found);  // 2 s of damage and 3 s of grace
  CHECK_FALSE(at(5.001).found);
  CHECK(at(5.001).late);
  CHECK(at(5.001).watched_ns == ns(5));
}

TEST_CASE("what the next injection trips is nothing that a slot before it found") {
  ScoreMaker maker({"check"}, {"link_down"});
  maker.begins_well();
  maker.slot(0, true);
  const double onset = maker.slot(0, false, 1, 1);
  maker.input().checks[0].grace_ns = ns(ScoreMaker::kSlot);  // reaches over it
  maker.alarms(onset + 0.1, onset + 1, 0, 0).alarms(onset + 0.1, onset + 1, 0, 1);
  CHECK_FALSE(detected(maker, AlarmFrom::warning, 0).found);
  CHECK_FALSE(detected(maker, AlarmFrom::warning, 0).elsewhere);
  CHECK(detected(maker, AlarmFrom::warning, 0).watched_ns == ns(ScoreMaker::kSlot));
  CHECK(detected(maker, AlarmFrom::warning, 1).found);
}

TEST_CASE("an alarm that was on before and stays on finds nothing, one that comes again does") {
  double onset = 0;
  ScoreMaker stays = one_injection(&onset);
  stays.alarms(onset - 1, onset + 10);
  CHECK_FALSE(detected(stays).found);
  CHECK(detected(stays).on_at_onset);
  ScoreMaker again = one_injection();
  again.alarms(onset - 1, onset + 1).alarms(onset + 2, onset + 3);
  CHECK(detected(again).found);
  CHECK(detected(again).on_at_onset);
  CHECK(detected(again).after_ns == ns(2));
}

TEST_CASE("an alarm that could not be read for a while is still the same one") {
  double onset = 0;
  ScoreMaker maker = one_injection(&onset);
  maker.says(onset - 2, CheckStatus::critical).says(onset - 1, CheckStatus::unknown);
  maker.says(onset + 1, CheckStatus::critical);
  CHECK_FALSE(detected(maker).found);
  ScoreMaker well = one_injection();
  well.says(onset - 1, CheckStatus::unknown).says(onset + 1, CheckStatus::critical);
  CHECK(detected(well).found);
}

TEST_CASE("a check's first reading is no edge: nobody can tell since when") {
  ScoreMaker maker({"check"}, {"link_down"});
  const double onset = maker.slot(0);
  maker.says(onset + 1, CheckStatus::critical);
  CHECK_FALSE(detected(maker).found);
  // A subject that is named for the first time when it is ill is another thing.
  ScoreMaker named({"check"}, {"link_down"});
  named.slot(0);
  named.says(1, CheckStatus::ok, 0, 0, "").says(onset + 1, CheckStatus::critical, 0, 0, "eth1");
  CHECK(detected(named).found);
}

TEST_CASE("unknown is never an alarm, and a check that cannot be read is said to be so") {
  double onset = 0;
  ScoreMaker maker({"check"}, {"link_down"});
  onset = maker.slot(0);
  maker.says(0.5, CheckStatus::unknown, 0, 0, "");
  CHECK_FALSE(detected(maker).found);
  CHECK(detected(maker).unreadable);
  maker.says(onset + 2, CheckStatus::ok, 0, 0, "");
  CHECK_FALSE(detected(maker).unreadable);
}

TEST_CASE("a warning is an alarm unless only what is critical is") {
  double onset = 0;
  ScoreMaker maker = one_injection(&onset);
  maker.says(onset + 1, CheckStatus::warning).says(onset + 2, CheckStatus::ok);
  CHECK(detected(maker).found);
  CHECK_FALSE(detected(maker, AlarmFrom::critical).found);
  CHECK(detected(maker, AlarmFrom::critical).warned);
  maker.says(onset + 2.5, CheckStatus::warning).says(onset + 3, CheckStatus::critical);
  CHECK(detected(maker, AlarmFrom::critical).after_ns == ns(3));
}

TEST_CASE("the right subject, the right node, and elsewhere") {
  double onset = 0;
  ScoreMaker wrong = one_injection(&onset);
  wrong.alarms(onset + 1, onset + 2, 0, 0, "eth7");
  CHECK(detected(wrong).found);
  CHECK_FALSE(detected(wrong).subject_right);
  CHECK(detected(wrong).node_right);
  wrong.alarms(onset + 2, onset + 3);
  CHECK(detected(wrong).subject_right);
  const auto other_first = [&](double ahead_s) {
    ScoreMaker maker = one_injection();
    maker.alarms(onset + 2 - ahead_s, onset + 4, 0, 1).alarms(onset + 2, onset + 4, 0, 0);
    return detected(maker).node_right;
  };
  CHECK(other_first(-1));
  CHECK(other_first(1));  // within a period: together
  CHECK_FALSE(other_first(1.1));
  ScoreMaker elsewhere = one_injection();
  elsewhere.alarms(onset + 1, onset + 2, 0, 1);
  CHECK_FALSE(detected(elsewhere).found);
  CHECK(detected(elsewhere).elsewhere);
}

TEST_CASE("a node whose checks ended is watched no longer than that") {
  double onset = 0;
  ScoreMaker maker = one_injection(&onset);
  maker.node_ends(0, onset + 1.5);
  CHECK(detected(maker).watched_ns == ns(1.5));
}

TEST_CASE("injections that were not proven count nowhere") {
  ScoreMaker maker({"check"}, {"link_down"});
  maker.begins_well();
  const double first = maker.slot(0);
  const double second = maker.slot(0);
  maker.alarms(first + 1, first + 2).alarms(second + 1, second + 2);
  maker.input().slots[1].unproven = "never acted";
  const Scorecard card = score(maker.input());
  CHECK(card.recall(0, 0).found == 1);
  CHECK(card.recall(0, 0).of == 1);
  CHECK(card.cells[0].injections == 1);
  CHECK(unproven_count(card.cells[0]) == 1);
  CHECK(card.false_alarms[0].episodes == 0);  // and who knows what it did
}

TEST_CASE("healthy time, exposure and alarms in it, to the nanosecond") {
  ScoreMaker maker({"check"}, {"link_down"}, 1);
  maker.begins_well();
  const double first = maker.slot(0), sham = maker.slot(0, true);
  // Not healthy: the first two periods (0 .. 2 s), and from the onset to the end + grace + a period (4 .. 10 s).
  const ScoreInput& input = maker.input();
  const auto healthy = healthy_spans(input, 0, ns(1));
  REQUIRE(healthy.size() == 2);
  CHECK(healthy[0].from_ns == ns(2));
  CHECK(healthy[0].until_ns == ns(4));
  CHECK(healthy[1].from_ns == ns(10));
  CHECK(healthy[1].until_ns == ns(40));
  maker.alarms(first + 1, 11);       // an alarm of the injection, which stays on for 1 s of healthy time
  maker.alarms(sham + 1, sham + 3);  // 2 s, an episode, in the sham
  maker.says(30, CheckStatus::unknown).says(33, CheckStatus::ok);
  maker.alarms(35, 36, 0, 0, "eth1").alarms(35.5, 36.5);  // one episode of two subjects, 1.5 s
  const FalseAlarms alarms = false_alarms_of(maker);
  CHECK(alarms.episodes == 2);
  CHECK(alarms.exposure_h * 3600 == Approx(2 + 30 - 1 - 2 - 3 - 1.5));
  CHECK(alarms.on_share == Approx(4.5 / 29));
  CHECK(alarms.on_stretches == 3);
  CHECK(alarms.shams == 1);
  CHECK(alarms.shams_fired == 1);
  CHECK_THAT(alarms.interval.low * alarms.exposure_h, WithinRel(0.2422, 1e-3));
  CHECK_THAT(alarms.interval.high * alarms.exposure_h, WithinRel(7.225, 1e-3));
}

TEST_CASE("a check that is always on has hardly any exposure, and is said to be always on") {
  ScoreMaker maker({"check"}, {"link_down"}, 1);
  maker.slot(0), maker.slot(0, true);
  maker.says(0.5, CheckStatus::critical);
  const FalseAlarms alarms = false_alarms_of(maker);
  CHECK(alarms.episodes == 0);
  CHECK(alarms.exposure_h == 0);
  CHECK(std::isinf(alarms.interval.high));
  CHECK(alarms.on_share == 1);
  CHECK(alarms.always_on());
}

TEST_CASE("a check that cannot be read has no exposure") {
  ScoreMaker maker({"check"}, {"link_down"}, 1);
  maker.slot(0);
  maker.says(0.5, CheckStatus::unknown, 0, 0, "");
  const FalseAlarms alarms = false_alarms_of(maker);
  CHECK(alarms.exposure_h == 0);
  CHECK(alarms.readable_h == 0);
  CHECK_FALSE(alarms.always_on());
}

TEST_CASE("bursts are told, since the interval is too narrow for them") {
  ScoreMaker maker({"check"}, {"link_down"}, 1);
  maker.begins_well();
  for (int slot = 0; slot < 20; ++slot) {
    const double onset = maker.slot(0, true);
    for (int i = 0; slot % 10 == 3 && i < 5; ++i) maker.alarms(onset + 2 * i, onset + 2 * i + 1);
  }
  const FalseAlarms alarms = false_alarms_of(maker);
  CHECK(alarms.episodes == 10);
  CHECK(alarms.bursts);
  CHECK(alarms.slots == 20);
  CHECK(alarms.slots_alarmed == 2);
}

TEST_CASE("alarms that stay on for long come no more in bursts than short ones") {
  ScoreMaker maker({"check"}, {"link_down"}, 1);
  maker.begins_well();
  for (int slot = 0; slot < 40; ++slot) {
    const double onset = maker.slot(0, true);
    if (slot % 4 == 1) maker.alarms(onset - ScoreMaker::kOnset + 0.2, onset + 15);
  }
  const FalseAlarms alarms = false_alarms_of(maker);
  CHECK(alarms.episodes == 10);
  CHECK_FALSE(alarms.bursts);
}

TEST_CASE("credit is for more than chance: a check that also fires in shams has none") {
  ScoreMaker maker({"sees", "random"}, {"link_down"});
  maker.begins_well();
  for (int i = 0; i < 10; ++i) {
    const double onset = maker.slot(0), sham = maker.slot(0, true);
    maker.alarms(onset + 1, onset + 2, 0);
    if (i < 8) maker.alarms(onset + 1, onset + 2, 1).alarms(sham + 1, sham + 2, 1);
  }
  const Scorecard card = score(maker.input());
  CHECK(card.recall(0, 0).credited);
  CHECK(card.recall(1, 0).found == 8);
  CHECK_FALSE(card.recall(1, 0).credited);
  CHECK(card.recall(1, 0).p > 0.5);
  CHECK(card.cells[0].credited == std::vector<int>{0});
  CHECK(card.cells[0].by_chance == std::vector<int>{1});
  CHECK_THAT(card.recall(0, 0).interval.low, WithinRel(0.6915, 1e-3));
}

TEST_CASE("credit is corrected over all checks and all kinds of damage") {
  for (const int kinds : {1, 20}) {
    ScoreMaker maker({"check"}, std::vector<std::string>(static_cast<std::size_t>(kinds), "link_down"), 1);
    maker.begins_well();
    for (int cell = 0; cell < kinds; ++cell)
      for (int i = 0; i < 2; ++i)
        if (const double onset = maker.slot(cell); cell == 0) maker.alarms(onset + 1, onset + 2);
    for (int i = 0; i < 8; ++i) maker.slot(0, true);
    const Scorecard card = score(maker.input());
    CHECK(card.recall(0, 0).p == Approx(kinds / 45.0));  // 2 of 2 and 0 of 8: 1 of 10 over 2
    CHECK(card.recall(0, 0).credited == (kinds == 1));
  }
}

TEST_CASE("shams that were watched for less are put together until they make up as much") {
  const auto after = [](const std::vector<int>& fire, double shorter_s) {
    ScoreMaker maker({"check"}, {"link_down"}, 1);
    maker.begins_well();
    for (int i = 0; i < 6; ++i) {
      const double onset = maker.slot(0), sham = maker.slot(0, true);
      maker.alarms(onset + 1, onset + 2);
      if (std::find(fire.begin(), fire.end(), i) != fire.end()) maker.alarms(sham + 0.5, sham + 1);
    }
    for (ScoreSlot& slot : maker.input().slots)
      if (slot.sham) slot.end_ns -= ns(shorter_s);
    const Scorecard card = score(maker.input());
    return std::pair(card.recall(0, 0).shams_fired, card.recall(0, 0).shams);
  };
  CHECK(after({0, 1, 4}, 0) == std::pair(3, 6));
  CHECK(after({0, 1, 4}, 0.4) == std::pair(3, 6));  // 4.6 s are as good as 5 s
  CHECK(after({0, 1, 4}, 2) == std::pair(2, 3));    // two of 3 s are one
  CHECK(after({}, 2) == std::pair(0, 3));
}

TEST_CASE("time to detection counts those that were missed") {
  ScoreMaker maker({"check"}, {"link_down"}, 1);
  maker.begins_well();
  for (int i = 0; i < 10; ++i) {
    const double onset = maker.slot(0);
    if (i < 7) maker.alarms(onset + 0.5 + 0.1 * i, onset + 3);
  }
  const Scorecard card = score(maker.input());
  const Recall& recall = card.recall(0, 0);
  REQUIRE(recall.to_detection.median);
  CHECK(*recall.to_detection.median == Approx(0.9e9));
  CHECK(*recall.median_of_found_ns == Approx(0.8e9));
  REQUIRE(recall.to_detection.interval);
  CHECK(recall.to_detection.interval->low == Approx(0.6e9));
  CHECK(std::isinf(recall.to_detection.interval->high));
}

TEST_CASE("which fire together, who is first, and who says the same") {
  ScoreMaker maker({"a", "never", "b", "half"}, {"link_down"}, 1);
  maker.begins_well();
  for (int i = 0; i < 12; ++i) {
    const double onset = maker.slot(0);
    maker.alarms(onset + 1, onset + 2, 0).alarms(onset + 1.5, onset + 2, 2);
    if (i % 2 == 0) maker.alarms(onset + 3, onset + 4, 3);
  }
  const double sham = maker.slot(0, true);
  maker.alarms(sham + 1, sham + 2, 0);  // nothing was done: it does not count
  const Scorecard card = score(maker.input());
  const CoFiring& co_firing = card.co_firing;
  CHECK(co_firing.pairs[0][3].both == 6);
  CHECK(co_firing.pairs[0][3].of == 12);
  CHECK(co_firing.pairs[3][0].both == 6);
  CHECK(co_firing.pairs[3][0].of == 6);
  CHECK(*co_firing.pairs[0][2].lag_ns == Approx(0.5e9));
  CHECK(*co_firing.pairs[3][0].lag_ns == Approx(-2e9));
  CHECK_FALSE(co_firing.pairs[1][0].lag_ns);
  CHECK(co_firing.order == std::vector<int>{0, 2, 3, 1});
  CHECK(co_firing.say_the_same == std::vector<std::pair<int, int>>{{0, 2}});
}

TEST_CASE(
    "the smallest set takes what adds most, then what alarms less, and its recall is counted where it was not chosen") {
  ScoreMaker maker({"noisy", "quiet", "other", "always"}, {"link_down", "link_loss", "clock_skew"}, 1);
  maker.begins_well().says(1, CheckStatus::critical, 3);
  for (int round = 0; round < 8; ++round) {
    for (int cell = 0; cell < 3; ++cell) {
      const double onset = maker.slot(cell, false, 0, round);
      if (cell < 1) maker.alarms(onset + 1, onset + 2, 0).alarms(onset + 1, onset + 2, 1);
      if (cell == 1 && round < 6) maker.alarms(onset + 1, onset + 2, 2);
      maker.slot(cell, true, 0, round);
    }
    maker.alarms(round * 120.0 + 35, round * 120.0 + 36, 0);  // a false one, long after
  }
  const Scorecard card = score(maker.input());
  REQUIRE(card.cover.steps.size() == 2);
  CHECK(card.cover.steps[0].check == 1);
  CHECK(card.cover.steps[0].recall == Approx(1.0 / 3));
  CHECK(card.cover.steps[1].check == 2);
  CHECK(card.cover.steps[1].recall == Approx(1.0 / 3 + 0.75 / 3));
  CHECK(card.cover.steps[1].false_alarms.episodes == 0);
  CHECK(card.cover.enough == 2);
  REQUIRE(card.cover.held_out);
  CHECK(card.cover.held_out->found == 14);
  CHECK(card.cover.held_out->of == 24);
  CHECK(card.cover.held_out->sets == std::vector<std::vector<int>>{{1, 2}});
  CHECK(card.false_alarms[0].episodes == 8);
}

TEST_CASE("a set is not counted on the rounds that chose it") {
  ScoreMaker maker({"check"}, {"link_down"}, 1);
  maker.begins_well();
  for (int round = 0; round < 12; ++round) {
    const double onset = maker.slot(0, false, 0, round);
    maker.slot(0, true, 0, round);
    if (round % 2 == 0) maker.alarms(onset + 1, onset + 2);
  }
  const Scorecard card = score(maker.input());
  REQUIRE(card.recall(0, 0).credited);
  REQUIRE(card.cover.held_out);
  CHECK(card.cover.held_out->found == 0);  // nothing was chosen on the odd rounds, and it finds nothing in them
  CHECK(card.cover.held_out->of == 12);
  CHECK(card.cover.held_out->sets.size() == 2);
}

TEST_CASE("a set of checks as one alarms when any of them does, and is exposed while none is on") {
  ScoreMaker maker({"a", "b"}, {"link_down"}, 1);
  maker.begins_well();
  maker.slot(0, true);
  maker.alarms(5, 7, 0).alarms(6, 9, 1).alarms(12, 13, 1);
  const ScoreInput& input = maker.input();
  const FalseAlarms alarms = false_alarms_of_any(input, Alarms(input, AlarmFrom::warning), {0, 1});
  CHECK(alarms.episodes == 2);
  CHECK(alarms.exposure_h * 3600 == Approx(18 - 4 - 1));
}

TEST_CASE("missed is what was proven, harmed, and nobody is credited for, the costliest first") {
  ScoreMaker maker({"check"}, {"seen", "small", "large", "harmless", "seldom"}, 1);
  maker.begins_well();
  for (int round = 0; round < 8; ++round)
    for (int cell = 0; cell < 5; ++cell) {
      if (cell == 4 && round > 3) continue;
      const double onset = maker.slot(cell, false, 0, round);
      maker.slot(cell, true, 0, round);
      if (cell == 0) maker.alarms(onset + 1, onset + 2);
    }
  auto& cells = maker.input().cells;
  cells[0].step_times = slower_by(0.5), cells[1].step_times = slower_by(0.1), cells[2].step_times = slower_by(0.3);
  cells[3].step_times = slower_by(-0.001), cells[4].step_times = slower_by(0.9);
  const Scorecard card = score(maker.input());
  CHECK(card.missed == std::vector<int>{2, 1});
  CHECK(card.cells[2].noticed == 0);
  CHECK_THAT(card.cells[2].noticed_interval.high, WithinRel(0.3694, 1e-3));
  CHECK(card.cells[0].found == 8);
  CHECK_FALSE(card.cells[3].harmful);
}

TEST_CASE("what was noticed too often to be missed, and too seldom for credit, is neither") {
  // Eight checks and four kinds are 32 questions: 5 of 6 against none of 6 shams (p = 0.0076) is no credit.
  const auto after = [](int found, int injections, int shams_fired = 0) {
    ScoreMaker maker(std::vector<std::string>(8, "check"), std::vector<std::string>(4, "link_down"), 1);
    maker.begins_well();
    for (int i = 0; i < injections; ++i) {
      const double onset = maker.slot(0), sham = maker.slot(0, true);
      if (i < found) maker.alarms(onset + 1, onset + 2);
      if (i < shams_fired) maker.alarms(sham + 1, sham + 2);
    }
    maker.input().cells[0].step_times = slower_by(0.3);
    return score(maker.input());
  };
  const Scorecard nearly_all = after(5, 6);
  CHECK(nearly_all.recall(0, 0).p == Approx(32 * 6 / 792.0));
  CHECK(nearly_all.recall(0, 0).p_alone == Approx(6 / 792.0));
  CHECK(nearly_all.cells[0].credited.empty());
  CHECK(nearly_all.cells[0].noticed == 5);
  CHECK(nearly_all.missed.empty());
  CHECK(after(0, 6).missed == std::vector<int>{0});
  CHECK(after(0, 5).missed.empty());  // up to 52 % may be noticed
  CHECK(after(1, 10).missed == std::vector<int>{0});
  CHECK(after(2, 10).missed.empty());
  // A check that shams trip as well: what it finds beyond that may be no chance, and what is no more than that is.
  CHECK(after(6, 6, 1).cells[0].noticed == 6);
  CHECK(after(6, 6, 1).missed.empty());
  CHECK(after(3, 6, 3).cells[0].noticed == 0);
  CHECK(after(3, 6, 3).missed == std::vector<int>{0});
}

TEST_CASE("the size from which on it is found stands beside the size from which on it hurts") {
  ScoreMaker maker({"check"}, {}, 1);
  maker.begins_well();
  for (const double dose : {1.0, 2.0, 4.0, 8.0}) {
    DamageCell& cell = maker.input().cells.emplace_back();
    cell.fault = "link_delay", cell.unit = "s", cell.dose = dose;
    cell.step_times = slower_by(dose == 8 ? 0.4 : 0.001);
  }
  for (int round = 0; round < 30; ++round)
    for (int cell = 0; cell < 4; ++cell) {
      const double onset = maker.slot(cell, false, 0, round);
      if (round % 3 == 0) maker.slot(cell, true, 0, round);
      if (cell >= 2) maker.alarms(onset + 1, onset + 2);
    }
  const Scorecard card = score(maker.input());
  REQUIRE(card.series.size() == 1);
  REQUIRE(card.series[0].hurts_from);
  CHECK(*card.series[0].hurts_from > 4);
  CHECK_FALSE(card.series[0].hurts_at_least);
  REQUIRE(card.visibilities.size() == 1);
  CHECK(card.visibilities[0].demonstrated.found_from == 4);
  CHECK(card.visibilities[0].before_it_hurts == true);
  CHECK(card.visibilities[0].curve.why_not.find("somewhere between") != std::string::npos);
  for (DamageCell& cell : maker.input().cells) cell.step_times = slower_by(0.1 * *cell.dose);
  CHECK(score(maker.input()).series[0].hurts_from == 1);  // the smallest that was tried hurts
  CHECK(score(maker.input()).series[0].hurts_at_least);
  CHECK(score(maker.input()).visibilities[0].before_it_hurts == false);
  // One that scatters so much that it shows nothing does not say from where on it hurts, however long its steps were.
  std::vector<PairTimes>& least = maker.input().cells[0].step_times;
  for (std::size_t pair = 0; pair < least.size(); ++pair)
    least[pair].fault_mean_ns = least[pair].baseline_mean_ns * (pair % 2 == 0 ? 3 : 0.5);
  const DoseSeries after = score(maker.input()).series[0];
  REQUIRE(after.hurts_from);
  CHECK(*after.hurts_from > 1);
  CHECK_FALSE(after.hurts_at_least);
}

TEST_CASE("where all doses that were tried hurt, nothing is said to be found before it hurts") {
  const auto after = [](double harm_of_least) {
    ScoreMaker maker({"check"}, {}, 1);
    maker.begins_well();
    for (const double dose : {1.0, 2.0, 4.0}) {
      DamageCell& cell = maker.input().cells.emplace_back();
      cell.fault = "link_delay", cell.unit = "s", cell.dose = dose;
      cell.step_times = slower_by(dose == 1 ? harm_of_least : 0.4);
    }
    for (int round = 0; round < 30; ++round)
      for (int cell = 0; cell < 3; ++cell) {
        const double onset = maker.slot(cell, false, 0, round);
        if (round % 3 == 0) maker.slot(cell, true, 0, round);
        maker.alarms(onset + 1, onset + 2);
      }
    return score(maker.input());
  };
  const Scorecard all_hurt = after(0.2);
  CHECK(all_hurt.series.at(0).hurts_at_least);
  CHECK(all_hurt.visibilities.at(0).demonstrated.found_from == 1);
  CHECK_FALSE(all_hurt.visibilities.at(0).before_it_hurts.has_value());
  const Scorecard least_is_harmless = after(0.001);
  CHECK_FALSE(least_is_harmless.series.at(0).hurts_at_least);
  CHECK(least_is_harmless.visibilities.at(0).before_it_hurts == true);
}

TEST_CASE("doses of one fault are compared only where everything else about it is alike") {
  ScoreMaker maker({"check"}, {});
  const auto add = [&](double dose, const char* besides) {
    DamageCell& cell = maker.input().cells.emplace_back();
    cell.fault = "link_loss", cell.unit = "share", cell.dose = dose, cell.besides = besides;
  };
  add(0.01, "direction in"), add(0.1, "direction out"), add(0.1, "direction in"), add(0.5, "direction both");
  const auto series = dose_series(maker.input());
  REQUIRE(series.size() == 1);
  CHECK(series[0].cells == std::vector<int>{0, 2});
  CHECK(series[0].besides == "direction in");
}

TEST_CASE("a demand is met, not met, or cannot be told yet") {
  CHECK(shown_by(0.9) == "29 of 29, 45 of 46, 59 of 61, 73 of 76, 85 of 89");
  const auto after = [](int injections, int found, bool harmful = true) {
    ScoreMaker maker({"check"}, {"link_down"}, 1);
    maker.begins_well();
    for (int i = 0; i < injections; ++i) {
      const double onset = maker.slot(0);
      maker.slot(0, true);
      if (i < found) maker.alarms(onset + 1, onset + 2);
    }
    if (harmful) maker.input().cells[0].step_times = slower_by(0.2);
    return demand_recall(maker.input(), score(maker.input()), 0.9);
  };
  CHECK(after(29, 29).decision == DemandDecision::met);
  CHECK(after(28, 28).decision == DemandDecision::cannot_tell);
  CHECK(after(28, 28).text.find("29 of 29, 45 of 46") != std::string::npos);
  CHECK(after(20, 13).decision == DemandDecision::not_met);
  CHECK(after(20, 0).decision == DemandDecision::not_met);                              // harmful, and nobody noticed
  CHECK(after(10, 2).text.find("noticed 2 of 10, at most 51 %") != std::string::npos);  // not credited, but quiet
  CHECK(after(20, 0, false).decision == DemandDecision::cannot_tell);
  CHECK(after(20, 0, false).text.find("no damage was proven") != std::string::npos);
}

TEST_CASE("a demand that is met says of how many kinds of damage it is, and how many were not done") {
  ScoreMaker maker({"check"}, {"link_down", "harmless"}, 1);
  maker.begins_well();
  for (int i = 0; i < 29; ++i) {
    const double onset = maker.slot(0);
    maker.alarms(onset + 1, onset + 2);
    maker.slot(1), maker.slot(0, true);
  }
  maker.input().not_run = {{"irq", "not run here", "no interrupts"}, {"gpu", "not run here", "no GPU"}};
  const DemandResult result = demand_recall(maker.input(), score(maker.input()), 0.9);
  CHECK(result.decision == DemandDecision::met);
  CHECK(
      result.text ==
      "each kind of damage that harmed or was found (1 of them) is found in 90 % or more, with 95 % confidence; kinds "
      "that were not done: 2, that never acted: 0");
}

TEST_CASE("a demand on false alarms") {
  ScoreMaker maker({"check", "on"}, {"link_down"}, 1);
  maker.begins_well();
  for (int i = 0; i < 9; ++i) maker.slot(0, true);  // 178 s without any: up to 60.6 an hour
  const auto most = [&](double per_hour) {
    return demand_false_alarms(maker.input(), score(maker.input()), per_hour).decision;
  };
  CHECK(most(61) == DemandDecision::met);
  CHECK(most(60) == DemandDecision::cannot_tell);
  maker.says(3, CheckStatus::critical, 1);
  CHECK(most(61) == DemandDecision::not_met);
}
