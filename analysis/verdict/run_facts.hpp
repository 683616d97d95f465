// What a run's files prove, before anything is tested: step times, which faults took effect, which pairs count, how it
// ended.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/facts/counted_pairs.hpp"
#include "analysis/facts/evidence.hpp"
#include "analysis/facts/timing.hpp"
#include "analysis/records/block_times.hpp"
#include "analysis/records/own_work.hpp"
#include "harness/base/json.hpp"
#include "harness/model/collective_record.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"
#include "harness/model/verdict.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

struct RunFacts {
  const Plan& plan;  // kept by the caller
  RunTimes times{};
  OwnWork work{};
  RunEvidence evidence{};
  FaultTiming timing{};
  CountedPairs pairs{};
  std::vector<PairTimes> sham_pairs{};  // of the pairs that count, their baselines against their sham blocks
  double baseline_step_ns = 0;          // median over baseline blocks of the mean step time
  std::optional<Restarts> restarts{};   // of a run with Design::restarts; then the outcome is that of the last attempt
  int looks = 1;                        // planned (looks_of())
  std::vector<FaultResult> faults{};    // without `harmful`
  bool never_took_effect = false;       // of some kind of fault too many (are_few_idle()) are known to have had no
                                        // effect in any window
  bool unread = false;                  // if not: of too many it is not known whether they had one in even one window
  std::string outcome = "completed";    // Verdict::outcome
  std::string ending{};                 // why it is not "completed", in words
  std::vector<std::string> reasons{};   // what may still be in force or was left behind, and how the run ended
  /// Verdict::wrong_data.
  std::optional<WrongData> wrong_data{};

  /// It ended as the scenario says it would: then what a step costs is not the question.
  [[nodiscard]] bool ended_as_expected() const {
    return !plan.expect.outcome.empty() && outcome == plan.expect.outcome;
  }
};

/// One pass over the records, and where spans are needed (OwnWork::is_one_group()) what step_graphs() takes. `clock` is
/// clock.json, for what compares nodes' clocks. Never fails: what is missing or broken is a fact, too.
RunFacts gather_facts(const Plan& plan, std::span<const StepRecord> records, const JsonLines& events, const Json& clock,
                      std::span<const CollectiveRecord> spans = {});

}  // namespace grit
