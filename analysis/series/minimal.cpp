#include "analysis/series/minimal.hpp"

#include <algorithm>
#include <numeric>

namespace grit {
namespace {

/// What has been answered; remembers the first set whose answer is needed and not there.
class Oracle {
 public:
  explicit Oracle(std::span<const SubsetAnswer> asked) : asked_(asked) {}

  /// Is the symptom there? False while it must be asked.
  bool yes(const FaultSet& faults) {
    const std::vector<VerdictKind> all = answers(faults);
    if (all.empty() || (all.size() == 1 && all[0] == VerdictKind::inconclusive)) return need(faults);
    const VerdictKind answer = all[0] == VerdictKind::inconclusive ? all[1] : all[0];
    return answer == VerdictKind::reproduced;
  }

  /// yes(), and once more on fresh data.
  bool surely(const FaultSet& faults) {
    if (!yes(faults)) return false;
    const std::vector<VerdictKind> all = answers(faults);
    const auto first = std::find(all.begin(), all.end(), VerdictKind::reproduced);
    if (first + 1 == all.end()) return need(faults);
    return *(first + 1) == VerdictKind::reproduced;
  }

  [[nodiscard]] const std::optional<FaultSet>& needed() const { return needed_; }

 private:
  [[nodiscard]] std::vector<VerdictKind> answers(const FaultSet& faults) const {
    std::vector<VerdictKind> all;
    for (const SubsetAnswer& one : asked_)
      if (one.faults == faults) all.push_back(one.answer);
    return all;
  }

  bool need(const FaultSet& faults) {
    if (!needed_) needed_ = faults;
    return false;
  }

  std::span<const SubsetAnswer> asked_;
  std::optional<FaultSet> needed_{};
};

/// The sets of `size` out of 0 .. faults-1, in order.
std::vector<FaultSet> sets_of(int faults, int size) {
  std::vector<FaultSet> sets;
  for (unsigned mask = 1; mask < 1U << faults; ++mask) {
    FaultSet set;
    for (int fault = 0; fault < faults; ++fault)
      if ((mask >> fault & 1U) != 0) set.push_back(fault);
    if (static_cast<int>(set.size()) == size) sets.push_back(std::move(set));
  }
  return sets;
}

std::optional<FaultSet> smallest_of_all(int faults, Oracle& oracle) {
  for (int size = 1; size <= faults; ++size)
    for (const FaultSet& set : sets_of(faults, size)) {
      if (oracle.surely(set)) return set;
      if (oracle.needed()) return std::nullopt;
    }
  return std::nullopt;
}

/// Cuts into n parts of nearly the same size.
std::vector<FaultSet> parts_of(const FaultSet& set, std::size_t n) {
  std::vector<FaultSet> parts;
  for (std::size_t i = 0; i < n; ++i) {
    const auto begin = set.begin() + static_cast<std::ptrdiff_t>(i * set.size() / n);
    const auto end = set.begin() + static_cast<std::ptrdiff_t>((i + 1) * set.size() / n);
    parts.emplace_back(begin, end);
  }
  return parts;
}

FaultSet without(const FaultSet& set, const FaultSet& part) {
  FaultSet rest;
  std::set_difference(set.begin(), set.end(), part.begin(), part.end(), std::back_inserter(rest));
  return rest;
}

/// ddmin. An answer that is needed ends it early; it is then called again with that answer.
std::optional<FaultSet> delta_debug(FaultSet current, Oracle& oracle) {
  for (std::size_t n = 2; current.size() >= 2;) {
    const std::vector<FaultSet> parts = parts_of(current, n);
    std::optional<FaultSet> smaller;
    for (std::size_t i = 0; i < parts.size() && !smaller && !oracle.needed(); ++i)
      if (oracle.yes(parts[i])) smaller = parts[i];
    const bool by_complement = !smaller && n > 2;
    for (std::size_t i = 0; by_complement && i < parts.size() && !smaller && !oracle.needed(); ++i)
      if (const FaultSet rest = without(current, parts[i]); oracle.yes(rest)) smaller = rest;
    if (oracle.needed()) return std::nullopt;
    if (smaller) {
      n = by_complement ? std::max<std::size_t>(n - 1, 2) : 2;
      current = std::move(*smaller);
      n = std::min(n, current.size());
    } else if (n < current.size()) {
      n = std::min(2 * n, current.size());
    } else {
      break;
    }
  }
  if (!oracle.surely(current)) return std::nullopt;
  return current;
}

}  // namespace

MinimalStep next_subset(int faults, std::span<const SubsetAnswer> asked) {
  Oracle oracle(asked);
  FaultSet all(static_cast<std::size_t>(faults));
  std::iota(all.begin(), all.end(), 0);
  if (!oracle.yes(all)) return {.ask = oracle.needed()};
  auto smallest = faults <= kFactorialLimit ? smallest_of_all(faults, oracle) : delta_debug(all, oracle);
  if (oracle.needed()) return {.ask = oracle.needed()};
  return {.smallest = std::move(smallest)};
}

}  // namespace grit
