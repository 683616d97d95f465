// What the trials of a series show together, in words and as verdict.json.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/facts/wording.hpp"
#include "analysis/series/minimal.hpp"
#include "analysis/series/search.hpp"
#include "analysis/stats/median.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

using Kind = SearchSpec::Kind;

class SeriesJudge {
 public:
  explicit SeriesJudge(const Series& series)
      : series_(series), search_(series.search), threshold_(threshold_of(series)) {
    for (const Trial& trial : series.trials)
      if (trial.result && trial.result->outcome != "interrupted") done_.push_back(&trial);
  }

  Verdict run() {
    verdict_.scenario = series_.scenario;
    verdict_.emulated = series_.emulated;
    set_baseline();
    note_trials();
    switch (search_.kind) {
      case Kind::magnitude:
        judge_magnitude();
        break;
      case Kind::yes_no:
        judge_yes_no();
        break;
      case Kind::escalate:
        judge_escalation();
        break;
      case Kind::minimal:
        judge_minimal();
        break;
      case Kind::drive:
      case Kind::none:
        judge_drive();
        break;
    }
    set_end();
    return std::move(verdict_);
  }

 private:
  void reason(std::string text) { verdict_.reasons.push_back(std::move(text)); }

  void conclude(std::string text, std::optional<bool> met) {
    verdict_.expectations.push_back({std::move(text), met});
    verdict_.kind = !met ? VerdictKind::inconclusive : *met ? VerdictKind::reproduced : VerdictKind::not_reproduced;
  }

  [[nodiscard]] std::string dose(double value) const { return rounded_dose_text(search_, value); }
  [[nodiscard]] std::string range() const { return dose(search_.from) + " to " + dose(search_.to); }
  [[nodiscard]] std::string direction() const { return threshold_->harm_grows ? "upwards" : "downwards"; }
  [[nodiscard]] std::string trials() const { return plural(done_.size(), "trial"); }

  void set_baseline() {
    std::vector<double> steps_ns;
    for (const Trial* trial : done_)
      if (trial->result->baseline_step_ns > 0) steps_ns.push_back(trial->result->baseline_step_ns);
    verdict_.baseline_step_ns = median(std::move(steps_ns));
  }

  void note_trials() {
    for (const Trial* trial : done_) {
      const TrialResult& result = *trial->result;
      if (!result.assumed.empty()) reason(fmt::format("trial {}: {}", trial->number, result.assumed));
      if (!result.applied && result.outcome == "completed")
        reason(fmt::format("trial {} is left out: not every fault was in force in all of its blocks", trial->number));
      const bool asked = search_.kind == Kind::escalate || !search_.check.empty();
      if (asked && result.outcome == "completed" && !result.untold_checks.empty())
        reason(fmt::format("trial {}: whether a check fails more often cannot be told ({}): see its report",
                           trial->number, fmt::join(result.untold_checks, ", ")));
      if (result.left_behind)
        verdict_.residue.push_back({fmt::format("trial {}", trial->number), {"see " + trial_directory(trial->number)}});
    }
    for (const Residue& one : verdict_.residue)
      reason(fmt::format("LEFT BEHIND by {}: {}/report.html says what, and where", one.node, one.differences.front()));
  }

  [[nodiscard]] std::string interval() const {
    return fmt::format("90 % CI {} .. {}", dose(threshold_->interval.low), dose(threshold_->interval.high));
  }

  /// From where on steps are as slow as counts, and where they begin to slow down if that is another dose.
  [[nodiscard]] std::string slowdown_from() const {
    std::string text = fmt::format("steps slow down by {} or more from {} {} ({})", percent(criterion(search_)),
                                   dose(threshold_->dose), direction(), interval());
    if (threshold_->knee && dose(*threshold_->knee) != dose(threshold_->dose))
      text += fmt::format("; they begin to at about {}", dose(*threshold_->knee));
    return text;
  }

  [[nodiscard]] std::string sweep() const {
    if (threshold_->sweep_trials <= static_cast<int>(done_.size())) return "";
    return fmt::format("; a sweep as fine takes {}", threshold_->sweep_trials);
  }

