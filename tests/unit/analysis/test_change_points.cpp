#include <algorithm>
#include <cmath>
#include <random>

#include "analysis/compare/trend.hpp"
#include "analysis/facts/baseline_drift.hpp"
#include "analysis/stats/change_points.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/compare_fixture.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

/// Independent or AR(1) values with standard deviation 1, and `shift` from `place` on.
std::vector<double> series(std::mt19937_64& random, std::size_t count, double correlation = 0, std::size_t place = 0,
                           double shift = 0) {
  std::normal_distribution<double> normal;
  std::vector<double> values;
  double state = normal(random);
  for (std::size_t i = 0; i < count; ++i) {
    values.push_back(state + (i >= place ? shift : 0));
    state = correlation * state + std::sqrt(1 - correlation * correlation) * normal(random);
  }
  return values;
}

/// Changes that can be told from wandering.
std::vector<ChangePoint> shown(const std::vector<double>& values, const ChangePointOptions& options = {}) {
  auto found = change_points(values, options);
  std::erase_if(found, [](const ChangePoint& change) { return change.wandering; });
  return found;
}

std::vector<ComparedRun> runs_of(const std::vector<double>& log_times) {
  std::vector<ComparedRun> runs;
  for (std::size_t i = 0; i < log_times.size(); ++i) {
    ComparedRun run;
    run.directory = "run" + std::to_string(i);
    run.started_utc = "202611" + std::to_string(10 + i);
    run.plan = small_plan(8, false);
    const double time_ns = 1e7 * std::exp(log_times[i]);
    run.baseline = {{1, time_ns, time_ns}, {2, time_ns, time_ns}};
    runs.push_back(std::move(run));
  }
  return runs;
}

}  // namespace

TEST_CASE("a change is found where it is") {
  std::mt19937_64 random(1);
  const auto values = series(random, 40, 0, 25, 6);
  const auto found = shown(values);
  REQUIRE(found.size() == 1);
  CHECK(found[0].first == 25);
  CHECK(found[0].p <= 0.05);
  CHECK(std::abs(found[0].shift - 6) < 1.5);
  CHECK(found[0].spread > 0.5);
  CHECK(found[0].spread < 2);
}

TEST_CASE("several changes are found, one that is taken back as well") {
  std::mt19937_64 random(2);
  std::vector<double> values = series(random, 90);
  for (std::size_t i = 30; i < 55; ++i) values[i] += 6;
  for (std::size_t i = 75; i < 90; ++i) values[i] -= 6;
  const auto found = shown(values);
  REQUIRE(found.size() == 3);
  CHECK(found[0].first == 30);
  CHECK(found[1].first == 55);
  CHECK(found[2].first == 75);
  CHECK(found[1].shift < -4);
}

TEST_CASE("noise has no changes, at the stated rate", "[statistics]") {
  std::mt19937_64 random(3);
  constexpr int kSeries = 400;
  for (const std::size_t count : {8U, 16U, 40U}) {
    int wrong = 0;
    for (int i = 0; i < kSeries; ++i)
      wrong += shown(series(random, count), {.seed = static_cast<std::uint64_t>(i + 1)}).empty() ? 0 : 1;
    INFO(count << " values: " << wrong << " of " << kSeries);
    CHECK(wrong <= 0.085 * kSeries);  // 0.05 and three standard errors
  }
}

TEST_CASE("a series that wanders has no changes, at the stated rate", "[statistics]") {
  std::mt19937_64 random(13);
  constexpr int kSeries = 80;
  for (const std::size_t count : {8U, 16U}) {
    int wrong = 0, wrong_of_blocks = 0;
    for (int i = 0; i < kSeries; ++i) {
      const auto values = series(random, count, 0.5);
      wrong += shown(values, {.seed = static_cast<std::uint64_t>(i + 1)}).empty() ? 0 : 1;
      const auto of_blocks = changes_of_blocks(values);
      wrong_of_blocks +=
          std::any_of(of_blocks.begin(), of_blocks.end(), [](const ChangePoint& c) { return !c.wandering; }) ? 1 : 0;
    }
    CAPTURE(count, wrong, wrong_of_blocks);
    CHECK(wrong <= 0.123 * kSeries);            // 0.05 and three standard errors
    CHECK(wrong_of_blocks <= 0.043 * kSeries);  // 0.01 and three standard errors
  }
}

