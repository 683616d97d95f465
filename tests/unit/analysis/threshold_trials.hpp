// Searches for a threshold in simulated trials, whose answers and noise are not of the rules' own models.
#pragma once

#include <cmath>
#include <functional>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include "analysis/stats/knee.hpp"
#include "analysis/stats/yes_no_posterior.hpp"

namespace grit::testing {

/// How searches for a threshold between the ends came out.
struct SearchCounts {
  int runs = 0;
  int found = 0;        // a threshold, with its interval
  int covered = 0;      // of these: the interval holds the true one
  int known = 0;        // to the resolution
  int known_wrong = 0;  // of these: the interval does not hold it
  int within = 0;       // of those found: the estimate is within the resolution
  int trials = 0;
};

// --- yes or no ------------------------------------------------------------------------------------------------------

/// The chance of a yes at a place from 0 to 1, given the threshold: where the chance is half-way between its ends.
struct AnswerKind {
  const char* name;
  std::function<double(double place, double threshold)> chance;
};

inline std::vector<AnswerKind> answer_kinds() {
  const auto step = [](double place, double threshold) { return place >= threshold ? 1.0 : 0.0; };
  const auto logistic = [](double scale) {
    return [scale](double place, double threshold) { return 1 / (1 + std::exp((threshold - place) / scale)); };
  };
  const auto lapsing = [](auto chance, double yes_where_none, double no_where_one) {
    return [=](double place, double threshold) {
      return yes_where_none + (1 - yes_where_none - no_where_one) * chance(place, threshold);
    };
  };
  const auto probit = [](double place, double threshold) {
    return std::erfc((threshold - place) / 0.04 / std::numbers::sqrt2) / 2;
  };
  const auto cauchy = [](double place, double threshold) {
    return 0.5 + std::atan((place - threshold) / 0.03) / std::numbers::pi;
  };
  const auto lopsided = [](double place, double threshold) {  // Gumbel's: slow to begin, quick to end
    return 1 - std::exp(-std::numbers::ln2 * std::exp((place - threshold) / 0.05));
  };
  return {{"step, no answer wrong", step},
          {"step, 10 % wrong", lapsing(step, 0.1, 0.1)},
          {"step, 20 % of yes wrong", lapsing(step, 0, 0.2)},
          {"step, 20 % of no wrong", lapsing(step, 0.2, 0)},
          {"logistic, 1 % of the range", logistic(0.01)},
          {"logistic, 3 %", logistic(0.03)},
          {"logistic, 6 %", logistic(0.06)},
          {"logistic, 25 %", logistic(0.25)},
          {"logistic, 3 %, and 5 % wrong", lapsing(logistic(0.03), 0.05, 0.05)},
          {"logistic, 3 %, 20 % of yes wrong", lapsing(logistic(0.03), 0, 0.2)},
          {"probit, 4 %", probit},
          {"Cauchy, 3 %", cauchy},
          {"lopsided, 5 %", lopsided}};
}

/// One search as a series does it (next_trial()), with a threshold at a random place of the middle 80 %.
inline void count_yes_no(SearchCounts& counts, const AnswerKind& kind, DoseScale scale, double resolution, double noise,
                         int trials, std::uint64_t seed) {
  std::mt19937_64 engine(seed * 7919);
  scale.harm_grows = true;
  const double threshold = std::uniform_real_distribution<double>(0.1, 0.9)(engine);
  YesNoPosterior posterior(scale, resolution, noise, std::nullopt);
  const auto is_known = [&] { return posterior.is_between() && scale.is_within(posterior.interval(), resolution); };
  int asked = 0;
  for (; asked < trials && !is_known(); ++asked) {
    if (const auto sure = posterior.sure(); sure == AnswerShape::never || sure == AnswerShape::always) break;
    const double dose = posterior.next();
    posterior.answer(dose, std::bernoulli_distribution(kind.chance(scale.place_of(dose), threshold))(engine));
  }
  ++counts.runs;
  counts.trials += asked;
  if (!posterior.is_between()) return;
  const DoseInterval interval = posterior.interval();
  const double truth = scale.dose_at(threshold), found = posterior.quantile(0.5);
  const bool covered = posterior.direction() == AnswerShape::grows && interval.low <= truth && truth <= interval.high;
  ++counts.found;
  counts.covered += covered ? 1 : 0;
  counts.known += is_known() ? 1 : 0;
  counts.known_wrong += is_known() && !covered ? 1 : 0;
  counts.within += scale.is_within({std::min(found, truth), std::max(found, truth)}, resolution / 2) ? 1 : 0;
}

// --- magnitudes -----------------------------------------------------------------------------------------------------

/// The log slowdown at a place, with a knee: it grows with the place.
struct ResponseKind {
  const char* name;
  std::function<double(double place, double knee)> log_slowdown;
};

/// The place at which it passes the slowdown that counts, a fraction: by halving.
inline double true_threshold(const ResponseKind& kind, double knee, double criterion) {
  double low = 0, high = 1;
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    (kind.log_slowdown(middle, knee) >= std::log1p(criterion) ? high : low) = middle;
  }
  return high;
}

