// What the pairs that count show: every test and interval of a verdict, from its facts.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "analysis/verdict/run_facts.hpp"
#include "harness/model/step_record.hpp"
#include "harness/model/verdict.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

struct Findings {
  std::vector<Effect> effects{};  // of mean and median step time (paired_effects()); empty: too few pairs
  std::optional<Effect> shown{};  // the one of them that sentence and figures are of
  std::optional<TimeLost> lost_each_time{};
  std::optional<bool> harmful{};  // of the plan's one fault that acts; empty: cannot tell, or there are several
  std::vector<CheckResult> checks{};
  std::optional<Effect> sham{};  // of the statistic that is shown
  bool sham_explains = false;    // the slowdown may be no more than that of sham blocks
  std::optional<Recovery> recovery{};
  std::optional<Culprit> culprit{};
};

/// One more pass over the records of a plan with recovery blocks. `links`: what the link test measured. Never fails.
Findings find_effects(const RunFacts& facts, std::span<const StepRecord> records, const JsonLines& events,
                      const std::optional<JsonLines>& links);

}  // namespace grit
