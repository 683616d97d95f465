#include "harness/model/verdict.hpp"

#include <cmath>
#include <limits>

#include "harness/model/defaults.hpp"
#include "harness/model/format.hpp"

namespace grit {
namespace {

Json optional_bool(const std::optional<bool>& value) { return value ? Json(*value) : Json(nullptr); }

std::optional<bool> optional_bool_from(const Json& value) {
  return value.is_null() ? std::nullopt : std::optional<bool>(value.get<bool>());
}

Json effect_json(const std::optional<Effect>& effect) {
  if (!effect) return nullptr;
  return Json{{"estimate", effect->estimate},  {"ci_low", effect->ci_low},
              {"ci_high", effect->ci_high},    {"p", effect->p},
              {"pairs", effect->pairs},        {"minimum_detectable", effect->minimum_detectable},
              {"statistic", effect->statistic}};
}

std::optional<Effect> effect_from(const Json& json) {
  if (json.is_null()) return std::nullopt;
  Effect effect;
  effect.estimate = json.at("estimate").get<double>();
  effect.ci_low = json.at("ci_low").get<double>();
  effect.ci_high = json.at("ci_high").get<double>();
  effect.p = json.at("p").get<double>();
  effect.pairs = json.at("pairs").get<int>();
  effect.minimum_detectable = json.at("minimum_detectable").get<double>();
  effect.statistic = json.at("statistic").get<std::string>();
  return effect;
}

Json lateness_json(const std::optional<Lateness>& lateness) {
  if (!lateness) return nullptr;
  return Json{{"p50_ns", lateness->p50_ns},
              {"p99_ns", lateness->p99_ns},
              {"max_ns", lateness->max_ns},
              {"count", lateness->count}};
}

std::optional<Lateness> lateness_from(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return Lateness{json.at("p50_ns").get<std::int64_t>(), json.at("p99_ns").get<std::int64_t>(),
                  json.at("max_ns").get<std::int64_t>(), json.at("count").get<int>()};
}

Json skew_json(const std::optional<Skew>& skew) {
  if (!skew) return nullptr;
  Json json = lateness_json(skew->lateness);
  json["clock_bound_ns"] = skew->clock_bound_ns;
  return json;
}

std::optional<Skew> skew_from(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return Skew{*lateness_from(json), json.at("clock_bound_ns").get<std::int64_t>()};
}

/// The booleans are what a script asks for ("did it act in all windows?"), null where it is not known; the counts say
/// how far it fell short.
Json fault_json(const FaultResult& fault) {
  const auto in_all = [&](int count) -> Json { return fault.windows > 0 && count == fault.windows; };
  const auto proven_in_all = [&](int count) {
    return count < fault.windows && count + fault.unread >= fault.windows ? Json(nullptr) : in_all(count);
  };
  Json json{{"name", fault.name},
            {"node", fault.node},
            {"device", fault.device},
            {"mechanism", fault.mechanism},
            {"applied", proven_in_all(fault.applied)},
            {"acting", proven_in_all(fault.acting)},
            {"harmful", optional_bool(fault.harmful)},
            {"reverted", in_all(fault.reverted)},
            {"windows", fault.windows},
            {"applied_windows", fault.applied},
            {"acting_windows", fault.acting},
            {"reverted_windows", fault.reverted},
            {"unreverted_windows", fault.unreverted},
            {"acted", fault.acted},
            {"onset", lateness_json(fault.onset)},
            {"end", lateness_json(fault.end)}};
  if (fault.unread > 0) json["unread_windows"] = fault.unread;
  return json;
}

FaultResult fault_from(const Json& document) {
  const Json json = with_defaults(document, fault_json(FaultResult{}));
  FaultResult fault;
  fault.name = json.at("name").get<std::string>();
  fault.node = json.at("node").get<std::string>();
  fault.device = json.at("device").get<std::string>();
  fault.mechanism = json.at("mechanism").get<std::string>();
  fault.windows = json.at("windows").get<int>();
  fault.applied = json.at("applied_windows").get<int>();
  fault.acting = json.at("acting_windows").get<int>();
  fault.unread = json.value("unread_windows", 0);
  fault.reverted = json.at("reverted_windows").get<int>();
  fault.unreverted = json.at("unreverted_windows").get<int>();
  fault.harmful = optional_bool_from(json.at("harmful"));
  fault.acted = json.at("acted").get<std::map<std::string, double>>();
  fault.onset = lateness_from(json.at("onset"));
  fault.end = lateness_from(json.at("end"));
  return fault;
}

Json check_json(const CheckResult& check) {
  return Json{{"name", check.name},
              {"node", check.node},
              {"baseline_runs", check.baseline_runs},
              {"baseline_failures", check.baseline_failures},
              {"fault_runs", check.fault_runs},
              {"fault_failures", check.fault_failures},
              {"not_made", check.not_made},
              {"obstacle", check.obstacle},
              {"not_here", check.not_here},
              {"cpu_ns", check.cpu_ns},
              {"longest_ns", check.longest_ns},
              {"p", check.p ? Json(*check.p) : Json(nullptr)},
              {"pairs", check.pairs},
              {"pairs_worse", check.pairs_worse}};
}

CheckResult check_from(const Json& document) {
  const Json json = with_defaults(document, check_json(CheckResult{}));
  CheckResult check;
  check.name = json.at("name").get<std::string>();
  check.node = json.at("node").get<std::string>();
  check.baseline_runs = json.at("baseline_runs").get<int>();
  check.baseline_failures = json.at("baseline_failures").get<int>();
  check.fault_runs = json.at("fault_runs").get<int>();
  check.fault_failures = json.at("fault_failures").get<int>();
  check.not_made = json.value("not_made", 0);
  check.obstacle = json.value("obstacle", "");
  check.not_here = json.value("not_here", false);
  check.cpu_ns = json.value("cpu_ns", std::int64_t{0});
  check.longest_ns = json.value("longest_ns", std::int64_t{0});
  check.pairs = json.value("pairs", 0);
  check.pairs_worse = json.value("pairs_worse", 0);
  if (const auto p = json.find("p"); p != json.end() && p->is_number()) check.p = p->get<double>();
  return check;
}

Json suspect_json(const Suspect& suspect) {
  return Json{{"node", suspect.node},
              {"node_name", suspect.node_name},
              {"nodes", suspect.nodes},
              {"rank", suspect.rank < 0 ? Json(nullptr) : Json(suspect.rank)},
              {"phase", suspect.phase},
              {"resource", suspect.resource},
              {"excess_ns", suspect.excess_ns},
              {"share_explained", suspect.share_explained},
              {"why", suspect.why}};
}

Suspect suspect_from(const Json& document) {
  const Json json = with_defaults(document, suspect_json(Suspect{}));
  Suspect suspect;
  suspect.node = json.at("node").get<int>();
  suspect.node_name = json.at("node_name").get<std::string>();
  if (json.contains("nodes")) suspect.nodes = json.at("nodes").get<std::vector<int>>();  // older runs have none
  suspect.rank = json.at("rank").is_null() ? -1 : json.at("rank").get<int>();
  suspect.phase = json.at("phase").get<std::string>();
  suspect.resource = json.at("resource").get<std::string>();
  suspect.excess_ns = json.at("excess_ns").get<double>();
  suspect.share_explained = json.at("share_explained").get<double>();
  suspect.why = json.at("why").get<std::string>();
  return suspect;
}

/// "culprit" is the first one to act on, or null, "culprits" how many of the suspects are; "suspects" and
/// "culprit_text" are there whenever somebody was looked for.
void add_culprit(Json& json, const std::optional<Culprit>& culprit) {
  json["culprit"] = nullptr;
  json["culprits"] = culprit ? culprit->named : 0;
  json["culprit_text"] = culprit ? Json(culprit->text) : Json(nullptr);
  json["suspects"] = Json::array();
  if (!culprit) return;
  for (const Suspect& suspect : culprit->suspects) json["suspects"].push_back(suspect_json(suspect));
  if (culprit->named > 0) json["culprit"] = json["suspects"].at(0);
}

std::optional<Culprit> culprit_from(const Json& json) {
  const auto text = json.find("culprit_text");  // verdicts of older runs have none
  if (text == json.end() || text->is_null()) return std::nullopt;
  Culprit culprit{.named = json.at("culprit").is_null() ? 0 : 1, .text = text->get<std::string>()};
  if (const auto named = json.find("culprits"); named != json.end()) culprit.named = named->get<int>();
  for (const Json& suspect : json.at("suspects")) culprit.suspects.push_back(suspect_from(suspect));
  culprit.named = std::clamp(culprit.named, 0, static_cast<int>(culprit.suspects.size()));
  return culprit;
}

Json wrong_data_json(const std::optional<WrongData>& wrong) {
  if (!wrong) return nullptr;
  return Json{{"values", wrong->values}, {"outside", wrong->outside},   {"examples", wrong->examples},
              {"ranks", wrong->ranks},   {"possible", wrong->possible}, {"chance", wrong->chance},
              {"text", wrong->text}};
}

std::optional<WrongData> wrong_data_from(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return WrongData{.values = json.at("values").get<std::uint64_t>(),
                   .outside = json.at("outside").get<std::uint64_t>(),
                   .examples = json.at("examples").get<int>(),
                   .ranks = json.at("ranks").get<std::vector<int>>(),
                   .possible = json.at("possible").get<std::vector<int>>(),
                   .chance = json.at("chance").get<double>(),
                   .text = json.at("text").get<std::string>()};
}

/// null for what is longer than the recovery blocks.
Json finite_json(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

double finite_from(const Json& value) {
  return value.is_null() ? std::numeric_limits<double>::infinity() : value.get<double>();
}

Json recovery_json(const std::optional<Recovery>& recovery) {
  if (!recovery) return nullptr;
  return Json{{"blocks", recovery->blocks},
              {"recovered", recovery->recovered},
              {"p50_ns", recovery->p50_ns ? Json(*recovery->p50_ns) : Json(nullptr)},
              {"p50_ci_ns", recovery->p50_ci_ns ? Json::array({finite_json(recovery->p50_ci_ns->first),
                                                               finite_json(recovery->p50_ci_ns->second)})
                                                : Json(nullptr)},
              {"carry_over", effect_json(recovery->carry_over)}};
}

std::optional<Recovery> recovery_from(const Json& json) {
  if (json.is_null()) return std::nullopt;
  Recovery recovery{.blocks = json.at("blocks").get<int>(), .recovered = json.at("recovered").get<int>()};
  if (!json.at("p50_ns").is_null()) recovery.p50_ns = json.at("p50_ns").get<double>();
  if (const Json ci = json.value("p50_ci_ns", Json()); ci.is_array())  // older runs have none
    recovery.p50_ci_ns = {finite_from(ci.at(0)), finite_from(ci.at(1))};
  recovery.carry_over = effect_from(json.at("carry_over"));
  return recovery;
}

Json optional_time(const std::optional<std::int64_t>& time_ns) { return time_ns ? Json(*time_ns) : Json(nullptr); }

std::optional<std::int64_t> optional_time_from(const Json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<std::int64_t>());
}

Json restart_json(const Restart& restart) {
  return Json{{"why", restart.why},
              {"first_step", restart.first_step},
              {"lost_steps", restart.lost_steps},
              {"passed_over", restart.passed_over},
              {"detect_ns", optional_time(restart.detect_ns)},
              {"end_ns", optional_time(restart.end_ns)},
              {"restart_ns", optional_time(restart.restart_ns)},
              {"recompute_ns", optional_time(restart.recompute_ns)},
              {"back_ns", optional_time(restart.back_ns())}};
}

Restart restart_from(const Json& json) {
  return Restart{.why = json.at("why").get<std::string>(),
                 .first_step = json.at("first_step").get<std::int64_t>(),
                 .lost_steps = json.at("lost_steps").get<std::int64_t>(),
                 .passed_over = json.at("passed_over").get<std::vector<std::string>>(),
                 .detect_ns = optional_time_from(json.at("detect_ns")),
                 .end_ns = optional_time_from(json.at("end_ns")),
                 .restart_ns = optional_time_from(json.at("restart_ns")),
                 .recompute_ns = optional_time_from(json.at("recompute_ns"))};
}

Json restarts_json(const Restarts& restarts) {
  Json json{{"most", restarts.most},
            {"each", Json::array()},
            {"steps", restarts.steps},
            {"wall_ns", optional_time(restarts.wall_ns)},
            {"goodput", restarts.goodput ? Json(*restarts.goodput) : Json(nullptr)}};
  for (const Restart& restart : restarts.each) json["each"].push_back(restart_json(restart));
  return json;
}

std::optional<Restarts> restarts_from(const Json& json) {
  if (json.is_null()) return std::nullopt;
  Restarts restarts{.most = json.at("most").get<std::int64_t>(),
                    .steps = json.at("steps").get<std::int64_t>(),
                    .wall_ns = optional_time_from(json.at("wall_ns"))};
  for (const Json& one : json.at("each")) restarts.each.push_back(restart_from(one));
  if (!json.at("goodput").is_null()) restarts.goodput = json.at("goodput").get<double>();
  return restarts;
}

Result<VerdictKind> kind_from(const std::string& text) {
  for (const VerdictKind kind : {VerdictKind::reproduced, VerdictKind::not_reproduced, VerdictKind::inconclusive})
    if (text == to_string(kind)) return kind;
  return usage_error("unknown verdict \"" + text + "\"; known are reproduced, not_reproduced and inconclusive");
}

}  // namespace

std::string_view to_string(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::reproduced:
      return "reproduced";
    case VerdictKind::not_reproduced:
      return "not_reproduced";
    case VerdictKind::inconclusive:
      return "inconclusive";
  }
  return "inconclusive";
}