  [[nodiscard]] bool is_used_up() const { return static_cast<std::int64_t>(done_.size()) >= search_.trials; }

  void add_knee_remark() {
    if (!threshold_->found || threshold_->known) return;
    reason(fmt::format("the threshold is not known to within {}: allow {}more pairs or longer blocks for each",
                       percent(search_.resolution),
                       is_used_up() ? fmt::format("more trials (trials = {}), or ", 2 * search_.trials) : ""));
  }

  /// What to do when the range has no threshold. `harmed`: does the harm grow with the dose?
  void advise(Absence absent, std::optional<bool> harmed) {
    const std::string more = harmed == false ? fmt::format("lower from ({})", dose(search_.from))
                             : harmed        ? fmt::format("raise to ({})", dose(search_.to))
                                             : "widen the range at either end";
    const std::string less = harmed == false ? fmt::format("raise to ({})", dose(search_.to))
                             : harmed        ? fmt::format("lower from ({})", dose(search_.from))
                                             : "widen the range at either end";
    if (absent == Absence::never) reason("it was at neither end of the range: " + more);
    if (absent == Absence::always) reason("it was at both ends of the range already: " + less);
    if (absent == Absence::other_end)
      reason(fmt::format("the harm {} with the dose, and not as harm = \"{}\" says: leave harm out, and it is learnt",
                         harmed == true ? "falls" : "grows", harmed == true ? "grows" : "falls"));
  }

  void judge_magnitude() {
    const double slow = criterion(search_);
    const std::string text = fmt::format("a {} from which steps slow down by {} or more, known to within {}",
                                         search_.option, percent(slow), percent(search_.resolution));
    for (const Trial* trial : done_)
      if (trial->result->outcome != "completed") {
        verdict_.outcome = trial->result->outcome;
        verdict_.sentence = fmt::format("Trial {} ({}) ended early: {}", trial->number, trial_subject(series_, *trial),
                                        trial->result->sentence);
        return conclude(text, std::nullopt);
      }
    if (threshold_->found) {
      verdict_.sentence = fmt::format("{}: {}; {}{}.", search_.option, slowdown_from(), trials(), sweep());
      add_knee_remark();
      return conclude(text, threshold_->known ? std::optional(true) : std::nullopt);
    }
    judge_no_knee(text, slow);
  }

  void judge_no_knee(const std::string& text, double slow) {
    struct End {
      std::string text{};
      bool calm = true, slowed = true;  // in every trial
    };
    std::map<double, End> ends;  // by dose
    for (const Trial* trial : done_) {
      if (!trial->dose || !trial->result->slowdown || !trial->result->applied) continue;
      if (*trial->dose != search_.from && *trial->dose != search_.to) continue;
      End& end = ends[*trial->dose];
      end.text = fmt::format("{} at {}", signed_percent(*trial->result->slowdown), dose(*trial->dose));
      end.calm = end.calm && trial->result->ci_high < slow;
      end.slowed = end.slowed && trial->result->ci_low > slow;
    }
    if (ends.size() < 2) {
      verdict_.sentence = fmt::format("{}: the ends of the range {} were not both measured.", search_.option, range());
      return conclude(text, std::nullopt);
    }
    const End &low = ends.begin()->second, &high = ends.rbegin()->second;
    std::optional<Absence> absent;
    if (low.calm && high.calm) absent = Absence::never;
    if (low.slowed && high.slowed) absent = Absence::always;
    if (search_.harm_grows && (*search_.harm_grows ? low.slowed && high.calm : low.calm && high.slowed))
      absent = Absence::other_end;
    const std::string slowdown = "a slowdown of " + percent(slow);
    std::string found = fmt::format("whether there is a threshold for {} from {} cannot be told", slowdown, range());
    if (absent) {
      found = fmt::format("no threshold for {} from {}", slowdown, range());
      advise(*absent, search_.harm_grows);
    } else if ((low.calm && high.slowed) || (low.slowed && high.calm)) {
      found = fmt::format("the threshold for {} lies between {} and {} and was not narrowed down", slowdown,
                          dose(ends.begin()->first), dose(ends.rbegin()->first));
      if (is_used_up()) reason(fmt::format("allow more trials (trials = {})", 2 * search_.trials));
    }
    verdict_.sentence = fmt::format("{}: {}: {}, {}.", search_.option, found, low.text, high.text);
    conclude(text, absent ? std::optional(false) : std::nullopt);
  }

