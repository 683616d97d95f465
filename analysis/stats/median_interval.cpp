#include "analysis/stats/median_interval.hpp"

#include <algorithm>
#include <cmath>

namespace grit {

double at_most_heads(int heads, int coins) {
  const double all = coins * std::log(2.0), n_factorial = std::lgamma(coins + 1.0);
  double sum = 0;
  for (int k = 0; k <= heads; ++k)
    sum += std::exp(n_factorial - std::lgamma(k + 1.0) - std::lgamma(coins - k + 1.0) - all);
  return std::min(sum, 1.0);
}

std::optional<Interval> median_interval(std::vector<double> values, double alpha_each) {
  const auto count = static_cast<int>(values.size());
  int below = 0;  // values that may be left out at each end
  while (below < count && at_most_heads(below, count) <= alpha_each) ++below;
  if (below == 0) return std::nullopt;
  std::sort(values.begin(), values.end());
  const auto end = static_cast<std::size_t>(below - 1);
  return Interval{values[end], values[values.size() - 1 - end]};
}

}  // namespace grit