int exit_code(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::reproduced:
      return 0;
    case VerdictKind::not_reproduced:
      return 1;
    case VerdictKind::inconclusive:
      return 2;
  }
  return 2;
}

Json to_json(const Verdict& verdict) {
  Json json{{"format", formats::kVerdict.number},
            {"scenario", verdict.scenario},
            {"verdict", to_string(verdict.kind)},
            {"outcome", verdict.outcome},
            {"sentence", verdict.sentence},
            {"reasons", verdict.reasons},
            {"emulated", verdict.emulated},
            {"effect", effect_json(verdict.effect)},
            {"effects", Json::array()},
            {"as_randomised", effect_json(verdict.as_randomised)},
            {"look", verdict.look},
            {"looks", verdict.looks},
            {"sham", effect_json(verdict.sham)},
            {"recovery", recovery_json(verdict.recovery)},
            {"wrong_values", wrong_data_json(verdict.wrong_data)},
            {"faults", Json::array()},
            {"expectations", Json::array()},
            {"checks", Json::array()},
            {"residue", Json::array()},
            {"onset", lateness_json(verdict.onset)},
            {"end", lateness_json(verdict.end)},
            {"skew", skew_json(verdict.skew)},
            {"comes_and_goes", verdict.comes_and_goes},
            {"lost_each_time", nullptr},
            {"baseline_step_s", verdict.baseline_step_ns / 1e9}};
  if (const auto& lost = verdict.lost_each_time)
    json["lost_each_time"] = {
        {"estimate_s", lost->estimate_ns / 1e9}, {"ci_low_s", lost->low_ns / 1e9}, {"ci_high_s", lost->high_ns / 1e9}};
  if (verdict.restarts) json["restarts"] = restarts_json(*verdict.restarts);
  for (const Effect& effect : verdict.effects) json["effects"].push_back(effect_json(effect));
  add_culprit(json, verdict.culprit);
  for (const FaultResult& fault : verdict.faults) json["faults"].push_back(fault_json(fault));
  for (const ExpectationResult& expectation : verdict.expectations)
    json["expectations"].push_back(Json{{"text", expectation.text}, {"met", optional_bool(expectation.met)}});
  for (const CheckResult& check : verdict.checks) json["checks"].push_back(check_json(check));
  for (const Residue& one : verdict.residue)
    json["residue"].push_back(Json{{"node", one.node}, {"differences", one.differences}});
  return json;
}