  [[nodiscard]] std::string symptom() const {
    if (!search_.outcome.empty()) return search_.outcome;
    if (!search_.check.empty()) return "a failed check " + search_.check;
    if (search_.slowdown) return "a slowdown of " + percent(*search_.slowdown);
    return "what the scenario expects";
  }

  void judge_yes_no() {
    const std::string text = fmt::format("a {} from which there is {}, known to within {}", search_.option, symptom(),
                                         percent(search_.resolution));
    if (threshold_->found) {
      verdict_.sentence = fmt::format("{}: {} from {} {} (90 % credible {} .. {}), {}{}.", search_.option, symptom(),
                                      dose(threshold_->dose), direction(), dose(threshold_->interval.low),
                                      dose(threshold_->interval.high), trials(), sweep());
      add_knee_remark();
      return conclude(text, threshold_->known ? std::optional(true) : std::nullopt);
    }
    std::string found = "too few trials said yes or no";
    if (threshold_->absent == Absence::never) found = "it was never so";
    if (threshold_->absent == Absence::always) found = "it was always so";
    if (threshold_->absent == Absence::other_end)
      found = fmt::format("it is so at the other end, {}", dose(threshold_->harm_grows ? search_.to : search_.from));
    verdict_.sentence = fmt::format("{}: no threshold for {} was found from {}: {}, {}.", search_.option, symptom(),
                                    range(), found, trials());
    if (threshold_->absent) advise(*threshold_->absent, search_.harm_grows);
    conclude(text, threshold_->absent ? std::optional(false) : std::nullopt);
  }

  [[nodiscard]] std::string what_ended() const {
    const TrialResult& result = *done_.back()->result;
    if (result.outcome != "completed") return result.outcome;
    return fmt::format("check {} failed, twice", fmt::join(escalation_of(series_).failed_checks, ", "));
  }

  [[nodiscard]] std::string alive() const {
    if (!threshold_->last_alive) return "no dose was survived";
    return fmt::format("the last {} at which everything was alive is {}", search_.option,
                       dose(*threshold_->last_alive));
  }

  /// What the doses of an escalation without a knee say of slowdowns. False: there was none at any of them.
  std::optional<bool> judge_slowdowns(std::vector<std::string>& found) {
    std::vector<std::string> slow;
    bool calm = true;
    for (const Trial* trial : done_) {
      const TrialResult& result = *trial->result;
      const bool measured = trial->dose && result.slowdown && result.applied;
      calm = calm && measured && result.ci_high < *search_.slowdown;
      if (measured && result.ci_low >= *search_.slowdown)
        slow.push_back(fmt::format("{} at {}", signed_percent(*result.slowdown), dose(*trial->dose)));
    }
    const std::string bound = percent(*search_.slowdown);
    if (calm) {
      found.push_back(fmt::format("nowhere did steps slow down by {} or more", bound));
      return false;
    }
    if (slow.empty()) {
      found.push_back(fmt::format("whether steps slow down by {} or more is not clear at every dose", bound));
      return std::nullopt;
    }
    found.push_back(fmt::format("steps slowed down by {}, and from where on cannot be told", fmt::join(slow, ", ")));
    const TrialResult& first = *done_.front()->result;
    if (first.slowdown && first.ci_low >= *search_.slowdown)
      reason(fmt::format("steps are slow at the first dose already, so it begins below {}: start lower",
                         dose(done_.front()->dose.value_or(search_.from))));
    return std::nullopt;
  }

