#include "analysis/stats/noise_floor.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "analysis/stats/median.hpp"

namespace grit {
namespace {

constexpr double kMadToSigma = 1.4826;   // of a normal distribution
constexpr double kMedianError = 1.2533;  // of a median against a mean, of many normal values

}  // namespace

std::vector<double> less_others(const std::vector<double>& values, const std::vector<double>& weights) {
  if (values.size() < 2) return std::vector<double>(values.size(), 0.0);
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t x, std::size_t y) { return values[x] < values[y]; });
  std::vector<double> up_to;  // by place in the order: the weight of this one and all before it
  for (const std::size_t i : order) up_to.push_back((up_to.empty() ? 0 : up_to.back()) + weights[i]);
  std::vector<double> result(values.size());
  for (std::size_t self = 0; self < order.size(); ++self) {
    const double own = weights[order[self]], half = (up_to.back() - own) / 2, rounding = 1e-9 * up_to.back();
    // The first place at which the others so far weigh half of all others.
    const auto place_of = [&](double weight) {
      auto place = static_cast<std::size_t>(std::lower_bound(up_to.begin(), up_to.end(), weight) - up_to.begin());
      if (place >= self)
        place = static_cast<std::size_t>(std::lower_bound(up_to.begin(), up_to.end(), weight + own) - up_to.begin());
      return std::min(place, order.size() - 1);
    };
    const double low = values[order[place_of(half - rounding)]], high = values[order[place_of(half + rounding)]];
    result[order[self]] = values[order[self]] - (low + high) / 2;
  }
  return result;
}

std::vector<double> limited(std::vector<double> differences) {
  std::vector<double> sizes;
  for (const double difference : differences) sizes.push_back(std::abs(difference));
  const double most = 2 * median(std::move(sizes));
  for (double& difference : differences) difference = std::clamp(difference, -most, most);
  return differences;
}

double median_error(const std::vector<double>& values) {
  if (values.empty()) return 0;
  const double middle = median(values);
  std::vector<double> off;
  for (const double value : values) off.push_back(std::abs(value - middle));
  return 2 * kMedianError * kMadToSigma * median(std::move(off)) / std::sqrt(static_cast<double>(values.size()));
}

std::vector<double> noise_floors_ns(const std::vector<std::vector<double>>& noise_ns, std::size_t pairs) {
  const auto ranks = static_cast<double>(noise_ns.size());
  std::vector<double> sigmas_ns;
  for (std::vector<double> values : noise_ns) {
    for (double& value : values) value = std::abs(value);
    sigmas_ns.push_back(kMadToSigma * median(std::move(values)));
  }
  const double middle_ns = median(sigmas_ns);
  const double chances = 2 + std::sqrt(2 * std::log(ranks));
  std::vector<double> floors_ns;
  for (const double sigma_ns : sigmas_ns)
    floors_ns.push_back(chances * kMedianError * std::max(sigma_ns, middle_ns) / std::sqrt(static_cast<double>(pairs)));
  return floors_ns;
}

}  // namespace grit
