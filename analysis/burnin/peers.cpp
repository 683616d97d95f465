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
constexpr std::size_t kManyPeers = 200;  // from here on their tails can be seen
constexpr double kSpreadWeight = 4;      // as if so many had been seen with the config's spread
constexpr double kUnseenTails = 8;
constexpr double kHeaviestTails = 2;
constexpr double kLightestTails = 60;
constexpr double kNoise = 40;  // degrees of freedom of a variance that is as good as known

/// P(|T| > t) of Student's t for t so large that 1 less the probability within has no digits left: the first term of
/// its tail, which is no smaller (M. Abramowitz and I. Stegun, 26.7.7 ff.).
double far_tail(double t, double nu) {
  const double log_density = std::lgamma((nu + 1) / 2) - std::lgamma(nu / 2) - 0.5 * std::log(nu * 3.141592653589793) -
                             (nu + 1) / 2 * std::log1p(t * t / nu);
  return 2 * std::exp(log_density) * (t * t + nu) / (t * nu);
}

/// At `share` of ascending values.
double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
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

/// Degrees of freedom of the Student t whose quantile at `far` is so many times its quantile at 3/4.
double tails_of(double ratio, double far) {
  const auto ratio_of = [&](double nu) { return student_t_critical(2 * (1 - far), nu) / student_t_critical(0.5, nu); };
  if (ratio <= ratio_of(kLightestTails)) return kLightestTails;
  double low = kHeaviestTails, high = kLightestTails;
  for (int i = 0; i < 12; ++i) {
    const double middle = std::sqrt(low * high);
    (ratio_of(middle) > ratio ? low : high) = middle;
  }
  return low;
}

double tails_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const double middle = quantile(values, 0.5), better = middle - quantile(values, 0.25),
               worse = quantile(values, 0.75) - middle;
  // Two standard errors of such a ratio, so that tails are seldom taken for lighter than they are.
  const double margin = 1 + 5 / std::sqrt(static_cast<double>(values.size()));
  double tails = kLightestTails;
  if (better > 0) tails = std::min(tails, tails_of(margin * (middle - quantile(values, 0.01)) / better, 0.99));
  if (worse > 0) tails = std::min(tails, tails_of(margin * (quantile(values, 0.95) - middle) / worse, 0.95));
  return tails;
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

BurninPeers peers_of(std::vector<double> middles, double error2, double spread) {
  BurninPeers peers;
  peers.count = middles.size();
  peers.middle = median(middles);
  const double count = static_cast<double>(middles.size());
  const double scale = middles.size() < kFewPeers ? qn_scale(middles) : mad_scale(middles, peers.middle);
  const bool many = middles.size() >= kManyPeers;
  const double seen = many ? scale * scale : std::max(scale * scale - error2, 0.0);
  const double weight = std::max(middles.size() < kFewPeers ? (count - 1) / 2 : count / 3, 1.0);
  peers.noise2 = many ? std::min(error2, seen) : 0;
  peers.variance = (kSpreadWeight * spread * spread + weight * seen) / (kSpreadWeight + weight);
  peers.degrees = kSpreadWeight + weight;
  peers.tails = many ? tails_of(std::move(middles)) : kUnseenTails;
  return peers;
}

std::vector<BurninPeers> peers_of_each(const std::vector<BurninUnit>& units, double spread) {
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

double degrees_of(const BurninPeers& peers) {
  // Tails, and a scale that is not known any better. Of few, what is assumed of the spread stands for both.
  return peers.count < kFewPeers ? std::min(peers.tails, peers.degrees) : 1 / (1 / peers.tails + 1 / peers.degrees);
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
  const double most = 4 * median(std::move(off));
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