  /// Do the trials at the most harmful dose that was measured show a slowdown that counts, by their intervals?
  [[nodiscard]] bool is_slow_at_harmed_end() const {
    const double sign = threshold_->harm_grows ? 1 : -1;
    std::optional<double> end;
    bool slow = false;
    for (const Trial* trial : done_) {
      if (!trial->dose || !trial->result->slowdown || !trial->result->applied) continue;
      const bool shows = trial->result->ci_low >= criterion(search_);
      if (!end || sign * *trial->dose > sign * *end)
        end = trial->dose, slow = shows;
      else if (*trial->dose == *end)
        slow = slow && shows;
    }
    return slow;
  }

  void judge_escalation() {
    const std::string wanted = search_.outcome.empty() ? "a node, rank or check that fails" : search_.outcome;
    std::string text = fmt::format("a {} at which there is {}", search_.option, wanted);
    if (search_.slowdown)
      text += fmt::format(", or from which steps slow down by {} or more", percent(*search_.slowdown));
    std::optional<bool> met;
    std::vector<std::string> found;
    if (threshold_->ended_at) {
      const TrialResult& result = *done_.back()->result;
      found.push_back(fmt::format("{} at {}", what_ended(), dose(*threshold_->ended_at)));
      if (result.outcome != "completed") verdict_.outcome = result.outcome;
      if (search_.outcome.empty() || result.outcome == search_.outcome) met = true;
    }
    if (threshold_->found) {
      found.push_back(slowdown_from());
      if (threshold_->known || is_slow_at_harmed_end()) met = true;
    }
    const Escalation escalation = escalation_of(series_);
    if (found.empty() && !escalation.next && !escalation.to_confirm) {
      const bool told = std::all_of(done_.begin(), done_.end(),
                                    [](const Trial* trial) { return trial->result->untold_checks.empty(); });
      found.push_back((told ? "nothing failed from " : "nothing was seen to fail from ") + range());
      met = search_.slowdown ? judge_slowdowns(found) : std::optional(false);
      if (!told) met.reset();
    }
    if (found.empty()) found.emplace_back("the escalation was not finished");
    verdict_.sentence = fmt::format("{}: {}; {}, {}.", search_.option, fmt::join(found, "; "), alive(), trials());
    conclude(std::move(text), met);
  }

  [[nodiscard]] std::string fault_names(const FaultSet& set) const {
    std::vector<std::string> names;
    for (const int fault : set) names.push_back(series_.faults.at(static_cast<std::size_t>(fault)));
    return fmt::format("{}", fmt::join(names, " and "));
  }

  void judge_minimal() {
    std::vector<SubsetAnswer> asked;
    for (const Trial* trial : done_)
      if (trial->faults) asked.push_back({*trial->faults, trial->result->verdict});
    const MinimalStep step = next_subset(static_cast<int>(series_.faults.size()), asked);
    const std::string text = "a smallest set of faults that gives what the scenario expects";
    if (step.smallest) {
      verdict_.sentence = fmt::format("Of {} faults {} {} enough: {}; confirmed on fresh data, {}.",
                                      series_.faults.size(), step.smallest->size(),
                                      step.smallest->size() == 1 ? "is" : "are", fault_names(*step.smallest), trials());
      return conclude(text, true);
    }
    if (step.ask) {
      verdict_.sentence = fmt::format("The smallest set of faults was not found in {}: allow more (trials = {}).",
                                      trials(), 2 * search_.trials);
      return conclude(text, std::nullopt);
    }
    const bool shown = !asked.empty() && asked.back().answer == VerdictKind::not_reproduced && asked.size() <= 2;
    verdict_.sentence = shown ? "With all faults together the symptom is not there."
                              : "The symptom could not be confirmed for any set of faults.";
    conclude(text, shown ? std::optional(false) : std::nullopt);
  }

  void judge_drive() {
    verdict_.sentence =
        series_.said_text.empty() ? fmt::format("drive() has not ended; {}.", trials()) : series_.said_text;
    if (!series_.said_verdict) return;
    verdict_.kind = *series_.said_verdict;
    std::optional<bool> met;
    if (verdict_.kind != VerdictKind::inconclusive) met = verdict_.kind == VerdictKind::reproduced;
    verdict_.expectations.push_back({"what drive() of the scenario says", met});
  }

