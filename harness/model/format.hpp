// The number in "format", which every JSON document that grit writes has: a member of the document, or of the first
// line of a file of one object a line. docs/schema has a schema for each.
//
// A number goes up when an older grit could misread what a newer one writes: a member that goes away, or gets another
// meaning or type. A new member does not count: whoever reads passes over members it does not know, and takes an older
// document's missing ones at their defaults. What is newer than the reader is refused, never guessed at.
#pragma once

#include <string_view>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"

namespace grit {

struct Format {
  std::string_view document;  // "plan.json"
  int number;                 // what this grit writes; it reads this and all before
};

namespace formats {

inline constexpr Format kPlan{"plan.json", 2};
inline constexpr Format kVerdict{"verdict.json", 2};  // of a run or a series; 2: "applied", "acting" and "harmful" of a
                                                      // fault may be null, where it is not known
inline constexpr Format kSeries{"series.json", 2};    // 2: options have types, draws go by their order
inline constexpr Format kRun{"run.json", 1};
inline constexpr Format kEvents{"events.jsonl", 1};
inline constexpr Format kLinks{"links.jsonl", 1};
inline constexpr Format kClock{"clock.json", 1};
inline constexpr Format kEnvironment{"env/node.json", 1};
inline constexpr Format kComparison{"comparison.json", 1};  // also grit compare --json
inline constexpr Format kTrend{"trend.json", 1};            // grit compare --series --json
inline constexpr Format kScore{"score.json", 1};            // a scorecard of health checks
inline constexpr Format kDamages{"damages.json", 1};        // which runs a scorecard is made of
inline constexpr Format kPrediction{"prediction.json", 1};  // of a larger job (grit simulate)
inline constexpr Format kDoctor{"doctor.json", 1};          // grit doctor --json
inline constexpr Format kBurninLog{"burnin.jsonl", 1};
inline constexpr Format kBurnin{"burnin.json", 1};
inline constexpr Format kReference{"reference.json", 1};  // what a later burn-in is held against

}  // namespace formats

/// May this grit read the document? One without a number was written before there were any, and may be read.
/// Error (usage): its format is a newer one, or no number; names both formats and says what to do.
Status check_format(const Json& document, const Format& format);

}  // namespace grit
