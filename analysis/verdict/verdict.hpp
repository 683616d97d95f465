// From a plan, its step records and its events to a verdict.
//
// It is the same code for a run that ended well and for one that was cut off: it only ever sees what is on disk. The
// rules, in order:
//   1. A window counts when every fault of the plan was applied and acting in it, a pair when its window counts and
//      all ranks' records of both blocks are there. Everything else is left out and said.
//   2. A fault that took effect in no window, fewer than six pairs, an outcome other than "completed", or a fault
//      that may still be in force (later baselines would not be any) make it inconclusive: never a pass. So does a
//      slowdown that is no larger than that of sham blocks.
//   3. Otherwise each expectation is met, not met, or cannot be told from these intervals. All met: reproduced; any
//      not met: not_reproduced; else inconclusive, with the effect that such a run could have shown.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "analysis/records/block_times.hpp"
#include "analysis/records/own_work.hpp"
#include "analysis/verdict/restarts.hpp"
#include "harness/base/json.hpp"
#include "harness/model/collective_record.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"
#include "harness/model/verdict.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

/// A verdict, and what was read from the records for it: the report shows the same figures and need not read them
/// again.
struct Judgement {
  Verdict verdict{};
  RunTimes times{};
  OwnWork work{};
};

/// Never fails: what is missing or broken in the records or events is a reason in the verdict. One pass over the
/// records, one more over those of recovery blocks, and one where a shared machine's storage is to blame. `clock`:
/// clock.json, for what compares nodes' clocks; `links`: what the link test measured, as of read_links(); `spans`: of
/// collectives.npy, without which nobody is blamed where ranks do not all meet in one group. `later`: of a run with
/// Design::restarts, whose first attempt these are; null: of another, or of a later attempt.
Judgement judge_run(const Plan& plan, std::span<const StepRecord> records, const JsonLines& events,
                    const Json& clock = nullptr, const std::optional<JsonLines>& links = {},
                    std::span<const CollectiveRecord> spans = {}, const LaterAttempts* later = nullptr);
/// The verdict alone.
Verdict judge(const Plan& plan, std::span<const StepRecord> records, const JsonLines& events,
              const Json& clock = nullptr, const std::optional<JsonLines>& links = {},
              std::span<const CollectiveRecord> spans = {});

/// A fault may still be in force on a node, or one is not as it was before: exit with 70 and tell the user (reasons[0]
/// does).
bool left_something_behind(const Verdict& verdict);

}  // namespace grit
