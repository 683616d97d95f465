// A series of trials: what is searched, what was decided and what came of it. series.json is this, written durably
// before every trial (the intent) and after it (the result), so that a series can go on after a reboot.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/model/dose_scale.hpp"
#include "harness/model/scenario.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

/// What a series looks for: `search = grit.search.<name> { ... }`, or `drive = function(trial) ... end`
/// (docs/scenarios.md). Doses are values of one option, in the base unit of its `unit`.
struct SearchSpec {
  enum class Kind { none, magnitude, yes_no, escalate, minimal, drive };
  Kind kind = Kind::none;  // none: the scenario is one run
  std::string option{};
  Unit unit = Unit::number;
  double from = 0, to = 0;           // from < to
  bool linear = false;               // how doses are spread; else in equal ratios
  std::optional<bool> harm_grows{};  // with the dose; empty: to be learnt
  std::optional<double> slowdown{};  // what counts as slowed, a fraction
  std::string outcome{};             // what the dose is to bring about; one of kExpectableOutcomes
  std::string check{};               // or that this check fails
  double noise = 0.1;                // yes_no: how often an answer is wrong
  double resolution = 0.1;           // the threshold is to be known to within this fraction
  std::int64_t trials = 12;          // at most
};

using Overrides = std::vector<std::pair<std::string, std::string>>;  // option -> value, as --set gives them

/// What one trial showed; read from its run directory (analysis/series/trial.hpp).
struct TrialResult {
  VerdictKind verdict = VerdictKind::inconclusive;
  std::string outcome{};  // as in Verdict
  std::string sentence{};
  std::vector<double> log_ratios{};  // for each complete pair log(fault block) - log(baseline block), mean step times
  std::optional<double> slowdown{};  // their Hodges-Lehmann estimate as a fraction, 0.10: 10 % slower; empty: too few
                                     // pairs for an interval (fewest_pairs())
  double ci_low = 0,
         ci_high = 0;  // of the mean, as the run's verdict has it (analysis/stats/effect.hpp); with `slowdown`
  double baseline_step_ns = 0;
  bool applied = true;  // all faults, in all their windows
  std::string culprit{};
  std::vector<std::string> failed_checks{};  // "link_up on node2": more often under the fault than without
  std::vector<std::string> untold_checks{};  // "link_up on node2": too few pairs in which it was looked at to say so
  Json faults = Json::array();               // verdict.json's
  bool left_behind = false;                  // a node must be mended
  std::string assumed{};  // the trial was cut off, and this says on what grounds the outcome is what it is
};

struct Trial {
  int number = 1;
  Overrides overrides{};
  std::optional<double> dose{};
  std::optional<std::vector<int>> faults{};  // only these of the scenario's list; empty: all
  std::string why{};                         // "the lower end"
  std::string boot_id{};                     // of rank 0's machine when it began
  std::string begun_utc{};
  std::optional<TrialResult> result{};  // empty: it is going on, or was cut off
};

struct Series {
  std::string scenario{};
  std::string summary{};
  std::string file{};
  std::uint64_t seed = 1;
  Overrides sets{};  // --set
  int nodes = 0;
  int ranks_per_node = 1;  // of a local cluster
  bool local_cluster = false;
  std::vector<std::string> emulated{};
  std::vector<std::string> command_line{};
  std::vector<std::string> faults{};  // the scenario's list, in words: "link_flap", by place
  SearchSpec search{};
  std::vector<Trial> trials{};
  bool interrupted = false;
  std::string error{};                        // why it could not go on
  std::optional<VerdictKind> said_verdict{};  // what drive() returned
  std::string said_text{};
};

std::string_view to_string(SearchSpec::Kind kind);

/// Of a search for a dose. Where it is to be learnt whether harm grows with the dose, it is taken to.
DoseScale scale_of(const SearchSpec& search);

/// So many trials that a search usually knows its threshold: where the effect is large beside the noise (magnitude), or
/// answers turn at one dose and are wrong as often as `noise` says (yes_no). By the range, the resolution, and where
/// doses are whole numbers. An escalation's is the number of its steps. tests/bench/threshold_calibration.cpp shows how
/// often it is enough.
std::int64_t default_trials(const SearchSpec& search);

/// "trials/007", below the series' directory.
std::string trial_directory(int number);

/// A dose as the option takes it, and as people read it: "870Mbit/s".
std::string dose_text(const SearchSpec& search, double dose);

Json to_json(const TrialResult& result);
Json to_json(const Series& series);
/// Error (usage): not a series.json of this grit.
Result<Series> series_from_json(const Json& json);

}  // namespace grit
