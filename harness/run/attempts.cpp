#include "harness/run/attempts.hpp"

#include <fmt/format.h>

#include "analysis/report/finish.hpp"
#include "harness/base/printable.hpp"
#include "harness/model/attempt.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/held_signals.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

Result<Plan> plan_in(const fs::path& directory) {
  GRIT_TRY(const Json document, read_json(directory / "plan.json"));
  return plan_from_json(document);
}

Status restart_as_needed(Execution execution, const fs::path& run_directory, const AttemptRunner& again,
                         AttemptRun& ran) {
  while (ran.to_revert.empty() && !ran.interrupted && !HeldSignals::any()) {
    const fs::path before = attempt_directory(run_directory, execution.plan.attempt);
    GRIT_TRY(const Plan plan, plan_in(before));  // as the attempt has shortened it
    GRIT_TRY(const AttemptEnd end, attempt_end(before));
    if (plan.attempt > plan.design.restarts || (end.outcome != "rank_death" && end.outcome != "node_loss")) break;
    execution.plan = next_attempt(plan, end.last_block);
    const fs::path next = attempt_directory(run_directory, execution.plan.attempt);
    GRIT_CHECK(prepare_directory(execution, next));
    if (!execution.json)
      fmt::print(stderr, "grit: {}: the job starts again (restart {} of at most {})\n", printable(end.reason),
                 plan.attempt, plan.design.restarts);
    GRIT_TRY(ran, again(execution, next));
  }
  return {};
}

}  // namespace

Result<AttemptRun> run_attempts(const Execution& execution, const fs::path& run_directory, const AttemptRunner& first,
                                const AttemptRunner& again) {
  const HeldSignals signals;
  auto ran = first(execution, run_directory);
  if (ran)
    if (const Status restarted = restart_as_needed(execution, run_directory, again, *ran); !restarted)
      fmt::print(stderr, "grit: the job did not start again: {}\n", printable_lines(restarted.error().message));
  std::error_code ignored;
  fs::remove_all(checkpoint_directory(run_directory, 1), ignored);
  return ran;
}

}  // namespace grit
