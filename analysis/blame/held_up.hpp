// By how much each rank held up the others under the fault, and whether that is more than noise.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "analysis/facts/usage_growth.hpp"
#include "analysis/records/own_work.hpp"

namespace grit {

/// All figures are a step's, of the fault block of a pair less those of its baseline block.
class HeldUp {
 public:
  HeldUp(const Plan& plan, const OwnWork& work, const UsageGrowth& usage, const std::vector<BlockPair>& pairs);

  /// Of a rank: what it did not work for the others (its own work, or the time it was stopped in, if that is more),
  /// less the median of all other ranks; the middle over the pairs.
  [[nodiscard]] double excess_ns(std::size_t rank) const { return excess_ns_[rank]; }
  /// What that may be by chance: see noise_floors_ns().
  [[nodiscard]] double floor_ns(std::size_t rank) const { return floor_ns_[rank]; }
  /// Nodes with a rank beyond its floor, the one that stands out most first.
  struct Outstanding {
    std::size_t node = 0, rank = 0;  // its rank with the largest excess
  };
  [[nodiscard]] const std::vector<Outstanding>& outstanding() const { return outstanding_; }

  /// Of a node in one pair, by the rank of it that held up most.
  [[nodiscard]] double of_node_ns(std::size_t pair, std::size_t node) const { return of_node_ns_[pair][node]; }
  /// The longest time that one of its ranks was stopped inside of collectives, which step records show as
  /// communication: never more than communication grew by.
  [[nodiscard]] double hidden_ns(std::size_t pair, std::size_t node) const { return hidden_ns_[pair][node]; }
  /// By how much communication grew.
  [[nodiscard]] double communication_ns(std::size_t pair) const { return communication_ns_[pair]; }

 private:
  void find_outstanding(const Plan& plan);

  std::vector<double> excess_ns_{}, floor_ns_{};                 // by rank
  std::vector<std::vector<double>> of_node_ns_{}, hidden_ns_{};  // by pair and node
  std::vector<double> communication_ns_{};                       // by pair
  std::vector<Outstanding> outstanding_{};
};

/// What the excess of each rank, a median over `pairs` pairs, may be by chance. `noise_ns`: by rank, the same
/// difference between one baseline block and the next, at least one each. The error of a median of n is 1.253 s /
/// sqrt(n), with s from the median absolute value (P. J. Huber, Robust Statistics, 1981), which of few values is often
/// far too small: a rank's s is therefore at least that of the middle rank, and the multiple of the error grows with
/// the number of ranks of which one is to stand out, as the largest of so many does.
std::vector<double> noise_floors_ns(const std::vector<std::vector<double>>& noise_ns, std::size_t pairs);

}  // namespace grit
