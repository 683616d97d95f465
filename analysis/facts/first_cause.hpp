// Which of the things that end a run came first, whoever told what later: the others followed from it, or are no news.
#pragma once

#include <optional>
#include <vector>

#include "analysis/records/node_clocks.hpp"
#include "harness/model/ending.hpp"

namespace grit {

class FirstCause {
 public:
  /// In the order in which the recorder wrote them.
  void take(const Json& event) {
    if (auto cause = end_cause_in(event)) causes_.push_back({*cause, event});
  }

  struct Found {
    EndCause cause{};
    Json event{};
    std::optional<EndCause> rival{};      // of another node, so close to it that the clocks cannot tell which was first
    std::optional<EndCause> death{};      // of a rank of the lost node, right before its last sign
    std::optional<std::int64_t> at_ns{};  // node 0's time; empty: not known
    std::optional<std::int64_t> death_before_ns{};  // so long before; empty: the clocks cannot tell which was first
  };

  /// Times are put on node 0's clock: by clock.json, or, for a node that it does not have, by when the recorder there
  /// heard of it. Where neither is known, all are taken in the order in which they were written. Then the earliest, but
  /// for these:
  ///   - a rank or agent that was told to end only counts when nothing else does: launchers do that to the ranks that a
  ///     death leaves. When whoever started the run interrupted it, that is why they were told;
  ///   - when a node is lost, the deaths of its own ranks within the second before its last sign are part of that: the
  ///     outcome is the loss, and the first of them is told with it, for it may be why.
  /// A death counts from when it was first seen, a failed revert from its last try, a lost recorder from when that was
  /// told: before, it could still have come back. A hang counts from when it was told: a death in the same step, which
  /// the hang follows from, is earlier; a rank that dies of a hang dies later.
  [[nodiscard]] std::optional<Found> decide(const NodeClocks& clocks) const;

 private:
  struct Told {
    EndCause cause{};
    Json event{};
  };
  std::vector<Told> causes_{};
};

}  // namespace grit
