#include "analysis/stats/change_points.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "analysis/stats/autocorrelation.hpp"
#include "analysis/stats/median.hpp"
#include "analysis/stats/two_samples.hpp"

namespace grit {
namespace {

/// Standard errors added to the autocorrelation for each change, see change_points.hpp.
constexpr double kChosenMargin = 1;

struct Split {
  double divergence = -1;  // below 0: the stretch is too short to be divided
  std::size_t place = 0;   // of the first value after it
};

/// The largest divergence Q(X, Y) over all X = values[0, tau) and Y = values[tau, kappa), equation (7) of the paper.
/// Sums of distances are kept up to date, so that it takes n^2 steps and not n^4.
Split best_split(std::span<const double> values, std::size_t shortest) {
  Split best;
  const std::size_t n = values.size();
  if (n < 2 * shortest) return best;
  std::vector<double> to_all(n, 0.0);   // of each value to all before it
  std::vector<double> to_left(n, 0.0);  // of each value to those before tau
  for (std::size_t k = 1; k < n; ++k)
    for (std::size_t i = 0; i < k; ++i) to_all[k] += std::abs(values[i] - values[k]);
  double within_left = 0;
  for (std::size_t tau = 1; tau + shortest <= n; ++tau) {
    within_left += to_all[tau - 1];
    for (std::size_t k = tau; k < n; ++k) to_left[k] += std::abs(values[tau - 1] - values[k]);
    if (tau < shortest) continue;
    double between = 0, within_right = 0;
    const auto left = static_cast<double>(tau);
    const double left_part = 2 * within_left / (left * (left - 1));
    for (std::size_t kappa = tau + 1; kappa <= n; ++kappa) {
      between += to_left[kappa - 1];
      within_right += to_all[kappa - 1] - to_left[kappa - 1];
      if (kappa - tau < shortest) continue;
      const auto right = static_cast<double>(kappa - tau);
      const double distance = 2 * between / (left * right) - left_part - 2 * within_right / (right * (right - 1));
      const double divergence = left * right / (left + right) * distance;
      if (divergence > best.divergence) best = {divergence, tau};
    }
  }
  return best;
}

/// See ChangePoint::spread. Two medians were taken from the values, as two means would take two degrees of freedom.
double spread_of(std::span<const double> left, std::span<const double> right) {
  constexpr double kNormal = 1.4826;
  std::vector<double> deviations;
  for (const auto& values : {left, right}) {
    const double center = median({values.begin(), values.end()});
    for (const double value : values) deviations.push_back(std::abs(value - center));
  }
  const auto n = static_cast<double>(deviations.size());
  return kNormal * median(deviations) * std::sqrt(n / (n - 2));
}

class Search {
 public:
  Search(std::span<const double> values, const ChangePointOptions& options)
      : values_(values.begin(), values.end()), options_(options), random_(options.seed), borders_{0, values.size()} {
    for (const Split& split : splits_of(values_)) splits_.push_back(split);
  }

  std::vector<ChangePoint> run() {
    while (divide_once()) {
    }
    std::vector<ChangePoint> found;
    for (std::size_t i = 1; i + 1 < borders_.size(); ++i) {
      const auto left = stretch(values_, i - 1), right = stretch(values_, i);
      found.push_back({.first = borders_[i],
                       .p = p_of_border_[i - 1],
                       .shift = median({right.begin(), right.end()}) - median({left.begin(), left.end()}),
                       .spread = spread_of(left, right)});
    }
    return found;
  }

 private:
  [[nodiscard]] std::span<const double> stretch(const std::vector<double>& values, std::size_t index) const {
    return std::span(values).subspan(borders_[index], borders_[index + 1] - borders_[index]);
  }

  [[nodiscard]] std::vector<Split> splits_of(const std::vector<double>& values) const {
    std::vector<Split> splits;
    for (std::size_t i = 0; i + 1 < borders_.size(); ++i)
      splits.push_back(best_split(stretch(values, i), options_.shortest));
    return splits;
  }

  static bool less_divergent(const Split& a, const Split& b) { return a.divergence < b.divergence; }

  /// Of "no further change": the share of permutations within the stretches that do as well, the real order counted
  /// among them. Stops as soon as it cannot be alpha or less any more.
  double permutation_p(double divergence) {
    constexpr std::size_t kMany = 500;  // values, above which fewer permutations must do (199 as in the paper)
    const int permutations = values_.size() > kMany ? 199 : 999;
    std::vector<double> shuffled = values_;
    int as_good = 1;
    for (int i = 0; i < permutations && as_good <= options_.alpha * (permutations + 1); ++i) {
      for (std::size_t j = 0; j + 1 < borders_.size(); ++j)
        std::shuffle(shuffled.begin() + static_cast<std::ptrdiff_t>(borders_[j]),
                     shuffled.begin() + static_cast<std::ptrdiff_t>(borders_[j + 1]), random_);
      const auto splits = splits_of(shuffled);
      const double best = std::max_element(splits.begin(), splits.end(), less_divergent)->divergence;
      if (best >= divergence * (1 - 1e-9)) ++as_good;
    }
    return static_cast<double>(as_good) / (permutations + 1);
  }