  void set_end() {
    if (series_.interrupted) verdict_.outcome = "interrupted";
    if (!series_.error.empty()) verdict_.outcome = "failed";
    if (series_.interrupted) reason(fmt::format("the series was interrupted after {}", trials()));
    if (!series_.error.empty()) reason("the series could not go on: " + series_.error);
    const bool unfinished = series_.interrupted || !series_.error.empty();
    if (!unfinished && verdict_.residue.empty()) return;
    verdict_.kind = VerdictKind::inconclusive;
  }

  const Series& series_;
  const SearchSpec& search_;
  const std::optional<Threshold> threshold_;
  std::vector<const Trial*> done_{};
  Verdict verdict_{};
};

Json threshold_json(const SearchSpec& search, const Threshold& threshold) {
  const auto text = [&](double dose) { return rounded_dose_text(search, dose); };
  Json json{{"kind", to_string(search.kind)},
            {"option", search.option},
            {"unit", unit_name(search.unit)},
            {"found", threshold.found},
            {"harm", threshold.harm_grows ? "grows" : "falls"},
            {"dose", nullptr},
            {"ci_low", nullptr},
            {"ci_high", nullptr},
            {"confidence", kThresholdConfidence},
            {"text", nullptr},
            {"knee", threshold.knee ? Json(*threshold.knee) : Json(nullptr)},
            {"last_alive", threshold.last_alive ? Json(*threshold.last_alive) : Json(nullptr)},
            {"ended_at", threshold.ended_at ? Json(*threshold.ended_at) : Json(nullptr)},
            {"sweep_trials", threshold.sweep_trials}};
  if (!threshold.found) return json;
  json["dose"] = threshold.dose;
  json["ci_low"] = threshold.interval.low;
  json["ci_high"] = threshold.interval.high;
  json["text"] =
      fmt::format("{} ({} .. {})", text(threshold.dose), text(threshold.interval.low), text(threshold.interval.high));
  return json;
}

}  // namespace

Verdict judge_series(const Series& series) { return SeriesJudge(series).run(); }

Json series_verdict_json(const Series& series, const Verdict& verdict) {
  Json json = to_json(verdict);
  json["trials"] = to_json(series).at("trials");
  const auto threshold = threshold_of(series);
  json["threshold"] = threshold ? threshold_json(series.search, *threshold) : Json(nullptr);
  return json;
}

std::string rounded_dose_text(const SearchSpec& search, double dose) {
  if (dose == 0) return dose_text(search, 0);
  const double unit = std::pow(10.0, std::floor(std::log10(std::abs(dose))) - 2);
  // 1 / unit is a whole number where unit is not: 0.873 stays as short as that.
  return dose_text(search, unit >= 1 ? std::round(dose / unit) * unit : std::round(dose / unit) / std::round(1 / unit));
}

std::string trial_subject(const Series& series, const Trial& trial) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : trial.overrides) parts.push_back(name + " = " + value);
  if (trial.faults) {
    std::vector<std::string> names;
    for (const int fault : *trial.faults) names.push_back(series.faults.at(static_cast<std::size_t>(fault)));
    parts.push_back(fmt::format("{}", fmt::join(names, " and ")));
  }
  return parts.empty() ? "as it is" : fmt::format("{}", fmt::join(parts, ", "));
}

std::string trial_line(const Series& series, const Trial& trial) {
  std::string line = fmt::format("trial {}: {}", trial.number, trial_subject(series, trial));
  if (!trial.result) return line + ": no result";
  const TrialResult& result = *trial.result;
  if (result.slowdown)
    line += fmt::format(": {} ({} .. {})", signed_percent(*result.slowdown), percent_number(result.ci_low),
                        percent(result.ci_high));
  if (result.outcome != "completed") return line + ", " + result.outcome;
  if (!result.failed_checks.empty()) line += fmt::format(", failed: {}", fmt::join(result.failed_checks, ", "));
  std::string kind(to_string(result.verdict));
  std::replace(kind.begin(), kind.end(), '_', ' ');
  return line + ", " + kind;
}

}  // namespace grit
