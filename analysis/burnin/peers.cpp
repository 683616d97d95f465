#include "analysis/burnin/peers.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "analysis/stats/median.hpp"
#include "analysis/stats/two_samples.hpp"
#include "harness/base/result.hpp"

namespace grit {
namespace {

constexpr std::size_t kFewPeers = 30;    // below, a unit must not count among its own peers
constexpr std::size_t kManyPeers = 200;  // from here on the noise of measurement is left in their scale
constexpr double kSpreadWeight = 4;      // as if so many had been seen with the config's spread
/// A share of fresh values. Of more, they or the others may be the odd ones (four of six visits that stalled).
constexpr double kMostOutliers = 0.2;
constexpr double kNoise = 40;  // degrees of freedom of a variance that is as good as known

/// P(|T| > t) of Student's t for t so large that 1 less the probability within has no digits left: the first term of
/// its tail, which is no smaller (M. Abramowitz and I. Stegun, 26.7.7 ff.).
double far_tail(double t, double nu) {
  const double log_density = std::lgamma((nu + 1) / 2) - std::lgamma(nu / 2) - 0.5 * std::log(nu * 3.141592653589793) -
                             (nu + 1) / 2 * std::log1p(t * t / nu);
  return 2 * std::exp(log_density) * (t * t + nu) / (t * nu);
}

double qn_scale(const std::vector<double>& values) {
  const std::size_t n = values.size();
  if (n < 2) return 0;
  std::vector<double> apart;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) apart.push_back(std::abs(values[i] - values[j]));
  const std::size_t half = n / 2 + 1, rank = half * (half - 1) / 2;
  std::nth_element(apart.begin(), apart.begin() + static_cast<std::ptrdiff_t>(rank - 1), apart.end());
  constexpr std::array kFactors{0.399, 0.994, 0.512, 0.844, 0.611, 0.857, 0.669, 0.872};  // of 2 .. 9 values
  const double count = static_cast<double>(n);
  const double factor = n < 10 ? kFactors[n - 2] : count / (count + (n % 2 == 1 ? 1.4 : 3.8));
  return 2.2219 * factor * apart[rank - 1];
}

double mad_scale(const std::vector<double>& values, double middle) {
  std::vector<double> off;
  for (const double value : values) off.push_back(std::abs(value - middle));
  return 1.4826 * median(std::move(off));
}

/// Descending: logarithms of the largest values above 0, as many as gaps are looked for and held against.
struct Top {
  std::vector<std::size_t> places{};
  std::vector<double> low{}, high{};  // of each: less and more the resolution
};

Top top_of(const std::vector<double>& values, std::size_t count, double resolution) {
  Top top;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] > 2 * resolution) top.places.push_back(i);
  const auto end = top.places.begin() + static_cast<std::ptrdiff_t>(std::min(count, top.places.size()));
  std::partial_sort(top.places.begin(), end, top.places.end(), [&](std::size_t a, std::size_t b) {
    return values[a] != values[b] ? values[a] > values[b] : a < b;
  });
  top.places.erase(end, top.places.end());
  for (const std::size_t place : top.places) {
    top.low.push_back(std::log(values[place] - resolution));
    top.high.push_back(std::log(values[place] + resolution));
  }
  return top;
}

constexpr double kTie = 1e-9;  // of a logarithm: closer values are the same, but for their last digits

struct Gap {
  std::size_t count = 0;  // how many are above it
  double chance = 1;      // of the whole pass
};

/// Of what is left when the first `out` are taken out.
Gap outermost_gap(const Top& top, std::size_t out, std::size_t most, std::size_t beside, double level) {
  const double m = static_cast<double>(beside);
  double inside = 0;       // the widest spacing so far
  double sum_of_high = 0;  // of the k+1st to the k+mth
  for (std::size_t i = 1; i < beside && out + i < top.high.size(); ++i) sum_of_high += top.high[out + i];
  for (std::size_t k = 1; out + k <= most && out + k + beside < top.high.size(); ++k) {
    sum_of_high += top.high[out + k + beside - 1] - (k > 1 ? top.high[out + k - 1] : 0);
    const double rank = static_cast<double>(k);
    const double spacing = top.low[out + k - 1] - top.high[out + k];
    const bool is_widest = spacing >= inside;  // else what is above is no group of its own
    inside = std::max(inside, spacing);
    const double gap = rank * spacing;
    // The sum of D_k+1 .. D_k+m, of which each logarithm but the first and last stands twice.
    const double below = (rank * top.high[out + k] + sum_of_high - (rank + m) * top.low[out + k + beside]) / m;
    if (!is_widest || gap <= 0 || below < kTie) continue;
    const double chance = std::pow(1 + gap / below / m, -m) * rank * (rank + 1);
    if (chance <= level) return {k, chance};
  }
  return {};
}

