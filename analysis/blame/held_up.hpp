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
  /// less that of its peers (Peers::excess()); the middle over the pairs.
  [[nodiscard]] double excess_ns(std::size_t rank) const { return excess_ns_[rank]; }
  /// The share of the pairs in which it was at least half of that: what is slow is so in nearly all of them, while who
  /// stalls now and then was in some.
  [[nodiscard]] double steadiness(std::size_t rank) const { return steadiness_[rank]; }
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

  std::vector<double> excess_ns_{}, steadiness_{}, floor_ns_{};  // by rank
  std::vector<std::vector<double>> of_node_ns_{}, hidden_ns_{};  // by pair and node
  std::vector<double> communication_ns_{};                       // by pair
  std::vector<Outstanding> outstanding_{};
};

}  // namespace grit
