// Which blocks of a run were done, and which of its pairs count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "analysis/facts/evidence.hpp"
#include "analysis/records/block_times.hpp"
#include "analysis/stats/effect.hpp"
#include "harness/model/plan.hpp"

namespace grit {

/// The share of faults that may be without effect, or may not be known to have had one, in a block that counts: with
/// one idle victim of 500 it is still the same experiment, and what its effect is short of is far below what its
/// interval says. Below 100 faults of a kind none may be.
constexpr double kIdleFaults = 0.01;

/// Are, of each kind of the plan's faults, not more than kIdleFaults of them idle? A kind is those of one name; ends
/// that only receive what another node does are one of their own, so that many faults that do little hide no other.
/// `idle`: by place in Plan::faults.
bool are_few_idle(const Plan& plan, const std::function<bool(std::size_t fault)>& idle);

/// Did the faults take effect in this block (place in Plan::blocks), but for kIdleFaults of each kind?
bool faults_took_effect(const Plan& plan, const RunEvidence& evidence, std::size_t block);

/// The pairs that count, and why others do not.
struct CountedPairs {
  std::vector<PairTimes> usable{};
  /// With those whose faults did not, or may not, have taken effect: as the coin had it. Whether a fault acts can hang
  /// on how the job goes, and then the pairs that are left are no longer those that the coin chose.
  std::vector<PairTimes> as_randomised{};
  int planned = 0;
  int incomplete = 0;                 // both blocks began, but records are missing or the last one was cut short
  int without_effect = 0;             // faults did not take effect
  int unread = 0;                     // none is known not to have, but of too many it is not known that they did
  int partly = 0;                     // usable ones in which some fault, but few (are_few_idle()), was without effect
  std::uint64_t missing_records = 0;  // of the usable ones
  [[nodiscard]] std::vector<int> numbers() const;  // Block::pair of the usable ones
};

/// A view of a run's records and events together, block by block.
class DoneBlocks {
 public:
  /// All three are kept by the caller.
  DoneBlocks(const Plan& plan, const RunTimes& times, const RunEvidence& evidence)
      : plan_(plan), times_(times), evidence_(evidence) {}

  [[nodiscard]] bool began(std::size_t block) const {
    return times_.blocks[block].any_record || evidence_.block_begun[block];
  }
  /// Not cut short: something came after it, or its last step is known to be its last.
  [[nodiscard]] bool ended(std::size_t block) const;
  /// Began and ended, of those that were due; steps only where the block has any.
  [[nodiscard]] std::size_t done() const;
  [[nodiscard]] CountedPairs pairs() const;
  /// The baselines of the pairs that count, against their sham blocks.
  [[nodiscard]] std::vector<PairTimes> sham_pairs(const CountedPairs& pairs) const;

 private:
  const Plan& plan_;
  const RunTimes& times_;
  const RunEvidence& evidence_;
};

}  // namespace grit
