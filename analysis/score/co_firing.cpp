#include <algorithm>

#include "analysis/score/together.hpp"
#include "analysis/stats/median.hpp"

namespace grit {
namespace {

constexpr int kEnoughToSayTheSame = 10;

bool counts_as_injection(const ScoreSlot& slot) { return !slot.sham && counts(slot); }

Together together(const ScoreInput& input, const std::vector<Detection>& row, const std::vector<Detection>& column) {
  Together result;
  std::vector<double> lags_ns;
  for (std::size_t i = 0; i < input.slots.size(); ++i) {
    if (!counts_as_injection(input.slots[i]) || !row[i].found) continue;
    ++result.of;
    if (!column[i].found) continue;
    ++result.both;
    lags_ns.push_back(static_cast<double>(column[i].after_ns - row[i].after_ns));
  }
  if (!lags_ns.empty()) result.lag_ns = median(std::move(lags_ns));
  return result;
}

/// Clusters are joined by the mean distance of their members, the nearest first; the joined ones stand side by side.
std::vector<int> order_by_linkage(const std::vector<std::vector<double>>& distance) {
  std::vector<std::vector<int>> clusters;
  for (std::size_t i = 0; i < distance.size(); ++i) clusters.push_back({static_cast<int>(i)});
  const auto apart = [&](const std::vector<int>& a, const std::vector<int>& b) {
    double sum = 0;
    for (const int i : a)
      for (const int j : b) sum += distance[static_cast<std::size_t>(i)][static_cast<std::size_t>(j)];
    return sum / static_cast<double>(a.size() * b.size());
  };
  while (clusters.size() > 1) {
    std::size_t first = 0, second = 1;
    double nearest = 2;
    for (std::size_t i = 0; i < clusters.size(); ++i)
      for (std::size_t j = i + 1; j < clusters.size(); ++j)
        if (const double here = apart(clusters[i], clusters[j]); here < nearest) nearest = here, first = i, second = j;
    clusters[first].insert(clusters[first].end(), clusters[second].begin(), clusters[second].end());
    clusters.erase(clusters.begin() + static_cast<std::ptrdiff_t>(second));
  }
  return clusters.empty() ? std::vector<int>{} : clusters.front();
}

}  // namespace

CoFiring co_firing(const ScoreInput& input, const Detections& detections) {
  const std::size_t checks = input.checks.size();
  CoFiring result;
  for (std::size_t row = 0; row < checks; ++row) {
    result.pairs.emplace_back();
    for (std::size_t column = 0; column < checks; ++column)
      result.pairs.back().push_back(together(input, detections[row], detections[column]));
  }
  std::vector<std::vector<double>> distance(checks, std::vector<double>(checks, 1));
  for (std::size_t row = 0; row < checks; ++row)
    for (std::size_t column = 0; column < checks; ++column) {
      const Together& pair = result.pairs[row][column];
      const int either = pair.of + result.pairs[column][row].of - pair.both;
      if (either > 0) distance[row][column] = 1 - static_cast<double>(pair.both) / either;
      if (row < column && either == pair.both && either >= kEnoughToSayTheSame)
        result.say_the_same.emplace_back(static_cast<int>(row), static_cast<int>(column));
    }
  result.order = order_by_linkage(distance);
  return result;
}

}  // namespace grit
