// A series as a function of its history: simulated trials, from the first to the verdict.
#include <fmt/format.h>

#include <cmath>
#include <functional>

#include "analysis/series/search.hpp"
#include "analysis/series/trial.hpp"
#include "analysis/verdict/verdict.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/compare_fixture.hpp"

using namespace grit;
using SearchKind = SearchSpec::Kind;

namespace {

Series series_of(SearchKind kind) {
  Series series{.scenario = "x", .faults = {"link_flap", "memory_pressure", "process_pause"}};
  series.search = SearchSpec{.kind = kind, .option = "rate", .unit = Unit::bits_per_s, .from = 1e8, .to = 1e10};
  return series;
}

/// A trial whose pairs all show nearly this slowdown.
TrialResult slowed_by(double fraction) {
  TrialResult result{.verdict = VerdictKind::reproduced, .outcome = "completed"};
  for (const double noise : {-0.004, -0.002, 0.0, 0.001, 0.002, 0.003})
    result.log_ratios.push_back(std::log1p(fraction) + noise);
  result.slowdown = fraction;
  result.ci_low = fraction - 0.01;
  result.ci_high = fraction + 0.01;
  return result;
}

TrialResult ended_as(const std::string& outcome) { return {.outcome = outcome, .sentence = "A rank died."}; }

Verdict run(Series& series, const std::function<TrialResult(const grit::Trial&)>& trial_of) {
  while (const auto request = next_trial(series)) {
    REQUIRE(series.trials.size() < 60);
    grit::Trial trial{
        .number = static_cast<int>(series.trials.size()) + 1, .dose = request->dose, .faults = request->faults};
    if (trial.dose) trial.overrides = {{series.search.option, dose_text(series.search, *trial.dose)}};
    trial.result = trial_of(trial);
    series.trials.push_back(std::move(trial));
  }
  return judge_series(series);
}

bool says(const std::string& text, const std::string& part) {
  UNSCOPED_INFO("looking for: " << part << "\nin: " << text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("magnitudes: a rate below which steps slow down is found, and which end is harmed is learnt") {
  Series series = series_of(SearchKind::magnitude);
  series.search.slowdown = 0.1;
  const Verdict verdict =
      run(series, [](const grit::Trial& trial) { return slowed_by(std::max(0.0, 8.7e8 / *trial.dose - 1)); });
  CHECK(verdict.kind == VerdictKind::reproduced);
  CHECK(says(verdict.sentence, "rate: steps slow down by 10 % or more from "));
  CHECK(says(verdict.sentence, "downwards (90 % CI "));
  CHECK(says(verdict.sentence, "; they begin to at about "));
  CHECK(says(verdict.sentence, "a sweep as fine takes "));
  const auto threshold = threshold_of(series);
  REQUIRE(threshold.has_value());
  const double tenth = 8.7e8 / 1.1;  // they begin to at 870 Mbit/s
  CHECK(threshold->dose == Approx(tenth).epsilon(0.05));
  CHECK(threshold->interval.low <= tenth);
  CHECK(threshold->interval.high >= tenth);
  REQUIRE(threshold->knee.has_value());
  CHECK(*threshold->knee == Approx(8.7e8).epsilon(0.1));
  CHECK(series.trials.size() <= 9);
  // In equal ratios, as the search goes: steps as wide as the interval, over a range of two decades.
  CHECK(threshold->sweep_trials ==
        static_cast<int>(std::ceil(std::log(100) / std::log(threshold->interval.high / threshold->interval.low))) + 1);
  const Json json = series_verdict_json(series, verdict);
  CHECK(json.at("trials").size() == series.trials.size());
  CHECK(json.at("threshold").at("found") == true);
  CHECK(json.at("threshold").at("dose") == threshold->dose);
  CHECK(json.at("threshold").at("knee") == *threshold->knee);
}

TEST_CASE("magnitudes: a threshold between two ends that was not looked for is not denied") {
  Series series = series_of(SearchKind::magnitude);
  series.search.slowdown = 0.1;
  series.search.trials = 2;
  const auto slow_below = [](const grit::Trial& trial) { return slowed_by(*trial.dose < 1e9 ? 0.5 : 0); };
  Verdict verdict = run(series, slow_below);
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK(says(verdict.sentence, "lies between 100Mbit/s and 10Gbit/s and was not narrowed down: +50 % at 100Mbit/s"));
  REQUIRE_FALSE(verdict.reasons.empty());
  CHECK(says(verdict.reasons.back(), "trials = 4"));
  series.trials.clear();
  verdict = run(series, [&](const grit::Trial& trial) {
    TrialResult result = slow_below(trial);
    result.ci_low -= 0.5, result.ci_high += 0.5;
    return result;
  });
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK(says(verdict.sentence, "cannot be told"));
}

TEST_CASE("magnitudes: trials of the same dose count together, whether the next dose is asked or the threshold") {
  for (const bool slow_first : {false, true}) {
    Series series = series_of(SearchKind::magnitude);
    series.search.slowdown = 0.1;
    const auto add = [&](double dose, double fraction) {
      series.trials.push_back({.number = static_cast<int>(series.trials.size()) + 1,
                               .overrides = {{"rate", dose_text(series.search, dose)}},
                               .dose = dose,
                               .result = slowed_by(fraction)});
    };
    add(1e10, 0), add(1e9, 0);
    add(1e8, slow_first ? 0.14 : 0), add(1e8, slow_first ? 0 : 0.14);  // 7 % together
    CHECK_FALSE(threshold_of(series)->found);
    CHECK_FALSE(next_trial(series).has_value());
  }
}

TEST_CASE("magnitudes: no threshold in the range is said after both ends") {
  Series calm = series_of(SearchKind::magnitude);
  calm.search.slowdown = 0.1;
  const Verdict none = run(calm, [](const grit::Trial&) { return slowed_by(0.02); });
  CHECK(none.kind == VerdictKind::not_reproduced);
  CHECK(says(none.sentence, "+2.0 % at 100Mbit/s, +2.0 % at 10Gbit/s"));
  CHECK(says(none.reasons.back(), "at neither end of the range: widen"));
  CHECK(calm.trials.size() == 2);
  Series slow = series_of(SearchKind::magnitude);
  slow.search.slowdown = 0.1;
  CHECK(run(slow, [](const grit::Trial&) { return slowed_by(0.5); }).kind == VerdictKind::not_reproduced);
}

TEST_CASE("magnitudes: a run that ends early ends the search, and trials without the fault do not count") {
  Series series = series_of(SearchKind::magnitude);
  const Verdict verdict = run(series, [](const grit::Trial&) { return ended_as("rank_death"); });
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK(verdict.outcome == "rank_death");
  CHECK(series.trials.size() == 1);
  Series unapplied = series_of(SearchKind::magnitude);
  CHECK(run(unapplied, [](const grit::Trial&) {
          TrialResult result = slowed_by(0.5);
          result.applied = false;
          return result;
        }).kind == VerdictKind::inconclusive);
  CHECK(unapplied.trials.size() == 2);
}

namespace {

/// Answers by what the scenario expects.
TrialResult answer(bool yes) {
  return {.verdict = yes ? VerdictKind::reproduced : VerdictKind::not_reproduced, .outcome = "completed"};
}

}  // namespace

TEST_CASE("magnitudes: harm at the other end than was said is said") {
  Series series = series_of(SearchKind::magnitude);
  series.search.slowdown = 0.1;
  series.search.harm_grows = true;
  const Verdict verdict = run(series, [](const grit::Trial& trial) { return slowed_by(*trial.dose < 1e9 ? 0.5 : 0); });
  CHECK(verdict.kind == VerdictKind::not_reproduced);
  CHECK(says(verdict.reasons.back(), R"(the harm falls with the dose, and not as harm = "grows" says)"));
}

TEST_CASE("magnitudes: whole numbers are known when they are neighbours, and are not asked again and again") {
  for (const bool linear : {false, true}) {
    Series series = series_of(SearchKind::magnitude);
    series.search = {
        .kind = SearchKind::magnitude, .option = "threads", .unit = Unit::count, .from = linear ? 0.0 : 1.0};
    series.search.to = 8;
    series.search.linear = linear;
    series.search.slowdown = 0.1;
    const Verdict verdict = run(series, [](const grit::Trial& trial) { return slowed_by(*trial.dose > 3 ? 0.4 : 0); });
    CHECK(verdict.kind == VerdictKind::reproduced);
    CHECK(series.trials.size() <= 6);
    CHECK(says(verdict.sentence, "90 % CI 3 .. 4"));
  }
}

TEST_CASE("magnitudes: where noise leaves whole numbers open, the search ends and asks for pairs") {
  Series series = series_of(SearchKind::magnitude);
  series.search = {.kind = SearchKind::magnitude, .option = "threads", .unit = Unit::count, .from = 1, .to = 4};
  series.search.slowdown = 0.1;
  series.search.trials = 50;
  const Verdict verdict = run(series, [](const grit::Trial& trial) {
    TrialResult result = slowed_by(0.11 * (*trial.dose - 1));  // a line from the first to the last
    for (std::size_t i = 0; i < result.log_ratios.size(); ++i) result.log_ratios[i] += i % 2 == 0 ? 0.2 : -0.2;
    return result;
  });
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK(series.trials.size() <= 12);
  CHECK(says(verdict.reasons.back(), "allow more pairs or longer blocks"));
}

TEST_CASE("yes or no: which end is harmed is learnt from both, and one that was said wrongly is found out") {
  Series series = series_of(SearchKind::yes_no);
  series.search.trials = 44;
  const auto below = [](const grit::Trial& trial) { return answer(*trial.dose < 9e8); };
  const Verdict verdict = run(series, below);
  CHECK(verdict.kind == VerdictKind::reproduced);
  CHECK(says(verdict.sentence, "downwards (90 % credible "));
  CHECK(threshold_of(series)->dose == Approx(9e8).epsilon(0.1));
  CHECK(*series.trials[0].dose == 1e8);
  CHECK(*series.trials[1].dose == 1e10);
  series.trials.clear();
  series.search.harm_grows = true;
  const Verdict wrong = run(series, below);
  CHECK(wrong.kind == VerdictKind::not_reproduced);
  CHECK(says(wrong.sentence, "it is so at the other end, 100Mbit/s"));
  CHECK(says(wrong.reasons.back(), "leave harm out"));
}

TEST_CASE("yes or no: never and always are told apart, with what to do") {
  for (const bool yes : {false, true}) {
    Series series = series_of(SearchKind::yes_no);
    series.search.trials = 44;
    series.search.harm_grows = true;
    const Verdict verdict = run(series, [&](const grit::Trial&) { return answer(yes); });
    CHECK(verdict.kind == VerdictKind::not_reproduced);
    CHECK(says(verdict.sentence, yes ? ": it was always so" : ": it was never so"));
    CHECK(says(verdict.reasons.back(), yes ? "lower from (100Mbit/s)" : "raise to (10Gbit/s)"));
  }
}

TEST_CASE("yes or no: a check that cannot be told is no answer") {
  Series series = series_of(SearchKind::yes_no);
  series.search.check = "link_up";
  const auto untold = [](const grit::Trial&) {
    TrialResult result = slowed_by(0);
    result.untold_checks = {"link_up on node2"};
    return result;
  };
  Verdict verdict = run(series, untold);
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK(series.trials.size() == 3);
  CHECK(says(verdict.sentence, "too few trials said yes or no"));
  REQUIRE_FALSE(verdict.reasons.empty());
  CHECK(says(verdict.reasons.front(), "cannot be told (link_up on node2)"));
  series.trials.clear();
  series.search.trials = 44;
  verdict = run(series, [](const grit::Trial& trial) {
    TrialResult result = slowed_by(0);
    result.untold_checks = {"nic_errors on node2"};  // another one does not matter
    if (*trial.dose > 2e9) result.failed_checks = {"link_up on node1"};
    return result;
  });
  CHECK(verdict.kind == VerdictKind::reproduced);
}

TEST_CASE("yes or no: a trial without the fault is no answer") {
  Series series = series_of(SearchKind::yes_no);
  series.search.outcome = "hang";
  CHECK(run(series, [](const grit::Trial&) {
          TrialResult result = slowed_by(0);
          result.applied = false;
          return result;
        }).kind == VerdictKind::inconclusive);
  CHECK(series.trials.size() == 3);
}

TEST_CASE("escalation: whole numbers are tried once each, and a check that cannot be told is not survived") {
  Series series = series_of(SearchKind::escalate);
  series.search = {.kind = SearchKind::escalate, .option = "threads", .unit = Unit::count, .from = 1, .to = 4};
  const auto calm = [](const grit::Trial&) { return slowed_by(0); };
  CHECK(run(series, calm).kind == VerdictKind::not_reproduced);
  CHECK(series.trials.size() == 4);
  CHECK(threshold_of(series)->last_alive == 4);
  series.trials.clear();
  const Verdict verdict = run(series, [](const grit::Trial& trial) {
    TrialResult result = slowed_by(0);
    if (*trial.dose > 2) result.untold_checks = {"link_up on node2"};
    return result;
  });
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK(says(verdict.sentence, "nothing was seen to fail"));
  CHECK(threshold_of(series)->last_alive == 2);
}

TEST_CASE("yes or no: wrong answers now and then do not lead astray") {
  Series series = series_of(SearchKind::yes_no);
  series.search.trials = 44;
  int asked = 0;
  const Verdict verdict = run(series, [&](const grit::Trial& trial) {
    const bool wrong = ++asked == 4 || asked == 9;
    return answer((*trial.dose >= 2e9) != wrong);
  });
  CHECK(verdict.kind == VerdictKind::reproduced);
  CHECK(threshold_of(series)->dose == Approx(2e9).epsilon(0.1));
  Series never = series_of(SearchKind::yes_no);
  never.search.outcome = "hang";
  CHECK(run(never, [](const grit::Trial&) { return slowed_by(0); }).kind == VerdictKind::not_reproduced);
  CHECK(never.trials.size() <= 8);
}

TEST_CASE("escalation: upwards only, up to the first dose that breaks something") {
  Series series = series_of(SearchKind::escalate);
  series.search.outcome = "rank_death";
  series.search.trials = 9;
  double before = 0;
  const Verdict verdict = run(series, [&](const grit::Trial& trial) {
    CHECK(*trial.dose > before);
    before = *trial.dose;
    return *trial.dose > 1.5e9 ? ended_as("rank_death") : slowed_by(0.01);
  });
  CHECK(verdict.kind == VerdictKind::reproduced);
  CHECK(verdict.outcome == "rank_death");
  CHECK(series.trials.size() == 6);
  CHECK(says(verdict.sentence, "rank_death at 1.78Gbit/s; the last rate at which everything was alive is 1Gbit/s"));
}

TEST_CASE("escalation: another outcome ends it too, and is not what was expected, and a failed check ends it") {
  Series other = series_of(SearchKind::escalate);
  other.search.outcome = "node_loss";
  CHECK(run(other, [](const grit::Trial&) { return ended_as("hang"); }).kind == VerdictKind::inconclusive);
  CHECK(other.trials.size() == 1);
  Series check = series_of(SearchKind::escalate);
  const Verdict verdict = run(check, [](const grit::Trial& trial) {
    TrialResult result = slowed_by(0);
    if (*trial.dose > 1e9) result.failed_checks = {"link_up on node2"};
    return result;
  });
  CHECK(verdict.kind == VerdictKind::reproduced);
  CHECK(says(verdict.sentence, "check link_up on node2 failed, twice at"));
  REQUIRE(check.trials.size() >= 2);
  CHECK(check.trials.back().dose == check.trials[check.trials.size() - 2].dose);  // confirmed on fresh data
  Series calm = series_of(SearchKind::escalate);
  CHECK(run(calm, [](const grit::Trial&) { return slowed_by(0); }).kind == VerdictKind::not_reproduced);
  CHECK(calm.trials.size() == 12);
}

TEST_CASE("escalation: a check that fails once by chance does not end it") {
  Series series = series_of(SearchKind::escalate);
  series.search.trials = 6;
  int asked = 0;
  const Verdict verdict = run(series, [&](const grit::Trial&) {
    TrialResult result = slowed_by(0);
    ++asked;
    if (asked == 3) result.failed_checks = {"link_up on node2"};
    if (asked == 4) result.failed_checks = {"nic_errors on node0"};  // another one is no confirmation
    return result;
  });
  CHECK(verdict.kind == VerdictKind::not_reproduced);
  CHECK(series.trials.size() == 7);
  CHECK(series.trials[2].dose == series.trials[3].dose);
  CHECK_FALSE(threshold_of(series)->ended_at.has_value());
  series.trials.resize(3);  // cut off before the confirmation
  CHECK(judge_series(series).kind == VerdictKind::inconclusive);
}

TEST_CASE("escalation: with a slowdown it also names the knee") {
  Series series = series_of(SearchKind::escalate);
  series.search.slowdown = 0.1;
  const Verdict verdict =
      run(series, [](const grit::Trial& trial) { return slowed_by(std::max(0.0, *trial.dose / 1e9 - 1)); });
  CHECK(verdict.kind == VerdictKind::reproduced);
  CHECK(says(verdict.sentence, "steps slow down by 10 % or more from"));
  CHECK(threshold_of(series)->interval.low < 1.1e9);
  CHECK(threshold_of(series)->interval.high > 1.1e9);
}

TEST_CASE("escalation: a slowdown is found by its evidence, and not because a line through it can be drawn") {
  Series series = series_of(SearchKind::escalate);
  series.search.slowdown = 0.1;
  series.search.trials = 5;
  const auto last_slowed_by = [&](double half_width) {
    series.trials.clear();
    return run(series, [&](const grit::Trial& trial) {
      TrialResult result = slowed_by(*trial.dose > 9e9 ? 0.12 : 0);
      result.ci_low = *result.slowdown - half_width, result.ci_high = *result.slowdown + half_width;
      return result;
    });
  };
  CHECK(last_slowed_by(0.01).kind == VerdictKind::reproduced);
  REQUIRE(threshold_of(series)->found);
  CHECK_FALSE(threshold_of(series)->known);
  CHECK(last_slowed_by(0.05).kind == VerdictKind::inconclusive);
}

TEST_CASE("escalation: one that tried a dose twice goes on with the first that was not tried") {
  Series series = series_of(SearchKind::escalate);
  series.search = {.kind = SearchKind::escalate, .option = "threads", .unit = Unit::count, .from = 1, .to = 4};
  for (const double dose : {1.0, 1.0, 1.0, 2.0}) series.trials.push_back({.dose = dose, .result = slowed_by(0)});
  const auto next = next_trial(series);
  REQUIRE(next.has_value());
  CHECK(next->dose == 3);
  CHECK(run(series, [](const grit::Trial&) { return slowed_by(0); }).kind == VerdictKind::not_reproduced);
  CHECK(series.trials.size() == 6);
}

TEST_CASE("escalation: steps that are slow at every dose are told so, never that nothing slowed down") {
  const auto judged = [](double slowdown, double half_width) {
    Series series = series_of(SearchKind::escalate);
    series.search.slowdown = 0.1;
    series.search.trials = 5;
    return run(series, [&](const grit::Trial&) {
      TrialResult result = slowed_by(slowdown);
      result.ci_low = slowdown - half_width, result.ci_high = slowdown + half_width;
      return result;
    });
  };
  const Verdict slow = judged(0.3, 0.05);
  CHECK(slow.kind == VerdictKind::inconclusive);
  CHECK(says(slow.sentence, "steps slowed down by +30 % at 100Mbit/s, "));
  REQUIRE_FALSE(slow.reasons.empty());
  CHECK(says(slow.reasons.front(), "start lower"));
  const Verdict calm = judged(0, 0.05);
  CHECK(calm.kind == VerdictKind::not_reproduced);
  CHECK(says(calm.sentence, "nothing failed from 100Mbit/s to 10Gbit/s; nowhere did steps slow down by 10 % or more"));
  const Verdict unclear = judged(0.08, 0.05);
  CHECK(unclear.kind == VerdictKind::inconclusive);
  CHECK(says(unclear.sentence, "is not clear"));
}

TEST_CASE("minimal: the smallest set of faults is named") {
  Series series = series_of(SearchKind::minimal);
  series.search.trials = 100;
  const Verdict verdict = run(series, [](const grit::Trial& trial) {
    const bool yes = std::count(trial.faults->begin(), trial.faults->end(), 1) > 0;
    return TrialResult{.verdict = yes ? VerdictKind::reproduced : VerdictKind::not_reproduced, .outcome = "completed"};
  });
  CHECK(verdict.kind == VerdictKind::reproduced);
  CHECK(says(verdict.sentence, "Of 3 faults 1 is enough: memory_pressure; confirmed"));
}

TEST_CASE("a series that was interrupted or failed is inconclusive, and says so") {
  Series series = series_of(SearchKind::magnitude);
  series.trials.push_back({.dose = 1e8, .result = ended_as("interrupted")});
  series.interrupted = true;
  Verdict verdict = judge_series(series);
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK(verdict.outcome == "interrupted");
  series.interrupted = false;
  series.error = "no mpirun";
  verdict = judge_series(series);
  CHECK(verdict.outcome == "failed");
  CHECK(says(verdict.reasons.back(), "no mpirun"));
}

TEST_CASE("a trial's slowdown has the interval that its verdict has, and of too few pairs there is none") {
  testing::RunDirectories directories;
  const auto trial_of = [&](const std::string& name, const Plan& plan) {
    const auto records = testing::records_of(plan, testing::steps_slowed_by(0.5));
    const auto directory = directories.add(name, plan, records, testing::events_of(plan));
    const Verdict verdict = judge(plan, records, testing::events_of(plan));
    const auto result = trial_result(directory, verdict);
    REQUIRE(result.has_value());
    return std::pair(*result, verdict);
  };
  Plan plan = testing::small_plan();
  plan.design.max_pairs = 16;  // three looks share the level
  const auto [eight, verdict] = trial_of("eight", plan);
  REQUIRE((eight.slowdown && verdict.effect && verdict.effect->statistic == "mean"));
  CHECK(eight.ci_low == Approx(verdict.effect->ci_low));
  CHECK(eight.ci_high == Approx(verdict.effect->ci_high));
  CHECK(eight.untold_checks.empty());
  plan.checks = {{"link_up"}};  // of which there is no reading
  CHECK(trial_of("unread", plan).first.untold_checks == std::vector<std::string>{"link_up on any node"});
  const auto five = trial_of("five", testing::small_plan(5)).first;
  CHECK(five.log_ratios.size() == 5);
  CHECK_FALSE(five.slowdown.has_value());
}

TEST_CASE("a trial's faults were applied also where one victim of two hundred was not") {
  testing::RunDirectories directories;
  for (const int count : {50, 200}) {
    Plan plan = testing::small_plan();
    const PlannedFault first = plan.faults[0];
    for (int id = 1; id < count; ++id) {
      plan.faults.push_back(first);
      plan.faults.back().id = id;
    }
    auto events = testing::events_of(plan);
    std::erase_if(events, [](const Json& e) { return testing::is_fault_event(e, "applied") && e.at("fault") == 7; });
    const auto records = testing::records_of(plan, testing::steps_slowed_by(0.5));
    const auto directory = directories.add(std::to_string(count), plan, records, events);
    const auto trial = trial_result(directory, judge(plan, records, events));
    REQUIRE(trial.has_value());
    CAPTURE(count);
    CHECK(trial->applied == (count == 200));
  }
}

TEST_CASE("series.json holds all of a series") {
  Series series = series_of(SearchKind::escalate);
  series.sets = {{"node", "2"}};
  series.search.slowdown = 0.1;
  series.trials.push_back(
      {.overrides = {{"rate", "1Gbit/s"}}, .dose = 1e9, .why = "first", .boot_id = "b", .result = slowed_by(0.2)});
  series.trials.push_back({.number = 2, .faults = std::vector<int>{0, 2}});
  series.said_verdict = VerdictKind::not_reproduced;
  const Json json = to_json(series);
  const auto back = series_from_json(json);
  REQUIRE(back.has_value());
  CHECK(to_json(*back) == json);
  CHECK_FALSE(series_from_json(Json{{"format", 1}}).has_value());
  Json older = json;
  older["trials"][0]["result"].erase("untold_checks");
  CHECK(series_from_json(older).has_value());
}
