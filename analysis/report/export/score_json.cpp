#include "analysis/report/export/score_json.hpp"

#include <cmath>

#include "harness/model/format.hpp"

namespace grit {
namespace {

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }
Json number(const std::optional<double>& value) { return value ? number(*value) : Json(); }
Json seconds(const std::optional<double>& ns) { return ns ? number(*ns / 1e9) : Json(); }

const std::string& check_name(const ScoreInput& input, int check) {
  return input.checks[static_cast<std::size_t>(check)].name;
}

Json names_of(const ScoreInput& input, const std::vector<int>& checks) {
  Json names = Json::array();
  for (const int check : checks) names.push_back(check_name(input, check));
  return names;
}

Json harm_json(const std::optional<Effect>& harm) {
  if (!harm) return {};
  return {{"estimate", harm->estimate}, {"low", harm->ci_low}, {"high", harm->ci_high}};
}

Json cells_json(const ScoreInput& input, const Scorecard& card) {
  Json all = Json::array();
  for (std::size_t i = 0; i < card.cells.size(); ++i) {
    const DamageCell& cell = input.cells[i];
    const CellSummary& summary = card.cells[i];
    all.push_back({{"damages", cell.damages},
                   {"fault", cell.fault},
                   {"magnitude", cell.magnitude},
                   {"mechanism", cell.mechanism},
                   {"unit", cell.unit},
                   {"dose", number(cell.dose)},
                   {"injections", summary.injections},
                   {"not_applied", unproven_count(summary)},
                   {"harm", harm_json(summary.harm)},
                   {"credited", names_of(input, summary.credited)},
                   {"found", summary.found},
                   {"low", summary.interval.low},
                   {"high", summary.interval.high}});
  }
  return all;
}

Json false_alarms_json(const FalseAlarms& alarms) {
  return {{"episodes", alarms.episodes},           {"exposure_h", alarms.exposure_h},
          {"per_hour", alarms.per_hour},           {"low", number(alarms.interval.low)},
          {"high", number(alarms.interval.high)},  {"readable_h", alarms.readable_h},
          {"on_share", alarms.on_share},           {"bursts", alarms.bursts},
          {"slots_alarmed", alarms.slots_alarmed}, {"slots", alarms.slots}};
}

Json checks_json(const ScoreInput& input, const Scorecard& card) {
  Json all = Json::array();
  for (std::size_t i = 0; i < input.checks.size(); ++i) {
    const ScoredCheck& check = input.checks[i];
    const FalseAlarms& alarms = card.false_alarms[i];
    all.push_back({{"name", check.name},
                   {"kind", check.kind},
                   {"period_s", static_cast<double>(check.period_ns) / 1e9},
                   {"limit_s", static_cast<double>(check.limit_ns) / 1e9},
                   {"grace_s", static_cast<double>(check.grace_ns) / 1e9},
                   {"cpu_s_per_reading", check.cpu_s_per_reading},
                   {"unproven", check.unproven.empty() ? Json() : Json(check.unproven)},
                   {"false_alarms", false_alarms_json(alarms)},
                   {"shams",
                    {{"fired", alarms.shams_fired},
                     {"of", alarms.shams},
                     {"low", alarms.sham_interval.low},
                     {"high", alarms.sham_interval.high}}}});
  }
  return all;
}

Json result_json(const ScoreInput& input, const Recall& recall) {
  const DamageCell& cell = input.cells[static_cast<std::size_t>(recall.cell)];
  const auto& interval = recall.to_detection.interval;
  return {{"check", check_name(input, recall.check)},
          {"fault", cell.fault},
          {"magnitude", cell.magnitude},
          {"mechanism", cell.mechanism},
          {"found", recall.found},
          {"of", recall.of},
          {"recall", recall.of > 0 ? Json(static_cast<double>(recall.found) / recall.of) : Json()},
          {"low", recall.interval.low},
          {"high", recall.interval.high},
          {"credited", recall.credited},
          {"p", recall.p},
          {"shams_fired", recall.shams_fired},
          {"shams", recall.shams},
          {"warned", recall.warned},
          {"on_at_onset", recall.on_at_onset},
          {"unreadable", recall.unreadable},
          {"late", recall.late},
          {"elsewhere", recall.elsewhere},
          {"subject_right", recall.subject_right},
          {"node_right", recall.node_right},
          {"ttd",
           {{"median_s", seconds(recall.to_detection.median)},
            {"low_s", interval ? seconds(interval->low) : Json()},
            {"high_s", interval ? seconds(interval->high) : Json()},
            {"of", recall.of},
            {"median_of_found_s", seconds(recall.median_of_found_ns)}}}};
}

Json visibility_json(const ScoreInput& input, const Scorecard& card, const Visibility& one) {
  const DoseSeries& series = card.series[static_cast<std::size_t>(one.series)];
  Json curve;
  if (one.curve.why_not.empty())
    curve = {{"a50", number(one.curve.a50)},
             {"a90", number(one.curve.a90)},
             {"a90_low", number(one.curve.a90_low)},
             {"a90_high", number(one.curve.a90_high)}};
  return {{"check", check_name(input, one.check)},
          {"fault", series.fault},
          {"besides", series.besides},
          {"mechanism", series.mechanism},
          {"unit", series.unit},
          {"demonstrated", number(one.demonstrated.found_from)},
          {"missed_up_to", number(one.demonstrated.missed_up_to)},
          {"hurts_from", number(series.hurts_from)},
          {"hurts_at_least", series.hurts_at_least},
          {"before_it_hurts", one.before_it_hurts ? Json(*one.before_it_hurts) : Json()},
          {"curve", curve},
          {"why_not", one.curve.why_not}};
}

Json missed_json(const ScoreInput& input, const Scorecard& card) {
  Json all = Json::array();
  for (const int index : card.missed) {
    const DamageCell& cell = input.cells[static_cast<std::size_t>(index)];
    const CellSummary& summary = card.cells[static_cast<std::size_t>(index)];
    all.push_back({{"fault", cell.fault},
                   {"magnitude", cell.magnitude},
                   {"mechanism", cell.mechanism},
                   {"harm", harm_json(summary.harm)},
                   {"noticed", summary.noticed},
                   {"of", summary.injections},
                   {"high", summary.noticed_interval.high},
                   {"by_chance", names_of(input, summary.by_chance)}});
  }
  return all;
}

Json cover_json(const ScoreInput& input, const Cover& cover) {
  Json all = Json::array();
  for (const CoverStep& step : cover.steps)
    all.push_back({{"check", check_name(input, step.check)},
                   {"recall", step.recall},
                   {"false_alarms_per_hour", step.false_alarms.per_hour},
                   {"cpu_s_per_hour", step.cpu_s_per_hour}});
  return all;
}

Json held_out_json(const ScoreInput& input, const Cover& cover) {
  if (!cover.held_out) return {};
  Json sets = Json::array();
  for (const std::vector<int>& set : cover.held_out->sets) sets.push_back(names_of(input, set));
  return {{"found", cover.held_out->found},
          {"of", cover.held_out->of},
          {"low", cover.held_out->interval.low},
          {"high", cover.held_out->interval.high},
          {"sets", sets}};
}

Json co_firing_json(const ScoreInput& input, const CoFiring& co_firing) {
  Json matrix = Json::array(), same = Json::array();
  for (const auto& row : co_firing.pairs) {
    Json cells = Json::array();
    for (const Together& pair : row)
      cells.push_back({{"both", pair.both}, {"of", pair.of}, {"lag_s", seconds(pair.lag_ns)}});
    matrix.push_back(std::move(cells));
  }
  for (const auto& [a, b] : co_firing.say_the_same) same.push_back(names_of(input, {a, b}));
  return {{"pairs", matrix}, {"order", names_of(input, co_firing.order)}, {"say_the_same", same}};
}

}  // namespace