TEST_CASE("a series of runs that wanders is said to, and shows neither a change nor none") {
  int told = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<double> log_times = series(random, 24, 0.9);
    for (double& value : log_times) value *= 0.05;
    const Trend trend = find_changes(runs_of(log_times), 0.02);
    if (!trend.changes.empty() || change_points(log_times).empty()) continue;
    ++told;
    CHECK(trend.exit_code == 2);
    CHECK_THAT(trend.sentence, Catch::Contains("wander"));
    CHECK(std::any_of(trend.reasons.begin(), trend.reasons.end(), [](const std::string& reason) {
      return reason.find("cannot be told from a step time that wanders") != std::string::npos;
    }));
  }
  CHECK(told >= 5);
}

TEST_CASE("a shift of five spreads in the middle is found in nine cases of ten", "[statistics]") {
  std::mt19937_64 random(4);
  constexpr int kSeries = 200;
  for (const std::size_t count : {8U, 10U, 16U, 32U}) {
    int right = 0;
    for (int i = 0; i < kSeries; ++i) {
      const auto found =
          change_points(series(random, count, 0, count / 2, 5), {.seed = static_cast<std::uint64_t>(i + 1)});
      right +=
          std::any_of(found.begin(), found.end(), [&](const ChangePoint& c) { return c.first == count / 2; }) ? 1 : 0;
    }
    INFO(count << " values: " << right << " of " << kSeries);
    CHECK(right >= 0.9 * kSeries);
  }
}

TEST_CASE("too few values, equal values") {
  CHECK(change_points(std::vector<double>{1, 1, 1, 9, 9}).empty());
  CHECK(change_points(std::vector<double>{1, 1, 1, 9, 9, 9}).empty());  // 2 of 20 divisions are as good
  CHECK(change_points(std::vector<double>(50, 3.0)).empty());
  CHECK(change_points(std::vector<double>{}).empty());
}

TEST_CASE("one odd value is no change") {
  std::mt19937_64 random(5);
  auto values = series(random, 20);
  values[11] += 50;
  CHECK(shown(values).empty());
}

TEST_CASE("among many values, too, the change is found where it is", "[statistics]") {
  std::mt19937_64 random(6);
  const auto values = series(random, 1500, 0, 900, 2);
  const auto found = shown(values);
  CHECK(std::any_of(found.begin(), found.end(), [](const ChangePoint& c) { return c.first > 890 && c.first < 910; }));
  CHECK(found.size() <= 3);  // each further one has a chance of 0.05
}

TEST_CASE("from which run on steps are slower") {
  std::mt19937_64 random(7);
  std::vector<double> log_times = series(random, 14);
  for (double& value : log_times) value *= 0.01;
  for (std::size_t i = 9; i < 14; ++i) log_times[i] += 0.12;
  std::vector<ComparedRun> runs = runs_of(log_times);
  for (std::size_t i = 0; i < 14; ++i)
    runs[i].environments[0] = Json{{"kernel", {{"release", i < 9 ? "6.1.0-37" : "6.1.0-38"}}}};
  std::reverse(runs.begin(), runs.end());
  const Trend trend = find_changes(runs, 0.05);
  REQUIRE(trend.changes.size() == 1);
  CHECK(trend.changes[0].first == 9);
  CHECK(std::abs(trend.changes[0].shift - 0.127) < 0.02);
  CHECK(trend.exit_code == 1);
  CHECK_THAT(trend.sentence, Catch::Contains("from run9 on steps are 1"));
  CHECK_THAT(trend.sentence, Catch::Contains("slower"));
  REQUIRE(trend.changes[0].environment.differences.size() == 1);
  CHECK(trend.changes[0].environment.differences[0].what == "kernel.release");
  REQUIRE(trend.reasons.size() == 1);
  CHECK_THAT(trend.reasons[0], Catch::Contains("order"));
}

TEST_CASE("a series that shows no change says what it would have shown") {
  std::mt19937_64 random(8);
  std::vector<double> steady = series(random, 16), noisy = steady;
  for (double& value : steady) value *= 0.004;
  for (double& value : noisy) value *= 0.05;
  CHECK(find_changes(runs_of(steady), 0.05).exit_code == 0);
  const Trend unsteady = find_changes(runs_of(noisy), 0.05);
  CHECK(unsteady.changes.empty());
  CHECK(unsteady.exit_code == 2);
  const Trend few = find_changes(runs_of({0, 0, 0, 0.5, 0.5, 0.5}), 0.05);
  CHECK(few.exit_code == 2);
  CHECK_THAT(few.sentence, Catch::Contains("too few"));
}

