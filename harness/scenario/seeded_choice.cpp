#include "harness/scenario/seeded_choice.hpp"

#include <algorithm>
#include <numeric>

namespace grit {

std::vector<int> SeededChoice::sample(int n, int k) {
  GRIT_ASSERT(k >= 0 && k <= n);
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  for (int i = 0; i < k; ++i) {
    const auto other = i + static_cast<int>(below(static_cast<std::uint64_t>(n - i)));
    std::swap(all[static_cast<std::size_t>(i)], all[static_cast<std::size_t>(other)]);
  }
  all.resize(static_cast<std::size_t>(k));
  std::sort(all.begin(), all.end());
  return all;
}

std::vector<int> SeededChoice::order(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  for (std::size_t left = all.size(); left > 1; --left) std::swap(all[left - 1], all[below(left)]);
  return all;
}

}  // namespace grit
