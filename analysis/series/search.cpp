#include "analysis/series/search.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <span>

#include "analysis/series/minimal.hpp"
#include "analysis/stats/knee.hpp"
#include "analysis/stats/yes_no_posterior.hpp"

namespace grit {
namespace {

constexpr int kTriesAtAnEnd = 2;
constexpr std::size_t kSilentTrials = 3;  // in a row that did not say: then neither will the next

bool is_interruption(const Trial& trial) { return trial.result && trial.result->outcome == "interrupted"; }

/// Trials that count: with a result, and not interrupted.
std::vector<const Trial*> done(const Series& series) {
  std::vector<const Trial*> trials;
  for (const Trial& trial : series.trials)
    if (trial.result && !is_interruption(trial)) trials.push_back(&trial);
  return trials;
}

bool used_up(const Series& series) { return static_cast<std::int64_t>(done(series).size()) >= series.search.trials; }

// --- magnitudes -----------------------------------------------------------------------------------------------------

/// A run that ended early or whose faults were not in force says nothing about a step's cost at its dose.
bool is_measured(const TrialResult& result) {
  return result.outcome == "completed" && result.applied && !result.log_ratios.empty();
}

std::vector<DoseResponse> responses_of(const Series& series) {
  std::vector<DoseResponse> responses;
  for (const Trial* trial : done(series))
    if (trial->dose && is_measured(*trial->result)) responses.push_back({*trial->dose, trial->result->log_ratios});
  return responses;
}

/// Of all trials at this dose together; empty: none.
std::optional<DoseResponse> response_at(const std::vector<DoseResponse>& responses, double dose) {
  DoseResponse all{dose, {}};
  for (const DoseResponse& response : responses)
    if (response.dose == dose)
      all.log_ratios.insert(all.log_ratios.end(), response.log_ratios.begin(), response.log_ratios.end());
  return all.log_ratios.empty() ? std::nullopt : std::optional(std::move(all));
}

/// How the two ends of what was measured compare.
struct Ends {
  DoseScale scale{};
  bool calm_is_slow = false;
  bool harmed_is_slow = false;
};

Ends compare_ends(const SearchSpec& search, const DoseResponse& low, const DoseResponse& high) {
  Ends ends{.scale = scale_of(search)};
  ends.scale.from = low.dose, ends.scale.to = high.dose;
  ends.scale.harm_grows = search.harm_grows.value_or(harm_grows(low, high));
  const DoseResponse& harmed = ends.scale.harm_grows ? high : low;
  const DoseResponse& calm = ends.scale.harm_grows ? low : high;
  ends.harmed_is_slow = slowdown_of(harmed) >= criterion(search);
  ends.calm_is_slow = slowdown_of(calm) >= criterion(search);
  return ends;
}

int tries_at(const Series& series, double dose) {
  const auto trials = done(series);
  return static_cast<int>(
      std::count_if(trials.begin(), trials.end(), [&](const Trial* trial) { return trial->dose == dose; }));
}

std::optional<TrialRequest> next_magnitude(const Series& series) {
  const SearchSpec& search = series.search;
  const auto responses = responses_of(series);
  for (const Trial* trial : done(series))
    if (trial->result->outcome != "completed") return std::nullopt;  // it is no question of step times any more
  if (used_up(series)) return std::nullopt;
  // The end that is likely to be calm first, and the other only after that.
  const bool falls = search.harm_grows == false;
  for (const double end : {falls ? search.to : search.from, falls ? search.from : search.to})
    if (!response_at(responses, end)) {
      if (tries_at(series, end) >= kTriesAtAnEnd) return std::nullopt;
      return TrialRequest{.dose = end, .why = end == search.from ? "the lower end" : "the upper end"};
    }
  const Ends ends = compare_ends(search, *response_at(responses, search.from), *response_at(responses, search.to));
  if (!ends.harmed_is_slow || ends.calm_is_slow) return std::nullopt;
  const KneeFit fit = fit_knee(ends.scale, responses, criterion(search));
  if (fit.known(ends.scale, search.resolution)) return std::nullopt;
  const auto dose = next_dose(ends.scale, fit.interval, responses);
  if (!dose) return std::nullopt;
  return TrialRequest{.dose = dose,
                      .why = fmt::format("between {} and {}", rounded_dose_text(search, fit.interval.low),
                                         rounded_dose_text(search, fit.interval.high))};
}

/// The threshold in what was measured, whatever the doses.
void take_knee(const Series& series, Threshold& threshold) {
  const auto responses = responses_of(series);
  std::set<double> doses;
  for (const DoseResponse& response : responses) doses.insert(response.dose);
  if (doses.size() < 2) return;
  const double low = *doses.begin(), high = *doses.rbegin();
  const Ends ends = compare_ends(series.search, *response_at(responses, low), *response_at(responses, high));
  threshold.harm_grows = ends.scale.harm_grows;
  const bool neighbours = ends.scale.whole && high - low <= 1;  // with nothing between them
  if (!ends.harmed_is_slow || ends.calm_is_slow || (doses.size() < 3 && !neighbours)) return;
  const KneeFit fit = fit_knee(ends.scale, responses, criterion(series.search));
  threshold.found = true;
  threshold.dose = fit.dose;
  threshold.interval = fit.interval;
  threshold.knee = fit.knee;
  threshold.known = fit.known(ends.scale, series.search.resolution);
  threshold.curve = {{ends.scale.dose_at(0), std::expm1(fit.flat)},
                     {fit.knee, std::expm1(fit.flat)},
                     {fit.knee_end, std::expm1(fit.flat + fit.rise)},
                     {ends.scale.dose_at(1), std::expm1(fit.flat + fit.rise)}};
}

// --- yes or no ------------------------------------------------------------------------------------------------------

bool is_of(const std::string& check, const std::string& check_on_node) {
  return check_on_node.starts_with(check + " ");
}

/// Empty: the trial does not say.
std::optional<bool> answer_of(const SearchSpec& search, const TrialResult& result) {
  if (!search.outcome.empty()) {
    if (result.outcome == search.outcome) return true;
    return result.outcome == "completed" && result.applied ? std::optional<bool>(false) : std::nullopt;
  }
  if (result.outcome != "completed" || !result.applied) return std::nullopt;
  if (!search.check.empty()) {
    const auto asked = [&](const std::string& one) { return is_of(search.check, one); };
    if (std::any_of(result.failed_checks.begin(), result.failed_checks.end(), asked)) return true;
    const bool told = std::none_of(result.untold_checks.begin(), result.untold_checks.end(), asked);
    return told ? std::optional<bool>(false) : std::nullopt;
  }
  if (search.slowdown && result.slowdown) return *result.slowdown >= *search.slowdown;
  if (result.verdict == VerdictKind::inconclusive) return std::nullopt;
  return result.verdict == VerdictKind::reproduced;
}

YesNoPosterior posterior_of(const Series& series) {
  const SearchSpec& search = series.search;
  YesNoPosterior posterior(scale_of(search), search.resolution, search.noise, search.harm_grows);
  for (const Trial* trial : done(series))
    if (const auto yes = answer_of(search, *trial->result); yes && trial->dose) posterior.answer(*trial->dose, *yes);
  return posterior;
}

/// The last trials have all not said.
bool is_silent(const Series& series) {
  const auto trials = done(series);
  return trials.size() >= kSilentTrials &&
         std::none_of(trials.end() - kSilentTrials, trials.end(),
                      [&](const Trial* trial) { return answer_of(series.search, *trial->result).has_value(); });
}

std::optional<Absence> absence_of(const SearchSpec& search, const YesNoPosterior& posterior) {
  const auto sure = posterior.sure();
  if (sure == AnswerShape::never) return Absence::never;
  if (sure == AnswerShape::always) return Absence::always;
  const auto stated = !search.harm_grows   ? posterior.direction()
                      : *search.harm_grows ? AnswerShape::grows
                                           : AnswerShape::falls;
  return sure && sure != stated ? std::optional(Absence::other_end) : std::nullopt;
}

bool is_known(const SearchSpec& search, const YesNoPosterior& posterior) {
  return posterior.is_between() && scale_of(search).is_within(posterior.interval(), search.resolution);
}

std::optional<TrialRequest> next_yes_no(const Series& series) {
  const SearchSpec& search = series.search;
  const YesNoPosterior posterior = posterior_of(series);
  if (used_up(series) || is_silent(series) || absence_of(search, posterior) || is_known(search, posterior))
    return std::nullopt;
  const double dose = posterior.next();
  return TrialRequest{.dose = dose,
                      .why = dose == search.from ? "the lower end"
                             : dose == search.to ? "the upper end"
                                                 : "where yes and no begin to be as likely"};
}

void take_posterior(const Series& series, Threshold& threshold) {
  const SearchSpec& search = series.search;
  const YesNoPosterior posterior = posterior_of(series);
  threshold.harm_grows = posterior.direction() == AnswerShape::grows;
  threshold.absent = absence_of(search, posterior);
  threshold.found = posterior.is_between() && !threshold.absent;
  threshold.dose = posterior.quantile(0.5);
  threshold.interval = posterior.interval();
  threshold.known = threshold.found && is_known(search, posterior);
}

// --- escalation -----------------------------------------------------------------------------------------------------

std::vector<std::string> in_both(const std::vector<std::string>& one, const std::vector<std::string>& other) {
  std::vector<std::string> both;
  std::copy_if(one.begin(), one.end(), std::back_inserter(both),
               [&](const std::string& text) { return std::find(other.begin(), other.end(), text) != other.end(); });
  return both;
}

/// From the calm end to the other the first dose beyond all that were tried, each once: whole numbers may be fewer
/// than the steps asked for. By the doses and not by their count, for an older grit tried such a number more than once.
std::optional<double> dose_beyond(const SearchSpec& search, std::span<const double> tried) {
  const DoseScale scale = scale_of(search);
  for (std::int64_t step = 0; step < search.trials; ++step) {
    const double place = search.trials < 2 ? 1 : static_cast<double>(step) / static_cast<double>(search.trials - 1);
    const double dose = scale.round_dose_at(place);
    const auto before = [&](double one) { return scale.place_of(one) < scale.place_of(dose); };
    if (std::all_of(tried.begin(), tried.end(), before)) return dose;
  }
  return std::nullopt;
}

std::optional<TrialRequest> next_escalation(const Series& series) {
  const Escalation escalation = escalation_of(series);
  if (escalation.ended_at) return std::nullopt;
  if (escalation.to_confirm)
    return TrialRequest{.dose = escalation.to_confirm, .why = "a check failed: once more, on fresh data"};
  if (!escalation.next) return std::nullopt;
  return TrialRequest{.dose = escalation.next,
                      .why = escalation.started ? "nothing had failed at the dose before" : "the first dose"};
}

void take_escalation(const Series& series, Threshold& threshold) {
  const Escalation escalation = escalation_of(series);
  threshold.last_alive = escalation.last_alive;
  threshold.ended_at = escalation.ended_at;
  if (series.search.slowdown) take_knee(series, threshold);
}

// --- the smallest set of faults -------------------------------------------------------------------------------------

std::optional<TrialRequest> next_minimal(const Series& series) {
  std::vector<SubsetAnswer> asked;
  for (const Trial* trial : done(series))
    if (trial->faults) asked.push_back({*trial->faults, trial->result->verdict});
  const MinimalStep step = next_subset(static_cast<int>(series.faults.size()), asked);
  if (!step.ask || used_up(series)) return std::nullopt;
  const bool again = std::any_of(asked.begin(), asked.end(), [&](const auto& one) { return one.faults == *step.ask; });
  return TrialRequest{.faults = step.ask,
                      .why = again           ? "once more, on fresh data"
                             : asked.empty() ? "is the symptom there with all faults?"
                                             : "is it there without the others?"};
}

}  // namespace

double criterion(const SearchSpec& search) { return search.slowdown.value_or(0.1); }

Escalation escalation_of(const Series& series) {
  Escalation escalation;
  std::vector<double> tried;
  for (const Trial* trial : done(series)) {
    if (!trial->dose) continue;
    tried.push_back(*trial->dose);
    const bool again = escalation.to_confirm.has_value();
    escalation.to_confirm.reset();
    const TrialResult& result = *trial->result;
    escalation.failed_checks = again ? in_both(escalation.failed_checks, result.failed_checks) : result.failed_checks;
    if (result.outcome != "completed" || (again && !escalation.failed_checks.empty()))
      escalation.ended_at = trial->dose;
    else if (!again && !escalation.failed_checks.empty())
      escalation.to_confirm = trial->dose;
    else if (result.untold_checks.empty())
      escalation.last_alive = trial->dose;
  }
  escalation.started = !tried.empty();
  escalation.next = dose_beyond(series.search, tried);
  return escalation;
}

std::optional<TrialRequest> next_trial(const Series& series) {
  switch (series.search.kind) {
    case SearchSpec::Kind::magnitude:
      return next_magnitude(series);
    case SearchSpec::Kind::yes_no:
      return next_yes_no(series);
    case SearchSpec::Kind::escalate:
      return next_escalation(series);
    case SearchSpec::Kind::minimal:
      return next_minimal(series);
    case SearchSpec::Kind::none:
    case SearchSpec::Kind::drive:
      break;
  }
  return std::nullopt;
}

std::optional<Threshold> threshold_of(const Series& series) {
  Threshold threshold;
  const SearchSpec& search = series.search;
  if (search.kind == SearchSpec::Kind::magnitude)
    take_knee(series, threshold);
  else if (search.kind == SearchSpec::Kind::yes_no)
    take_posterior(series, threshold);
  else if (search.kind == SearchSpec::Kind::escalate)
    take_escalation(series, threshold);
  else
    return std::nullopt;
  const DoseScale scale = scale_of(search);
  const double width = std::abs(scale.place_of(threshold.interval.high) - scale.place_of(threshold.interval.low));
  if (threshold.found && width > 0) {
    const double doses = std::ceil(1 / width) + 1;
    threshold.sweep_trials = static_cast<int>(scale.whole ? std::min(doses, search.to - search.from + 1) : doses);
  }
  return threshold;
}

}  // namespace grit