/// Of the Student t by which a further unit is held against them: tails, and a scale that is not known any better. Of
/// few, a stated spread stands for both.
double degrees_of(const BurninPeers& peers) {
  const bool is_stated = peers.tails >= kStatedTails;
  return peers.count < kFewPeers && is_stated ? std::min(peers.tails, peers.degrees)
                                              : 1 / (1 / peers.tails + 1 / peers.degrees);
}

}  // namespace

double student_t_above(double t, double degrees_of_freedom) {
  const double both = student_t_two_sided_p(t, degrees_of_freedom);
  if (t < 0) return 1 - both / 2;
  return (both > 1e-6 ? both : far_tail(t, degrees_of_freedom)) / 2;
}

BurninNoise noise_within(const std::vector<BurninUnit>& units) {
  std::vector<double> variances;
  BurninNoise noise;
  for (const BurninUnit& unit : units) {
    if (unit.base.size() < 2) continue;
    const double degrees = static_cast<double>(unit.base.size() - 1);
    const double mean = std::accumulate(unit.base.begin(), unit.base.end(), 0.0) / (degrees + 1);
    double squares = 0;
    for (const double value : unit.base) squares += (value - mean) * (value - mean);
    // A variance's median is below its mean: chi-square's by E. B. Wilson and M. M. Hilferty, PNAS 17 (1931).
    variances.push_back(squares / degrees / std::pow(1 - 2 / (9 * degrees), 3));
    noise.degrees += degrees;
  }
  // What all have in common in a visit was taken off, and a little of each value's own noise with it.
  const double count = static_cast<double>(units.size());
  if (!variances.empty()) noise.variance = median(std::move(variances)) * count / std::max(count - 1, 1.0);
  return noise;
}

BurninPeers peers_of(std::vector<double> middles, double error2, const BurninSpread& spread) {
  BurninPeers peers;
  peers.count = middles.size();
  peers.middle = median(middles);
  const double count = static_cast<double>(middles.size());
  const double scale = middles.size() < kFewPeers ? qn_scale(middles) : mad_scale(middles, peers.middle);
  const bool many = middles.size() >= kManyPeers;
  const double seen = many ? scale * scale : std::max(scale * scale - error2, 0.0);
  const double weight = std::max(middles.size() < kFewPeers ? (count - 1) / 2 : count / 3, 1.0);
  peers.noise2 = many ? std::min(error2, seen) : 0;
  peers.variance = (kSpreadWeight * spread.size * spread.size + weight * seen) / (kSpreadWeight + weight);
  peers.degrees = kSpreadWeight + weight;
  peers.tails = spread.is_stated ? kStatedTails : kUnseenTails;
  return peers;
}

BurninPeers no_peers(const BurninSpread& spread) {
  return {.variance = spread.size * spread.size,
          .degrees = kSpreadWeight,
          .tails = spread.is_stated ? kStatedTails : kUnseenTails,
          .count = 1};
}

std::vector<BurninPeers> peers_of_each(const std::vector<BurninUnit>& units, const BurninSpread& spread) {
  std::vector<double> middles, errors;
  for (const BurninUnit& unit : units)
    if (!unit.base.empty()) middles.push_back(unit.middle), errors.push_back(unit.error2);
  const double error2 = median(std::move(errors));
  if (middles.size() >= kFewPeers) return std::vector(units.size(), peers_of(std::move(middles), error2, spread));
  std::vector<BurninPeers> result;
  auto place = middles.begin();
  for (const BurninUnit& unit : units) {
    std::vector<double> others(middles.begin(), place);
    if (!unit.base.empty()) ++place;
    others.insert(others.end(), place, middles.end());
    result.push_back(peers_of(std::move(others), error2, spread));
  }
  return result;
}

