// A series as a function of its history: which trial comes next, and what all of them show together. So a series can be
// taken up again from series.json alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/model/dose_scale.hpp"
#include "harness/model/series.hpp"

namespace grit {

struct TrialRequest {
  std::optional<double> dose{};
  std::optional<std::vector<int>> faults{};
  std::string why{};
};

/// Empty: the search is over. Not for SearchSpec::Kind::drive, where the scenario itself decides.
std::optional<TrialRequest> next_trial(const Series& series);

/// How far an escalation has come. Anything that ends a run early ends it, and a check that fails more often under the
/// fault in two trials at the same dose: over a dozen doses some check does so once by chance.
struct Escalation {
  bool started = false;                      // a dose was tried
  std::optional<double> next{};              // the first dose beyond all that were tried; empty: none is left
  std::optional<double> last_alive{};        // the last dose at which everything was alive, by all checks
  std::optional<double> ended_at{};          // the dose at which it was not, in the last trial that counts
  std::optional<double> to_confirm{};        // the dose at which a check has failed once so far
  std::vector<std::string> failed_checks{};  // there, as in TrialResult
};
Escalation escalation_of(const Series& series);

/// The slowdown that counts, a fraction.
double criterion(const SearchSpec& search);

/// Why the range has no threshold: the harm is nowhere in it, everywhere, or where `harm` says that it is not.
enum class Absence { never, always, other_end };

/// What a threshold search found.
struct Threshold {
  bool found = false;
  bool harm_grows = true;
  double dose = 0;                                 // from here on there is what was searched
  DoseInterval interval{};                         // 90 %
  bool known = false;                              // to the resolution asked for
  std::optional<double> knee{};                    // by magnitude: about where steps begin to slow down, at most `dose`
  std::vector<std::pair<double, double>> curve{};  // dose, slowdown as a fraction: the fitted line's corners
  std::optional<double> last_alive{};              // escalation: the last dose at which everything was alive
  std::optional<double> ended_at{};                // escalation: the dose at which it was not
  std::optional<Absence> absent{};                 // known to be so
  int sweep_trials = 0;  // of a sweep over the whole range on the search's scale, in steps as wide as the interval
};

/// Empty for a search that looks for no dose, or without enough trials.
std::optional<Threshold> threshold_of(const Series& series);

/// The verdict over all trials. `reproduced`: what was searched was found, as exactly as asked for, and for drive()
/// what it said; `not_reproduced`: it is not in the range; else `inconclusive`. Its `effect` and `faults` are empty:
/// they are the trials' own.
Verdict judge_series(const Series& series);

/// verdict.json of a series: the verdict's members, and `trials` and `threshold`.
Json series_verdict_json(const Series& series, const Verdict& verdict);

/// "trial 3: rate = 870Mbit/s  +12.3 % (9.1 .. 15.4 %)": a trial in one line.
std::string trial_line(const Series& series, const Trial& trial);

/// What a trial changed: "rate = 870Mbit/s", "faults 1 and 3".
std::string trial_subject(const Series& series, const Trial& trial);

/// "872Mbit/s": three significant digits.
std::string rounded_dose_text(const SearchSpec& search, double dose);

}  // namespace grit
