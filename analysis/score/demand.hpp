// Is a scorecard good enough? For pipelines: yes, no, or not known yet.
#pragma once

#include <string>
#include <string_view>

#include "analysis/score/scorecard.hpp"

namespace grit {

/// The numbers are exit codes.
enum class DemandDecision { met = 0, not_met = 1, cannot_tell = 2 };

struct DemandResult {
  DemandDecision decision = DemandDecision::cannot_tell;
  std::string text{};  // what decided it, in a sentence
};

/// Is each kind of damage that is proven to harm, or that any check is credited for, found by the credited checks in
/// this share or more, with 95 % confidence? A kind that harms and that nobody is credited for counts as never found.
/// `fault`: only that one's kinds; empty: all. not_met: of some kind the share is less, likewise
/// sure, also if what quiet checks noticed without credit is counted. What is said of it when met counts the kinds that
/// were asked about, and those that were not done: of these nothing is known.
DemandResult demand_recall(const ScoreInput& input, const Scorecard& card, double least, std::string_view fault = {});

/// Does each check alarm at most so often in a healthy hour of a node, with 95 % confidence? One that is always on does
/// not.
DemandResult demand_false_alarms(const ScoreInput& input, const Scorecard& card, double most_per_hour);

/// The fewest injections that show a share, with none missed, one, and so on: "29 of 29, 45 of 46, 59 of 61".
std::string shown_by(double least);

}  // namespace grit