inline std::vector<ResponseKind> response_kinds() {
  const auto past = [](double place, double knee) { return std::max(0.0, place - knee); };
  return {{"hinge", [=](double place, double knee) { return 4.6 * past(place, knee); }},
          {"step", [](double place, double knee) { return place > knee ? 1.0 : 0.0; }},
          {"hinge, then flat", [=](double place, double knee) { return std::min(0.3, 4.6 * past(place, knee)); }},
          {"step on a slope", [](double place, double knee) { return 0.05 * place + (place > knee ? 1.0 : 0.0); }},
          {"smooth (square)", [=](double place, double knee) { return 15 * std::pow(past(place, knee), 2); }},
          {"linear in the dose",  // of a range of 100: a curve over equal ratios, and nowhere flat
           [](double place, double knee) { return std::log1p(0.1 * std::pow(100, place - knee)); }},
          {"linear in the dose, from the knee on",
           [=](double place, double knee) { return std::log1p(0.5 * (std::pow(100, past(place, knee)) - 1)); }}};
}

/// Of a trial's pairs, log ratios.
struct PairNoise {
  const char* name;
  double sd = 0.02;
  bool heavy = false;      // Student's t with 3 degrees of freedom, of this scale
  double correlation = 0;  // of one pair with the next of its trial
  double trial_sd = 0;     // what all pairs of a trial share
};

inline std::vector<PairNoise> pair_noises() {
  return {{"normal, 1 %", 0.01},
          {"normal, 2 %", 0.02},
          {"normal, 5 %", 0.05},
          {"heavy tails, 2 %", 0.02, true},
          {"correlated 0.6, 2 %", 0.02, false, 0.6},
          {"unequal trials, 2 %", 0.02, false, 0, 0.02}};
}

inline DoseResponse simulated_trial(double dose, double log_slowdown, const PairNoise& noise, int pairs,
                                    std::mt19937_64& engine) {
  std::normal_distribution<double> normal;
  std::student_t_distribution<double> heavy(3);
  const auto draw = [&] { return noise.sd * (noise.heavy ? heavy(engine) : normal(engine)); };
  DoseResponse response{dose, {}};
  const double trial = noise.trial_sd * normal(engine);
  double error = draw();
  for (int pair = 0; pair < pairs; ++pair) {
    if (pair > 0) error = noise.correlation * error + std::sqrt(1 - noise.correlation * noise.correlation) * draw();
    response.log_ratios.push_back(log_slowdown + trial + error);
  }
  return response;
}

/// One search as a series does it, with a knee at a random place of the middle 60 %.
inline void count_knee(SearchCounts& counts, const ResponseKind& kind, const PairNoise& noise, const DoseScale& scale,
                       double resolution, double criterion, int trials, std::uint64_t seed) {
  std::mt19937_64 engine(seed * 7919);
  const double knee = std::uniform_real_distribution<double>(0.2, 0.8)(engine);
  std::vector<DoseResponse> responses;
  const auto measure = [&](double dose) {
    responses.push_back(simulated_trial(dose, kind.log_slowdown(scale.place_of(dose), knee), noise, 6, engine));
  };
  measure(scale.dose_at(0));
  measure(scale.dose_at(1));
  KneeFit fit = fit_knee(scale, responses, criterion);
  while (static_cast<int>(responses.size()) < trials && !fit.known(scale, resolution)) {
    const auto dose = next_dose(scale, fit.interval, responses);
    if (!dose) break;
    measure(*dose);
    fit = fit_knee(scale, responses, criterion);
  }
  ++counts.runs, ++counts.found;
  counts.trials += static_cast<int>(responses.size());
  double low = scale.place_of(fit.interval.low), high = scale.place_of(fit.interval.high);
  if (low > high) std::swap(low, high);
  const double truth = true_threshold(kind, knee, criterion);
  const bool covered = low <= truth + 1e-9 && truth <= high + 1e-9;
  const bool known = fit.known(scale, resolution);
  counts.covered += covered ? 1 : 0;
  counts.known += known ? 1 : 0;
  counts.known_wrong += known && !covered ? 1 : 0;
  counts.within += std::abs(scale.place_of(fit.dose) - truth) <= scale.width_of(resolution) / 2 ? 1 : 0;
}

}  // namespace grit::testing