TEST_CASE("the newest runs are looked at: slower than yesterday is no \"no change\"") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<double> last = series(random, 30);
    for (double& value : last) value *= 0.004;
    last[29] += std::log(1.2);
    std::vector<double> both = last;
    both[28] += std::log(1.2);
    const Trend one = find_changes(runs_of(last), 0.05), two = find_changes(runs_of(both), 0.05);
    CAPTURE(seed, one.sentence, two.sentence);
    CHECK(one.exit_code == 2);
    CHECK_THAT(one.sentence, Catch::Contains("but the newest"));
    CHECK(two.exit_code != 0);  // 1, with the run before them, where that is like them
  }
}

TEST_CASE("where the newest runs cannot be told apart from a change, the series shows none and says so") {
  std::mt19937_64 random(18);
  std::vector<double> log_times = series(random, 30);
  for (double& value : log_times) value *= 0.004;
  CHECK(find_changes(runs_of(log_times), 0.05).exit_code == 0);
  log_times[29] = 0.018;  // within 2 %, and what it stands for may be beyond
  const Trend trend = find_changes(runs_of(log_times), 0.02);
  CHECK(trend.exit_code == 2);
  CHECK(std::any_of(trend.reasons.begin(), trend.reasons.end(), [](const std::string& reason) {
    return reason.find("cannot be told from so few") != std::string::npos;
  }));
}

TEST_CASE("the newest values of a series that did not change seldom lie outside of their prediction", "[statistics]") {
  constexpr int kSeries = 1000;
  for (const bool heavy : {false, true})
    for (const std::size_t count : {8U, 30U}) {
      std::mt19937_64 random(19);
      std::student_t_distribution<double> student(3);
      int outside = 0;
      for (int i = 0; i < kSeries; ++i) {
        std::vector<double> values = series(random, count);
        if (heavy)
          for (double& value : values) value = student(random);
        const auto newest = compare_newest(values, 2, kNewestAlpha);
        outside += std::any_of(newest.begin(), newest.end(),
                               [](const Newest& one) { return std::abs(one.shift) > one.half_width; })
                       ? 1
                       : 0;
      }
      INFO(count << (heavy ? " heavy-tailed" : "") << " values: " << outside << " of " << kSeries);
      CHECK(outside <= 0.071 * kSeries);  // 0.05 and three standard errors
    }
  CHECK(compare_newest(std::vector<double>{1.0}, 2, 0.05).empty());
  CHECK(std::isinf(compare_newest(std::vector<double>{1.0, 2.0}, 2, 0.05).front().half_width));
}

TEST_CASE("one run is a series of its baseline blocks") {
  std::mt19937_64 random(9);
  ComparedRun run = simulated_run(random, {.between = 0, .within = 0.005, .blocks = 16}, "run");
  for (std::size_t i = 10; i < 16; ++i) run.baseline[i].median_ns *= 1.10;
  const Trend trend = find_changes({run}, 0.05);
  CHECK_FALSE(trend.of_runs);
  REQUIRE(trend.changes.size() == 1);
  CHECK(trend.points[trend.changes[0].first].block == 10);
  CHECK_THAT(trend.sentence, Catch::Contains("from block 10 on steps are"));
}

TEST_CASE("a verdict's remark on baselines that changed along the way") {
  const Plan plan = small_plan(16);
  const auto steps = [&](double slower_from_20) {
    return block_times(plan, records_of(plan, [=](const Block& block, int step) {
                         const double noise =
                             1 + 0.002 * ((block.index * 7 + step) % 5 - 2) + 0.002 * ((block.index * 13) % 7 - 3);
                         return static_cast<std::int64_t>(1e7 * noise * (block.index >= 20 ? 1 + slower_from_20 : 1));
                       }));
  };
  CHECK_FALSE(baseline_change_remark(plan, steps(0)).has_value());
  CHECK_FALSE(baseline_change_remark(plan, steps(0.02)).has_value());  // shown, but not worth a word
  const auto remark = baseline_change_remark(plan, steps(0.08));
  REQUIRE(remark.has_value());
  CHECK_THAT(*remark, Catch::Contains("% slower from block"));
  CHECK_FALSE(baseline_change_remark(small_plan(6), block_times(small_plan(6), {})).has_value());
}