  bool divide_once() {
    const auto best = std::max_element(splits_.begin(), splits_.end(), less_divergent);
    if (best->divergence <= 0) return false;
    const double p = permutation_p(best->divergence);
    if (p > options_.alpha) return false;
    const auto index = static_cast<std::size_t>(best - splits_.begin());
    const std::size_t border = borders_[index] + best->place;
    borders_.insert(borders_.begin() + static_cast<std::ptrdiff_t>(index) + 1, border);
    p_of_border_.insert(p_of_border_.begin() + static_cast<std::ptrdiff_t>(index), p);
    splits_ = splits_of(values_);
    return true;
  }

  std::vector<double> values_;
  ChangePointOptions options_;
  std::mt19937_64 random_;
  std::vector<std::size_t> borders_;
  std::vector<double> p_of_border_{};  // of borders_[1], borders_[2] ...
  std::vector<Split> splits_{};        // one for each stretch
};

/// Of the series about its changes, with the margin for their having been chosen.
double autocorrelation_about(std::span<const double> values, const std::vector<ChangePoint>& changes) {
  std::vector<std::size_t> stretches;
  std::size_t stretch = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (stretch < changes.size() && changes[stretch].first == i) ++stretch;
    stretches.push_back(stretch);
  }
  const double error = 1 / std::sqrt(static_cast<double>(values.size()));
  return Wandering(stretches).coefficient(residuals(values, stretches).autocorrelation() +
                                          kChosenMargin * error * static_cast<double>(changes.size()));
}

/// Of each value what the one before it does not make likely. `level`: the mean of the first stretch.
std::vector<double> innovations(std::span<const double> values, double coefficient, double level) {
  std::vector<double> rest{std::sqrt(1 - coefficient * coefficient) * (values.front() - level)};
  for (std::size_t i = 1; i < values.size(); ++i)
    rest.push_back((values[i] - level) - coefficient * (values[i - 1] - level));
  return rest;
}

void mark_wandering(std::vector<ChangePoint>& changes, std::span<const double> values,
                    const ChangePointOptions& options) {
  if (changes.empty()) return;
  const double coefficient = autocorrelation_about(values, changes);
  for (ChangePoint& change : changes) change.autocorrelation = coefficient;
  if (coefficient <= 0) return;
  const auto first = values.first(changes.front().first);
  const double level = std::accumulate(first.begin(), first.end(), 0.0) / static_cast<double>(first.size());
  const std::vector<ChangePoint> again = Search(innovations(values, coefficient, level), options).run();
  for (ChangePoint& change : changes)
    change.wandering = std::none_of(again.begin(), again.end(), [&](const ChangePoint& other) {
      return other.first + 1 >= change.first && other.first <= change.first + 1 &&
             (other.shift > 0) == (change.shift > 0);
    });
}

}  // namespace

std::vector<Newest> compare_newest(std::span<const double> stretch, std::size_t most, double alpha) {
  std::vector<Newest> all;
  for (std::size_t count = 1; count <= most && count < stretch.size(); ++count) {
    const auto before = stretch.first(stretch.size() - count), after = stretch.last(count);
    const auto mean = [](std::span<const double> values) {
      return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
    };
    Newest newest{count, mean(after) - mean(before), HUGE_VAL};
    if (before.size() >= 2) {
      const double freedom = static_cast<double>(before.size() - 1);
      double squares = 0;
      for (const double value : before) squares += (value - mean(before)) * (value - mean(before));
      std::vector<std::size_t> groups(stretch.size(), 0);
      std::fill(groups.end() - static_cast<std::ptrdiff_t>(count), groups.end(), 1);
      newest.half_width =
          Wandering(groups).inflation_of(residuals(stretch, groups).autocorrelation(), 1) *
          student_t_critical(alpha / static_cast<double>(most), freedom) *
          std::sqrt(squares / freedom * (1 / static_cast<double>(count) + 1 / static_cast<double>(before.size())));
    }
    all.push_back(newest);
  }
  return all;
}

std::vector<ChangePoint> change_points(std::span<const double> values, const ChangePointOptions& options) {
  if (values.size() < 2 * options.shortest) return {};
  std::vector<ChangePoint> found = Search(values, options).run();
  mark_wandering(found, values, options);
  return found;
}

}  // namespace grit
