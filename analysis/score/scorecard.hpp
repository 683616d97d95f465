// Do the health checks catch it? All that a scorecard says.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/score/false_alarms.hpp"
#include "analysis/score/recall.hpp"
#include "analysis/score/score_input.hpp"
#include "analysis/score/together.hpp"
#include "analysis/score/visibility.hpp"

namespace grit {

/// A check that fires in a greater share of shams is not asked what nobody noticed: what it finds may be chance.
constexpr double kQuietShamShare = 0.05;

/// Damage is said to be missed only where no more than this share of it was noticed, by the upper end of the 95 %
/// interval. None of 6 shows as much (46 %), none of 5 does not (52 %).
constexpr double kMostNoticedOfMissed = 0.5;

/// What all checks together made of one kind of damage.
struct CellSummary {
  int injections = 0;  // proven
  /// Of the others why they are not (ScoreSlot::unproven), and how many: they are left out of everything.
  std::map<std::string, int> unproven{};
  std::optional<Effect> harm{};  // on the mean step time; empty: too few pairs
  /// The whole interval is above 0. Of a kind that does no harm that is so in at most 2.5 % of scorecards, of any of 10
  /// such kinds in up to 22 %. It is not corrected over the kinds: with two of them the smallest p that 6 pairs can
  /// give, 0.031, would show no harm any more.
  bool harmful = false;
  std::vector<int> credited{};  // checks
  int found = 0;                // injections that one of these found
  Interval interval{};          // of their share: exact, 95 %
  /// By any check that is quiet in shams, or that would be credited if it were the only one and this the only damage.
  int noticed = 0;
  Interval noticed_interval{};   // of their share: exact, 95 %
  std::vector<int> by_chance{};  // checks that found some and are not credited
  /// It harms, no check is credited for it, and few of its injections were noticed at all. That nobody is credited does
  /// not show as much: where many checks and kinds of damage are asked about, 5 of 6 are too few for credit.
  [[nodiscard]] bool missed() const {
    return harmful && credited.empty() && noticed_interval.high <= kMostNoticedOfMissed;
  }
};

/// Injections that are not proven.
inline int unproven_count(const CellSummary& summary) {
  int count = 0;
  for (const auto& [why, injections] : summary.unproven) count += injections;
  return count;
}

struct Scorecard {
  AlarmFrom alarm = AlarmFrom::warning;
  int rounds = 0;
  int injections = 0;  // proven
  int shams = 0;
  double seconds = 0;                       // from the first slot to the last one's end
  std::vector<int> unread{};                // checks of which no reading told anything, at any time, on any node
  std::vector<CellSummary> cells{};         // in the order of the input, here and below
  std::vector<FalseAlarms> false_alarms{};  // of each check
  std::vector<Recall> recalls{};            // check by check
  std::vector<DoseSeries> series{};
  std::vector<Visibility> visibilities{};
  CoFiring co_firing{};
  Cover cover{};
  /// Cells that are missed, the costliest first.
  std::vector<int> missed{};
  [[nodiscard]] const Recall& recall(std::size_t check, std::size_t cell) const {
    return recalls[check * cells.size() + cell];
  }
  [[nodiscard]] bool was_read(std::size_t check) const {
    return std::find(unread.begin(), unread.end(), static_cast<int>(check)) == unread.end();
  }
};

/// The same input gives the same scorecard.
Scorecard score(const ScoreInput& input, AlarmFrom alarm = AlarmFrom::warning);

}  // namespace grit