Result<Verdict> verdict_from_json(const Json& document) {
  try {
    GRIT_CHECK(check_format(document, formats::kVerdict));
    for (const char* needed : {"verdict", "sentence"}) document.at(needed);
    Json defaults = to_json(Verdict{});
    defaults.erase("culprits");  // where there was one, it goes by "culprit"
    const Json json = with_defaults(document, std::move(defaults));
    Verdict verdict;
    GRIT_TRY(verdict.kind, kind_from(json.at("verdict").get<std::string>()));
    verdict.scenario = json.at("scenario").get<std::string>();
    verdict.outcome = json.at("outcome").get<std::string>();
    verdict.sentence = json.at("sentence").get<std::string>();
    verdict.reasons = json.at("reasons").get<std::vector<std::string>>();
    verdict.emulated = json.at("emulated").get<std::vector<std::string>>();
    verdict.effect = effect_from(json.at("effect"));
    for (const Json& effect : json.value("effects", Json::array()))
      if (auto one = effect_from(effect)) verdict.effects.push_back(std::move(*one));  // null says nothing
    verdict.as_randomised = effect_from(json.value("as_randomised", Json()));
    verdict.look = json.value("look", 1);
    verdict.looks = json.value("looks", 1);
    verdict.sham = effect_from(json.value("sham", Json()));
    verdict.recovery = recovery_from(json.value("recovery", Json()));
    verdict.restarts = restarts_from(json.value("restarts", Json()));
    verdict.culprit = culprit_from(json);
    verdict.wrong_data = wrong_data_from(json.value("wrong_values", Json()));
    for (const Json& fault : json.at("faults")) verdict.faults.push_back(fault_from(fault));
    for (const Json& one : json.at("expectations"))
      verdict.expectations.push_back({one.at("text").get<std::string>(), optional_bool_from(one.at("met"))});
    for (const Json& check : json.at("checks")) verdict.checks.push_back(check_from(check));
    for (const Json& one : json.at("residue"))
      verdict.residue.push_back(
          {one.at("node").get<std::string>(), one.at("differences").get<std::vector<std::string>>()});
    verdict.onset = lateness_from(json.at("onset"));
    verdict.end = lateness_from(json.at("end"));
    verdict.skew = skew_from(json.at("skew"));
    verdict.comes_and_goes = json.value("comes_and_goes", false);
    if (const Json lost = json.value("lost_each_time", Json()); !lost.is_null())
      verdict.lost_each_time =
          TimeLost{lost.at("estimate_s").get<double>() * 1e9, lost.at("ci_low_s").get<double>() * 1e9,
                   lost.at("ci_high_s").get<double>() * 1e9};
    verdict.baseline_step_ns = json.at("baseline_step_s").get<double>() * 1e9;
    return verdict;
  } catch (const Json::exception& error) {
    return usage_error(std::string("not a verdict.json: ") + error.what() +
                       "; judge the run again with: grit report RUN");
  }
}

}  // namespace grit