double expected_as_far(const BurninPeers& peers, double from_middle, std::size_t units) {
  if (peers.variance <= 0) return from_middle > 0 ? 0 : static_cast<double>(units);
  return static_cast<double>(units) * student_t_above(from_middle / std::sqrt(peers.variance), peers.degrees);
}

std::vector<double> gap_chances(const std::vector<double>& from_middle, double level, double resolution) {
  std::vector<double> chances(from_middle.size(), 1);
  const auto beside = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(from_middle.size())) / 2));
  const std::size_t most = from_middle.size() / 20;
  const Top top = top_of(from_middle, most + beside + 1, resolution);
  double largest = 0;
  for (std::size_t out = 0; out < most;) {
    const Gap gap = outermost_gap(top, out, most, beside, level);
    if (gap.count == 0) break;
    largest = std::max(largest, gap.chance);
    for (const std::size_t end = out + gap.count; out < end; ++out) chances[top.places[out]] = largest;
  }
  return chances;
}

double chance_of_peers(const BurninPeers& peers, double worse, double error2, double error_degrees) {
  const double apart = worse - peers.middle;
  const double own = peers.variance * (1 + 1.57 / static_cast<double>(std::max<std::size_t>(peers.count, 1)));
  const double own_degrees = degrees_of(peers), noise = std::max(error2 - peers.noise2, 0.0);
  const double total = own + noise;
  if (total <= 0) return apart > 0 ? 0 : 1;
  const double noise_degrees = std::clamp(error_degrees, 1.0, kNoise);
  // F. E. Satterthwaite's degrees of freedom of the sum; and no less than the peers alone, whose tails stay heavy.
  const double degrees = total * total / (own * own / own_degrees + noise * noise / noise_degrees);
  const double alone = own > 0 ? student_t_above(apart / std::sqrt(own), own_degrees) : 0;
  return std::max(student_t_above(apart / std::sqrt(total), std::max(degrees, 2.0)), apart > 0 ? alone : 0.0);
}

double BurninEstimate::chance_of(double at_most) const {
  if (error2 <= 0) return worse > at_most ? 0 : 1;
  return student_t_above((worse - at_most) / std::sqrt(error2), degrees);
}

double BurninEstimate::low(double alpha) const {
  return worse - std::sqrt(error2) * student_t_critical(2 * alpha, degrees);
}

double BurninEstimate::high(double alpha) const {
  return worse + std::sqrt(error2) * student_t_critical(2 * alpha, degrees);
}

BurninEstimate fresh_estimate(const BurninUnit& unit, const BurninNoise& noise) {
  GRIT_ASSERT(!unit.fresh.empty());
  const double middle = median(unit.fresh), count = static_cast<double>(unit.fresh.size());
  std::vector<double> off;
  for (const double value : unit.fresh) off.push_back(std::abs(value - middle));
  double most = 4 * median(off);
  const auto outliers = std::count_if(off.begin(), off.end(), [&](double one) { return one > most; });
  if (kMostOutliers * static_cast<double>(off.size()) < static_cast<double>(outliers)) most = INFINITY;
  double sum = 0, squares = 0;
  for (const double value : unit.fresh) sum += std::clamp(value - middle, -most, most);
  for (const double value : unit.fresh) {
    const double apart = std::clamp(value - middle, -most, most) - sum / count;
    squares += apart * apart;
  }
  const double weight = std::min(kNoiseWeight, noise.degrees);
  BurninEstimate estimate;
  estimate.worse = middle + sum / count;
  estimate.degrees = std::max(count - 1 + weight, 1.0);
  estimate.error2 = (squares + weight * noise.variance * unit.fresh_noise) / estimate.degrees / count + unit.shared2;
  if (count < 2 && weight <= 0) estimate.error2 = 1;  // nothing is known of the noise: a factor of e
  return estimate;
}

}  // namespace grit
