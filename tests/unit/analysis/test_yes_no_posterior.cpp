// Thresholds of simulated yes or no answers, which are not of the posterior's own model.
#include <fmt/format.h>

#include "tests/catch.hpp"
#include "tests/unit/analysis/threshold_trials.hpp"

using namespace grit;
using grit::testing::SearchCounts;

namespace {

const DoseScale kRates{.from = 1e8, .to = 1e10, .whole = true};

SearchCounts search(const std::string& answers, int runs, const DoseScale& scale = kRates, double noise = 0.1) {
  SearchCounts counts;
  for (const auto& kind : testing::answer_kinds())
    for (int run = 0; kind.name == answers && run < runs; ++run)
      testing::count_yes_no(counts, kind, scale, 0.1, noise, 44, static_cast<std::uint64_t>(run) + 1);
  REQUIRE(counts.runs == runs);
  WARN(fmt::format("{}: covered {} of {} found, known {}, known but wrong {}, of {}; {:.1f} trials", answers,
                   counts.covered, counts.found, counts.known, counts.known_wrong, runs,
                   static_cast<double>(counts.trials) / runs));
  return counts;
}

}  // namespace

// 90 % is claimed; with a constant error rate instead of a slope these were 45 and 25 %.
TEST_CASE("the credible interval holds the threshold though answers near it are tosses of a coin") {
  for (const char* answers : {"logistic, 3 %", "logistic, 6 %", "probit, 4 %", "logistic, 3 %, 20 % of yes wrong"}) {
    const SearchCounts counts = search(answers, 40);
    CHECK(counts.found >= 38);
    CHECK(counts.covered >= 36);
    CHECK(counts.known_wrong <= 4);
  }
}

TEST_CASE("answers that turn at one dose are known to within 10 % in the default number of trials") {
  const SearchCounts exact = search("step, no answer wrong", 40);
  CHECK(exact.known == 40);
  CHECK(exact.covered == 40);
  CHECK(exact.trials <= 40 * 24);
  const SearchCounts noisy = search("step, 10 % wrong", 40);
  CHECK(noisy.known >= 26);
  CHECK(noisy.covered >= 38);
}

TEST_CASE("of whole numbers the threshold is known when it lies between neighbours") {
  const DoseScale threads{.from = 1, .to = 8, .whole = true};
  const SearchCounts counts = search("step, no answer wrong", 40, threads);
  CHECK(counts.known == 40);
  CHECK(counts.covered >= 36);
  CHECK(counts.trials <= 40 * 16);
  YesNoPosterior posterior(threads, 0.1, 0.1, std::nullopt);
  for (int i = 0; i < 16; ++i) {
    const double dose = posterior.next();
    CHECK(dose == std::round(dose));
    posterior.answer(dose, dose > 3);
  }
  CHECK(posterior.interval().low >= 3);
  CHECK(posterior.interval().high <= 4);
}

TEST_CASE("a linear scale may begin with 0") {
  const DoseScale delays{.from = 0, .to = 4e7, .linear = true, .whole = true};
  const SearchCounts counts = search("step, no answer wrong", 20, delays);
  CHECK(counts.known == 20);
  CHECK(counts.covered >= 19);
}

TEST_CASE("both ends are asked first, the one that is likely to be calm before the other") {
  YesNoPosterior unknown(kRates, 0.1, 0.1, std::nullopt), falling(kRates, 0.1, 0.1, false);
  CHECK(unknown.next() == kRates.from);
  CHECK(falling.next() == kRates.to);
  unknown.answer(kRates.from, false);
  CHECK(unknown.next() == kRates.to);
}

TEST_CASE("which end yes is at is learnt, also against what was expected") {
  for (const auto expected : {std::optional<bool>(), std::optional<bool>(true), std::optional<bool>(false)}) {
    YesNoPosterior posterior(kRates, 0.1, 0.1, expected);
    for (int i = 0; i < 30; ++i) {
      const double dose = posterior.next();
      posterior.answer(dose, dose < 9e8);
    }
    CHECK(posterior.sure() == AnswerShape::falls);
    CHECK(posterior.interval().low < 9e8);
    CHECK(posterior.interval().high > 9e8);
  }
}

TEST_CASE("no yes anywhere, and a yes everywhere, are seen at the ends") {
  for (const bool yes : {false, true}) {
    YesNoPosterior posterior(kRates, 0.1, 0.1, std::nullopt);
    int asked = 0;
    for (; !posterior.sure() && asked < 12; ++asked) posterior.answer(posterior.next(), yes);
    CHECK(posterior.sure() == (yes ? AnswerShape::always : AnswerShape::never));
    CHECK(asked <= 8);
  }
}
