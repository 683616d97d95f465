#include "analysis/series/search.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/series/minimal.hpp"

namespace grit {
namespace {

constexpr std::size_t kFewestDoses = 5;  // below, a line through noise can look exact
constexpr double kSure = 0.95;           // that there is no threshold between the ends
constexpr int kTriesAtAnEnd = 2;

bool is_interruption(const Trial& trial) { return trial.result && trial.result->outcome == "interrupted"; }

/// Trials that count: with a result, and not interrupted.
std::vector<const Trial*> done(const Series& series) {
  std::vector<const Trial*> trials;
  for (const Trial& trial : series.trials)
    if (trial.result && !is_interruption(trial)) trials.push_back(&trial);
  return trials;
}

bool used_up(const Series& series) { return static_cast<std::int64_t>(done(series).size()) >= series.search.trials; }

double criterion(const SearchSpec& search) { return search.slowdown.value_or(0.1); }

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

const DoseResponse* response_at(const std::vector<DoseResponse>& responses, double dose) {
  for (const DoseResponse& response : responses)
    if (response.dose == dose) return &response;
  return nullptr;
}

/// How the two ends of what was measured compare.
struct Ends {
  DoseScale scale{};
  bool calm_is_slow = false;
  bool harmed_is_slow = false;
};

Ends compare_ends(const SearchSpec& search, const DoseResponse& low, const DoseResponse& high) {
  Ends ends{{low.dose, high.dose, search.linear, search.harm_grows.value_or(harm_grows(low, high))}};
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

bool is_whole(Unit unit) { return unit != Unit::number && unit != Unit::fraction && unit != Unit::flops_per_s; }

std::optional<TrialRequest> next_magnitude(const Series& series) {
  const SearchSpec& search = series.search;
  const auto responses = responses_of(series);
  for (const Trial* trial : done(series))
    if (trial->result->outcome != "completed") return std::nullopt;  // it is no question of step times any more
  if (used_up(series)) return std::nullopt;
  // The end that is likely to be calm first, and the other only after that.
  const bool falls = search.harm_grows == false;
  for (const double end : {falls ? search.to : search.from, falls ? search.from : search.to})
    if (response_at(responses, end) == nullptr) {
      if (tries_at(series, end) >= kTriesAtAnEnd) return std::nullopt;
      return TrialRequest{.dose = end, .why = end == search.from ? "the lower end" : "the upper end"};
    }
  const Ends ends = compare_ends(search, *response_at(responses, search.from), *response_at(responses, search.to));
  if (!ends.harmed_is_slow || ends.calm_is_slow) return std::nullopt;
  const ThresholdFit fit = fit_threshold(ends.scale, responses, criterion(search));
  const DoseInterval* unknown = fit.unknown(search.resolution);
  if (responses.size() >= kFewestDoses && unknown == nullptr) return std::nullopt;
  const DoseInterval& open = unknown != nullptr ? *unknown : fit.interval;
  const double place = next_place(ends.scale, open, responses);
  return TrialRequest{
      .dose = ends.scale.round_dose_at(place, is_whole(search.unit)),
      .why = "between " + rounded_dose_text(search, open.low) + " and " + rounded_dose_text(search, open.high)};
}

/// The knee in what was measured, whatever the doses.
void fit_knee(const Series& series, Threshold& threshold) {
  auto responses = responses_of(series);
  if (responses.size() < 2) return;
  const auto by_dose = [](const DoseResponse& a, const DoseResponse& b) { return a.dose < b.dose; };
  const auto [low, high] = std::minmax_element(responses.begin(), responses.end(), by_dose);
  if (low->dose >= high->dose) return;
  const Ends ends = compare_ends(series.search, *low, *high);
  threshold.harm_grows = ends.scale.harm_grows;
  if (!ends.harmed_is_slow || ends.calm_is_slow || responses.size() < 3) return;
  const ThresholdFit fit = fit_threshold(ends.scale, responses, criterion(series.search));
  threshold.found = true;
  threshold.dose = fit.dose;
  threshold.interval = fit.interval;
  threshold.known = responses.size() >= kFewestDoses && fit.known(series.search.resolution);
  threshold.curve = {{ends.scale.dose_at(0), std::expm1(fit.flat)},
                     {fit.dose, std::expm1(fit.flat)},
                     {fit.knee_end, std::expm1(fit.flat + fit.rise)},
                     {ends.scale.dose_at(1), std::expm1(fit.flat + fit.rise)}};
}

// --- yes or no ------------------------------------------------------------------------------------------------------

/// Empty: the trial does not say.
std::optional<bool> answer_of(const SearchSpec& search, const TrialResult& result) {
  if (!search.outcome.empty()) {
    if (result.outcome == search.outcome) return true;
    return result.outcome == "completed" ? std::optional<bool>(false) : std::nullopt;
  }
  if (result.outcome != "completed") return std::nullopt;
  if (!search.check.empty())
    return std::any_of(result.failed_checks.begin(), result.failed_checks.end(),
                       [&](const std::string& failed) { return failed.starts_with(search.check + " "); });
  if (search.slowdown && is_measured(result) && result.slowdown) return *result.slowdown >= *search.slowdown;
  if (result.verdict == VerdictKind::inconclusive) return std::nullopt;
  return result.verdict == VerdictKind::reproduced;
}

DoseScale scale_of(const SearchSpec& search) {
  return {search.from, search.to, search.linear, search.harm_grows.value_or(true)};
}

NoisyBisection bisection_of(const Series& series) {
  NoisyBisection bisection(series.search.noise);
  const DoseScale scale = scale_of(series.search);
  for (const Trial* trial : done(series))
    if (const auto yes = answer_of(series.search, *trial->result); yes && trial->dose)
      bisection.answer(scale.place_of(*trial->dose), *yes);
  return bisection;
}

bool is_between(const NoisyBisection& bisection) {
  return bisection.before_start() + bisection.beyond_end() < 1 - kThresholdConfidence;
}

DoseInterval credible_interval(const DoseScale& scale, const NoisyBisection& bisection) {
  const double tail = (1 - kThresholdConfidence) / 2;
  DoseInterval interval{scale.dose_at(bisection.quantile(tail)), scale.dose_at(bisection.quantile(1 - tail))};
  if (!scale.harm_grows) std::swap(interval.low, interval.high);
  return interval;
}

std::optional<TrialRequest> next_yes_no(const Series& series) {
  const DoseScale scale = scale_of(series.search);
  const NoisyBisection bisection = bisection_of(series);
  if (used_up(series) || bisection.beyond_end() > kSure || bisection.before_start() > kSure) return std::nullopt;
  if (is_between(bisection) && credible_interval(scale, bisection).within(series.search.resolution))
    return std::nullopt;
  const double place = bisection.next();
  const std::string why = place >= 1   ? "is there a yes at all?"
                          : place <= 0 ? "is there a no at all?"
                                       : "where yes and no are as likely";
  return TrialRequest{.dose = scale.round_dose_at(place, is_whole(series.search.unit)), .why = why};
}

void take_bisection(const Series& series, Threshold& threshold) {
  const DoseScale scale = scale_of(series.search);
  const NoisyBisection bisection = bisection_of(series);
  threshold.harm_grows = scale.harm_grows;
  threshold.found = is_between(bisection);
  threshold.dose = scale.dose_at(bisection.quantile(0.5));
  threshold.interval = credible_interval(scale, bisection);
  threshold.known = threshold.found && threshold.interval.within(series.search.resolution);
}

// --- escalation -----------------------------------------------------------------------------------------------------

std::vector<std::string> in_both(const std::vector<std::string>& one, const std::vector<std::string>& other) {
  std::vector<std::string> both;
  std::copy_if(one.begin(), one.end(), std::back_inserter(both),
               [&](const std::string& text) { return std::find(other.begin(), other.end(), text) != other.end(); });
  return both;
}

std::optional<TrialRequest> next_escalation(const Series& series) {
  const SearchSpec& search = series.search;
  const Escalation escalation = escalation_of(series);
  const int steps = static_cast<int>(search.trials);
  if (escalation.ended_at) return std::nullopt;
  if (escalation.to_confirm)
    return TrialRequest{.dose = escalation.to_confirm, .why = "a check failed: once more, on fresh data"};
  if (escalation.doses >= steps) return std::nullopt;
  const double place = steps < 2 ? 1 : static_cast<double>(escalation.doses) / (steps - 1);
  return TrialRequest{.dose = scale_of(search).round_dose_at(place, is_whole(search.unit)),
                      .why = escalation.doses == 0 ? "the first dose" : "everything was alive at the dose before"};
}

void take_escalation(const Series& series, Threshold& threshold) {
  const Escalation escalation = escalation_of(series);
  threshold.last_alive = escalation.last_alive;
  threshold.ended_at = escalation.ended_at;
  if (series.search.slowdown) fit_knee(series, threshold);
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

Escalation escalation_of(const Series& series) {
  Escalation escalation;
  for (const Trial* trial : done(series)) {
    if (!trial->dose) continue;
    const bool again = escalation.to_confirm.has_value();
    if (!again) ++escalation.doses;
    escalation.to_confirm.reset();
    const TrialResult& result = *trial->result;
    escalation.failed_checks = again ? in_both(escalation.failed_checks, result.failed_checks) : result.failed_checks;
    if (result.outcome != "completed" || (again && !escalation.failed_checks.empty()))
      escalation.ended_at = trial->dose;
    else if (!again && !escalation.failed_checks.empty())
      escalation.to_confirm = trial->dose;
    else
      escalation.last_alive = trial->dose;
  }
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
    fit_knee(series, threshold);
  else if (search.kind == SearchSpec::Kind::yes_no)
    take_bisection(series, threshold);
  else if (search.kind == SearchSpec::Kind::escalate)
    take_escalation(series, threshold);
  else
    return std::nullopt;
  const double width = threshold.interval.high - threshold.interval.low;
  if (threshold.found && width > 0)
    threshold.sweep_trials = static_cast<int>(std::ceil((search.to - search.from) / width)) + 1;
  return threshold;
}

}  // namespace grit