Json to_json(const ScoreInput& input, const Scorecard& card) {
  Json not_run = Json::array();
  for (const NotRun& one : input.not_run)
    not_run.push_back({{"damage", one.damage}, {"what", one.what}, {"reason", one.reason}});
  Json results = Json::array(), visible = Json::array();
  for (const Recall& recall : card.recalls) results.push_back(result_json(input, recall));
  for (const Visibility& one : card.visibilities) visible.push_back(visibility_json(input, card, one));
  return {{"format", formats::kScore.number},
          {"scenario", input.origin.scenario},
          {"started_utc", input.origin.started_utc},
          {"command", input.origin.command},
          {"alarm_from", card.alarm == AlarmFrom::warning ? "warning" : "critical"},
          {"design",
           {{"rounds", card.rounds},
            {"cells", input.cells.size()},
            {"injections", card.injections},
            {"shams", card.shams},
            {"seed", input.origin.seed},
            {"seconds", card.seconds},
            {"nodes", input.cluster_nodes}}},
          {"not_run", not_run},
          {"cells", cells_json(input, card)},
          {"checks", checks_json(input, card)},
          {"results", results},
          {"a90", visible},
          {"missed", missed_json(input, card)},
          {"cover", cover_json(input, card.cover)},
          {"cover_recall", held_out_json(input, card.cover)},
          {"cofiring", co_firing_json(input, card.co_firing)}};
}

}  // namespace grit
