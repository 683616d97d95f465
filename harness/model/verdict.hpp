// What a run shows. verdict.json is this, and the report shows nothing that is not in it or in the run's records.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.hpp"

namespace grit {

enum class VerdictKind { reproduced, not_reproduced, inconclusive };
std::string_view to_string(VerdictKind kind);

/// Exit code of a verdict (DESIGN §10): 0, 1, 2.
int exit_code(VerdictKind kind);

/// Effects are fractions: 0.10 is 10 % slower.
struct Effect {
  double estimate = 0;
  double ci_low = 0;
  double ci_high = 0;
  double p = 1;
  int pairs = 0;
  double minimum_detectable = 0;
  std::string statistic{};  // "mean" | "median": the statistic of the step time the figures are of
};

struct FaultResult {
  std::string name;
  std::string node;      // the node's name
  std::string device{};
  std::string mechanism{};
  int windows = 0;       // fault blocks that ran
  int applied = 0;       // windows with proof from the kernel that it was in force
  int acting = 0;        // windows in which the fault's own counter moved
  int reverted = 0;      // windows after which the kernel showed the state from before
  int unreverted = 0;    // windows after which it may still be in force: somebody must mend that node
  std::optional<bool> harmful{};  // the effect's CI lies above 0; empty: cannot tell
};

struct ExpectationResult {
  std::string text;
  std::optional<bool> met{};  // empty: cannot tell
};

struct CheckResult {
  std::string name;
  std::string node;
  int baseline_runs = 0, baseline_failures = 0;
  int fault_runs = 0, fault_failures = 0;
};

struct Verdict {
  std::string scenario{};             // Plan::scenario_name
  VerdictKind kind = VerdictKind::inconclusive;
  std::string outcome = "completed";  // completed | interrupted | rank_death | node_loss | corruption | failed
  std::string sentence{};             // the one sentence a manager understands
  std::vector<std::string> reasons{}; // why inconclusive, what was odd
  std::vector<std::string> emulated{};
  std::optional<Effect> effect{};
  std::vector<FaultResult> faults{};
  std::vector<ExpectationResult> expectations{};
  std::vector<CheckResult> checks{};
  double baseline_step_ns = 0;        // median over baseline blocks of the time per step
};

Json to_json(const Verdict& verdict);
Result<Verdict> verdict_from_json(const Json& json);

}  // namespace grit
