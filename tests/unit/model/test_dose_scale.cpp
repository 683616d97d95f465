// Places of doses, and when an interval of doses is narrow enough.
#include <cmath>

#include "harness/model/series.hpp"
#include "tests/catch.hpp"

using grit::DoseScale;

TEST_CASE("doses are rounded to what people would write, and stay in the range") {
  const DoseScale scale{.from = 1e8, .to = 1e10, .harm_grows = false, .whole = true};
  CHECK(scale.round_dose_at(0.5) == 1e9);
  CHECK(scale.round_dose_at(0.53) == 8.71e8);
  CHECK(scale.round_dose_at(0) == 1e10);
  CHECK(scale.place_of(scale.dose_at(0.3)) == Approx(0.3));
  const DoseScale small{.from = 0.001, .to = 0.5, .linear = true};
  CHECK(small.round_dose_at(0.1) == Approx(0.0509));
  const DoseScale threads{.from = 0, .to = 8, .linear = true, .whole = true};
  CHECK(threads.round_dose_at(0.4) == 3);
  CHECK(threads.round_dose_at(0) == 0);
}

TEST_CASE("how exactly a dose is known goes by ratios, on a linear scale by the range, and never below one whole") {
  const DoseScale rates{.from = 100, .to = 10000};
  CHECK(rates.is_within({1000, 1209}, 0.1));
  CHECK_FALSE(rates.is_within({1000, 1211}, 0.1));
  const DoseScale linear{.from = 0, .to = 100, .linear = true};
  CHECK(linear.is_within({0, 9}, 0.1));
  CHECK_FALSE(linear.is_within({0, 11}, 0.1));
  const DoseScale threads{.from = 1, .to = 8, .whole = true};
  CHECK(threads.is_within({2.9, 4.1}, 0.1));
  CHECK_FALSE(threads.is_within({3, 5}, 0.1));
  CHECK(threads.width_of(0.01) == Approx(std::log(8.0 / 7) / std::log(8.0)));
}

TEST_CASE("the default number of trials grows with the range, the resolution and the noise") {
  using Kind = grit::SearchSpec::Kind;
  grit::SearchSpec search{.kind = Kind::yes_no, .unit = grit::Unit::bits_per_s, .from = 1e8, .to = 1e10};
  CHECK(grit::default_trials(search) == 44);
  search.noise = 0.01;
  CHECK(grit::default_trials(search) == 26);
  search.kind = Kind::magnitude;
  CHECK(grit::default_trials(search) == 14);
  search.resolution = 0.01;
  CHECK(grit::default_trials(search) == 20);
  grit::SearchSpec threads{.kind = Kind::magnitude, .unit = grit::Unit::count, .from = 1, .to = 8};
  threads.resolution = 0.01;
  CHECK(grit::default_trials(threads) == 12);
  threads.kind = Kind::escalate;
  CHECK(grit::default_trials(threads) == 12);
}
