// What the pairs that count show: every test and interval of a verdict, from its facts.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "analysis/verdict/run_facts.hpp"
#include "harness/base/json.hpp"
#include "harness/model/collective_record.hpp"
#include "harness/model/step_record.hpp"
#include "harness/model/verdict.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

/// What some pairs show of the steps.
struct StepEffects {
  std::vector<Effect> slowdown{};             // of mean and median step time (paired_effects())
  std::optional<Effect> p99{}, throughput{};  // where the scenario expects something of them
};

struct Findings {
  StepEffects steps{};                         // empty: too few pairs
  std::optional<StepEffects> as_randomised{};  // of all complete pairs; empty: of all of them the faults took effect
  std::optional<Effect> shown{};               // that of mean or median step time which sentence and figures are of
  std::optional<TimeLost> lost_each_time{};
  std::optional<bool> harmful{};  // of the plan's one fault that acts; empty: cannot tell, or there are several
  std::vector<CheckResult> checks{};
  std::optional<Effect> sham{};  // of the statistic that is shown
  bool sham_explains = false;    // the slowdown may be no more than that of sham blocks
  std::optional<Recovery> recovery{};
  std::optional<Culprit> culprit{};
};

/// The effect of that statistic ("mean" or "median"), or the first one; empty: there is none.
std::optional<Effect> of_statistic(std::span<const Effect> effects, std::string_view statistic);

/// One more pass over the records of a plan with recovery blocks, and one where storage of a shared machine is to
/// blame. `clock`, `spans`: as of gather_facts(); `links`: what the link test measured. Never fails.
Findings find_effects(const RunFacts& facts, std::span<const StepRecord> records, const JsonLines& events,
                      const Json& clock, const std::optional<JsonLines>& links,
                      std::span<const CollectiveRecord> spans);

}  // namespace grit
