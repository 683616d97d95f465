#include "harness/model/series.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>

#include "harness/model/defaults.hpp"
#include "harness/model/format.hpp"

namespace grit {
namespace {

constexpr std::int64_t kMostTrials = 200;  // of those that nobody asked for

constexpr std::array<std::pair<SearchSpec::Kind, std::string_view>, 6> kKinds{{
    {SearchSpec::Kind::none, "none"},
    {SearchSpec::Kind::magnitude, "magnitude"},
    {SearchSpec::Kind::yes_no, "yes_no"},
    {SearchSpec::Kind::escalate, "escalate"},
    {SearchSpec::Kind::minimal, "minimal"},
    {SearchSpec::Kind::drive, "drive"},
}};

template <class T>
Json optional_json(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

template <class T>
std::optional<T> optional_from(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional<T>(json.get<T>());
}

VerdictKind verdict_kind_from(const Json& json) {
  const auto text = json.get<std::string>();
  for (const VerdictKind kind : {VerdictKind::reproduced, VerdictKind::not_reproduced})
    if (text == to_string(kind)) return kind;
  return VerdictKind::inconclusive;
}

Unit unit_from(const Json& json) {
  const auto text = json.get<std::string>();
  for (const Unit unit :
       {Unit::count, Unit::time_ns, Unit::bytes, Unit::size_bytes, Unit::bits_per_s, Unit::fraction, Unit::flops_per_s})
    if (text == unit_name(unit)) return unit;
  return Unit::number;
}

Json search_json(const SearchSpec& search) {
  return Json{{"kind", to_string(search.kind)},
              {"option", search.option},
              {"unit", unit_name(search.unit)},
              {"from", search.from},
              {"to", search.to},
              {"linear", search.linear},
              {"harm_grows", optional_json(search.harm_grows)},
              {"slowdown", optional_json(search.slowdown)},
              {"outcome", search.outcome},
              {"check", search.check},
              {"noise", search.noise},
              {"resolution", search.resolution},
              {"trials", search.trials}};
}

SearchSpec search_from(const Json& json) {
  SearchSpec search;
  for (const auto& [kind, name] : kKinds)
    if (json.at("kind").get<std::string>() == name) search.kind = kind;
  search.option = json.at("option").get<std::string>();
  search.unit = unit_from(json.at("unit"));
  search.from = json.at("from").get<double>();
  search.to = json.at("to").get<double>();
  search.linear = json.at("linear").get<bool>();
  search.harm_grows = optional_from<bool>(json.at("harm_grows"));
  search.slowdown = optional_from<double>(json.at("slowdown"));
  search.outcome = json.at("outcome").get<std::string>();
  search.check = json.at("check").get<std::string>();
  search.noise = json.at("noise").get<double>();
  search.resolution = json.at("resolution").get<double>();
  search.trials = json.at("trials").get<std::int64_t>();
  return search;
}

TrialResult result_from(const Json& json) {
  TrialResult result;
  result.verdict = verdict_kind_from(json.at("verdict"));
  result.outcome = json.at("outcome").get<std::string>();
  result.sentence = json.at("sentence").get<std::string>();
  result.log_ratios = json.at("log_ratios").get<std::vector<double>>();
  if (const Json& slowdown = json.at("slowdown"); !slowdown.is_null()) {
    result.slowdown = slowdown.at("estimate").get<double>();
    result.ci_low = slowdown.at("ci_low").get<double>();
    result.ci_high = slowdown.at("ci_high").get<double>();
  }
  result.baseline_step_ns = json.at("baseline_step_s").get<double>() * 1e9;
  result.applied = json.at("applied").get<bool>();
  result.culprit = json.at("culprit").get<std::string>();
  result.failed_checks = json.at("failed_checks").get<std::vector<std::string>>();
  result.untold_checks = json.value("untold_checks", std::vector<std::string>{});  // older files have none
  result.faults = json.at("faults");
  result.left_behind = json.at("left_behind").get<bool>();
  result.assumed = json.at("assumed").get<std::string>();
  return result;
}

Json trial_json(const Trial& trial) {
  return Json{{"number", trial.number},
              {"directory", trial_directory(trial.number)},
              {"overrides", trial.overrides},
              {"dose", optional_json(trial.dose)},
              {"faults", optional_json(trial.faults)},
              {"why", trial.why},
              {"boot_id", trial.boot_id},
              {"begun_utc", trial.begun_utc},
              {"result", trial.result ? to_json(*trial.result) : Json(nullptr)}};
}

Trial trial_from(const Json& json) {
  Trial trial;
  trial.number = json.at("number").get<int>();
  trial.overrides = json.at("overrides").get<Overrides>();
  trial.dose = optional_from<double>(json.at("dose"));
  trial.faults = optional_from<std::vector<int>>(json.at("faults"));
  trial.why = json.at("why").get<std::string>();
  trial.boot_id = json.at("boot_id").get<std::string>();
  trial.begun_utc = json.at("begun_utc").get<std::string>();
  if (!json.at("result").is_null())
    trial.result = result_from(with_defaults(json.at("result"), to_json(TrialResult{})));
  return trial;
}

}  // namespace

std::string_view to_string(SearchSpec::Kind kind) {
  for (const auto& [one, name] : kKinds)
    if (one == kind) return name;
  return "none";
}

DoseScale scale_of(const SearchSpec& search) {
  const bool whole = search.unit != Unit::number && search.unit != Unit::fraction && search.unit != Unit::flops_per_s;
  return {search.from, search.to, search.linear, search.harm_grows.value_or(true), whole};
}

std::int64_t default_trials(const SearchSpec& search) {
  if (search.kind != SearchSpec::Kind::magnitude && search.kind != SearchSpec::Kind::yes_no) return SearchSpec().trials;
  // How many times the range must be halved, and twice, for what is measured is not exact.
  const double halvings = std::log2(1 / scale_of(search).width_of(search.resolution));
  if (search.kind == SearchSpec::Kind::magnitude) return std::llround(std::ceil(4 + 2 * halvings));
  // An answer that is wrong this often tells so many bits of the one that it would have told (C. E. Shannon, 1948).
  const double noise = search.noise;
  const double told = 1 + noise * std::log2(noise) + (1 - noise) * std::log2(1 - noise);
  return std::min<std::int64_t>(std::llround(std::ceil((14 + 2 * halvings) / told)), kMostTrials);
}

std::string trial_directory(int number) { return fmt::format("trials/{:03}", number); }

std::string dose_text(const SearchSpec& search, double dose) {
  return format_quantity(scale_of(search).whole ? Json(std::llround(dose)) : Json(dose), search.unit);
}

Json to_json(const TrialResult& result) {
  Json json{{"verdict", to_string(result.verdict)},
            {"outcome", result.outcome},
            {"sentence", result.sentence},
            {"log_ratios", result.log_ratios},
            {"slowdown", nullptr},
            {"baseline_step_s", result.baseline_step_ns / 1e9},
            {"applied", result.applied},
            {"culprit", result.culprit},
            {"failed_checks", result.failed_checks},
            {"untold_checks", result.untold_checks},
            {"faults", result.faults},
            {"left_behind", result.left_behind},
            {"assumed", result.assumed}};
  if (result.slowdown)
    json["slowdown"] = Json{{"estimate", *result.slowdown}, {"ci_low", result.ci_low}, {"ci_high", result.ci_high}};
  return json;
}

Json to_json(const Series& series) {
  Json json{{"format", formats::kSeries.number},
            {"scenario", series.scenario},
            {"summary", series.summary},
            {"file", series.file},
            {"seed", series.seed},
            {"sets", series.sets},
            {"nodes", series.nodes},
            {"ranks_per_node", series.ranks_per_node},
            {"local_cluster", series.local_cluster},
            {"emulated", series.emulated},
            {"command_line", series.command_line},
            {"faults", series.faults},
            {"search", search_json(series.search)},
            {"trials", Json::array()},
            {"interrupted", series.interrupted},
            {"error", series.error},
            {"said_verdict", series.said_verdict ? Json(to_string(*series.said_verdict)) : Json(nullptr)},
            {"said_text", series.said_text}};
  for (const Trial& trial : series.trials) json["trials"].push_back(trial_json(trial));
  return json;
}

Result<Series> series_from_json(const Json& document) {
  try {
    GRIT_CHECK(check_format(document, formats::kSeries));
    for (const char* needed : {"scenario", "seed", "search", "trials"}) document.at(needed);
    const Json json = with_defaults(document, to_json(Series{}));
    Series series;
    series.scenario = json.at("scenario").get<std::string>();
    series.summary = json.at("summary").get<std::string>();
    series.file = json.at("file").get<std::string>();
    series.seed = json.at("seed").get<std::uint64_t>();
    series.sets = json.at("sets").get<Overrides>();
    series.nodes = json.at("nodes").get<int>();
    series.ranks_per_node = json.value("ranks_per_node", 1);
    series.local_cluster = json.at("local_cluster").get<bool>();
    series.emulated = json.at("emulated").get<std::vector<std::string>>();
    series.command_line = json.at("command_line").get<std::vector<std::string>>();
    series.faults = json.at("faults").get<std::vector<std::string>>();
    series.search = search_from(with_defaults(json.at("search"), search_json(SearchSpec{})));
    for (const Json& trial : json.at("trials"))
      series.trials.push_back(trial_from(with_defaults(trial, trial_json(Trial{}))));
    series.interrupted = json.at("interrupted").get<bool>();
    series.error = json.at("error").get<std::string>();
    if (!json.at("said_verdict").is_null()) series.said_verdict = verdict_kind_from(json.at("said_verdict"));
    series.said_text = json.at("said_text").get<std::string>();
    return series;
  } catch (const Json::exception& error) {
    return usage_error(std::string("not a series.json: ") + error.what());
  }
}

}  // namespace grit
