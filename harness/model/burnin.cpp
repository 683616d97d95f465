#include "harness/model/burnin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "harness/model/format.hpp"

namespace grit {
namespace {

constexpr std::array kShapes{std::pair{BurninShape::node, std::string_view("node")},
                             std::pair{BurninShape::pair, std::string_view("pair")},
                             std::pair{BurninShape::group, std::string_view("group")}};
constexpr std::array kEnds{std::pair{BurninCellEnd::completed, std::string_view("completed")},
                           std::pair{BurninCellEnd::failed, std::string_view("failed")},
                           std::pair{BurninCellEnd::timed_out, std::string_view("timed_out")},
                           std::pair{BurninCellEnd::not_started, std::string_view("not_started")}};
constexpr std::array kStates{std::pair{BurninNodeState::untested, std::string_view("untested")},
                             std::pair{BurninNodeState::testing, std::string_view("testing")},
                             std::pair{BurninNodeState::suspect, std::string_view("suspect")},
                             std::pair{BurninNodeState::good, std::string_view("good")},
                             std::pair{BurninNodeState::apart, std::string_view("apart")},
                             std::pair{BurninNodeState::bad, std::string_view("bad")},
                             std::pair{BurninNodeState::not_tested, std::string_view("not_tested")}};
constexpr std::array kStatuses{std::pair{BurninStatus::clear, std::string_view("clear")},
                               std::pair{BurninStatus::suspect, std::string_view("suspect")},
                               std::pair{BurninStatus::cleared, std::string_view("cleared")},
                               std::pair{BurninStatus::shown, std::string_view("shown")},
                               std::pair{BurninStatus::apart, std::string_view("apart")},
                               std::pair{BurninStatus::unclear, std::string_view("unclear")}};

template <class Names, class Enum>
std::string_view burnin_word(const Names& names, Enum value) {
  for (const auto& [known, word] : names)
    if (known == value) return word;
  return "?";
}

/// A word that is none of them leaves this file as an error of the JSON library's own kind.
template <class Names, class Enum>
void read_word(const Names& names, const Json& json, const char* key, Enum& into) {
  const auto found = json.find(key);
  if (found == json.end()) return;
  const auto& given = found->get_ref<const std::string&>();
  const auto known = std::find_if(names.begin(), names.end(), [&](const auto& one) { return one.second == given; });
  if (known == names.end()) throw Json::other_error::create(501, fmt::format("unknown word \"{}\"", given), nullptr);
  into = known->first;
}

/// What is missing stays as it is.
template <class T>
void read(const Json& json, const char* key, T& into) {
  if (const auto found = json.find(key); found != json.end()) found->get_to(into);
}

/// JSON has no figure that is not finite: it is written as null.
void read(const Json& json, const char* key, double& into) {
  const auto found = json.find(key);
  if (found == json.end()) return;
  into = found->is_null() ? std::numeric_limits<double>::quiet_NaN() : found->get<double>();
}

void read(const Json& json, const char* key, std::optional<double>& into) {
  if (const auto found = json.find(key); found != json.end() && !found->is_null()) into = found->get<double>();
}

}  // namespace

std::string_view to_string(BurninCellEnd end) { return burnin_word(kEnds, end); }
std::string_view to_string(BurninNodeState state) { return burnin_word(kStates, state); }
std::string_view to_string(BurninStatus status) { return burnin_word(kStatuses, status); }

// --- as the JSON library finds them, so that lists and maps of these need nothing more
// --------------------------------

static void to_json(Json& json, const BurninRound& round) {
  json = {{"name", round.name},
          {"kinds", round.kinds},
          {"scenario", round.scenario},
          {"options", round.options},
          {"shape", burnin_word(kShapes, round.shape)},
          {"sizes", round.sizes},
          {"visits", round.visits},
          {"ranks_per_node", round.ranks_per_node},
          {"length_ns", round.length_ns},
          {"limit_ns", round.limit_ns},
          {"alone", round.alone}};
}

static void from_json(const Json& json, BurninRound& round) {
  read(json, "name", round.name);
  read(json, "kinds", round.kinds);
  read(json, "scenario", round.scenario);
  read(json, "options", round.options);
  read_word(kShapes, json, "shape", round.shape);
  read(json, "sizes", round.sizes);
  read(json, "visits", round.visits);
  read(json, "ranks_per_node", round.ranks_per_node);
  read(json, "length_ns", round.length_ns);
  read(json, "limit_ns", round.limit_ns);
  read(json, "alone", round.alone);
}

static void to_json(Json& json, const BurninLimits& limits) {
  json = Json::object();
  if (limits.tolerance) json["tolerance"] = *limits.tolerance;
  if (limits.spread) json["spread"] = *limits.spread;
  if (limits.at_least) json["at_least"] = *limits.at_least;
  if (limits.at_most) json["at_most"] = *limits.at_most;
}

static void from_json(const Json& json, BurninLimits& limits) {
  read(json, "tolerance", limits.tolerance);
  read(json, "spread", limits.spread);
  read(json, "at_least", limits.at_least);
  read(json, "at_most", limits.at_most);
}

static void to_json(Json& json, const ScenarioPlugin& plugin) {
  json = {{"name", plugin.name}, {"params", plugin.params}};
}

static void from_json(const Json& json, ScenarioPlugin& plugin) {
  read(json, "name", plugin.name);
  read(json, "params", plugin.params);
}

static void to_json(Json& json, const BurninConfig& config) {
  json = {{"name", config.name},
          {"summary", config.summary},
          {"rounds", config.rounds},
          {"limits", config.limits},
          {"checks", config.checks},
          {"checks_source", config.checks_source},
          {"must_match", config.must_match},
          {"false_bad", config.false_bad},
          {"confirm_visits", config.confirm_visits},
          {"looks", config.looks},
          {"cycles", config.cycles}};
}

static void from_json(const Json& json, BurninConfig& config) {
  read(json, "name", config.name);
  read(json, "summary", config.summary);
  read(json, "rounds", config.rounds);
  read(json, "limits", config.limits);
  read(json, "checks", config.checks);
  read(json, "checks_source", config.checks_source);
  read(json, "must_match", config.must_match);
  read(json, "false_bad", config.false_bad);
  read(json, "confirm_visits", config.confirm_visits);
  read(json, "looks", config.looks);
  read(json, "cycles", config.cycles);
}

static void to_json(Json& json, const BurninCell& cell) {
  json = {{"id", cell.id},       {"round", cell.round},     {"visit", cell.visit}, {"confirms", cell.confirms},
          {"hosts", cell.hosts}, {"suspect", cell.suspect}, {"kinds", cell.kinds}, {"length_ns", cell.length_ns}};
}

static void from_json(const Json& json, BurninCell& cell) {
  read(json, "id", cell.id);
  read(json, "round", cell.round);
  read(json, "visit", cell.visit);
  read(json, "confirms", cell.confirms);
  read(json, "hosts", cell.hosts);
  read(json, "suspect", cell.suspect);
  read(json, "kinds", cell.kinds);
  read(json, "length_ns", cell.length_ns);
}

static void to_json(Json& json, const BurninObservation& one) {
  json = {{"measure", one.measure}, {"host", one.host},   {"value", one.value},
          {"cell", one.cell},       {"visit", one.visit}, {"confirms", one.confirms}};
  if (!one.peer.empty()) json["peer"] = one.peer;
  if (one.exposure != 0) json["exposure"] = one.exposure;
}

static void from_json(const Json& json, BurninObservation& one) {
  read(json, "measure", one.measure);
  read(json, "host", one.host);
  read(json, "peer", one.peer);
  read(json, "value", one.value);
  read(json, "exposure", one.exposure);
  read(json, "cell", one.cell);
  read(json, "visit", one.visit);
  read(json, "confirms", one.confirms);
}

static void to_json(Json& json, const BurninAlarm& alarm) {
  json = {{"host", alarm.host},         {"check", alarm.check},   {"subject", alarm.subject},
          {"severity", alarm.severity}, {"detail", alarm.detail}, {"of_machine", alarm.of_machine}};
}

static void from_json(const Json& json, BurninAlarm& alarm) {
  read(json, "host", alarm.host);
  read(json, "check", alarm.check);
  read(json, "subject", alarm.subject);
  read(json, "severity", alarm.severity);
  read(json, "detail", alarm.detail);
  read(json, "of_machine", alarm.of_machine);
}

static void to_json(Json& json, const BurninCellResult& result) {
  json = {{"cell", result.cell},
          {"end", to_string(result.end)},
          {"status", result.status},
          {"observations", result.observations},
          {"facts", result.facts},
          {"alarms", result.alarms},
          {"alarm_free", result.alarm_free},
          {"skipped", result.skipped},
          {"errors", result.errors},
          {"boot_ids", result.boot_ids},
          {"words", result.words},
          {"kernel_lines", result.kernel_lines},
          {"command", result.command},
          {"session", result.session},
          {"started_ns", result.started_ns},
          {"took_ns", result.took_ns}};
}

static void from_json(const Json& json, BurninCellResult& result) {
  read(json, "cell", result.cell);
  read_word(kEnds, json, "end", result.end);
  read(json, "status", result.status);
  read(json, "observations", result.observations);
  read(json, "facts", result.facts);
  read(json, "alarms", result.alarms);
  read(json, "alarm_free", result.alarm_free);
  read(json, "skipped", result.skipped);
  read(json, "errors", result.errors);
  read(json, "boot_ids", result.boot_ids);
  read(json, "words", result.words);
  read(json, "kernel_lines", result.kernel_lines);
  read(json, "command", result.command);
  read(json, "session", result.session);
  read(json, "started_ns", result.started_ns);
  read(json, "took_ns", result.took_ns);
}

static void to_json(Json& json, const BurninFinding& finding) {
  json = {{"measure", finding.measure},
          {"host", finding.host},
          {"peer", finding.peer},
          {"group", finding.group},
          {"status", to_string(finding.status)},
          {"worse", finding.worse},
          {"worse_low", finding.worse_low},
          {"worse_high", finding.worse_high},
          {"p_noise", finding.p_noise},
          {"p_peers", finding.p_peers},
          {"peers", finding.peers},
          {"visits", finding.visits},
          {"of_reference", finding.of_reference},
          {"why", finding.why}};
}

static void from_json(const Json& json, BurninFinding& finding) {
  read(json, "measure", finding.measure);
  read(json, "host", finding.host);
  read(json, "peer", finding.peer);
  read(json, "group", finding.group);
  read_word(kStatuses, json, "status", finding.status);
  read(json, "worse", finding.worse);
  read(json, "worse_low", finding.worse_low);
  read(json, "worse_high", finding.worse_high);
  read(json, "p_noise", finding.p_noise);
  read(json, "p_peers", finding.p_peers);
  read(json, "peers", finding.peers);
  read(json, "visits", finding.visits);
  read(json, "of_reference", finding.of_reference);
  read(json, "why", finding.why);
}

static void to_json(Json& json, const BurninNodeReport& node) {
  json = {{"host", node.host},
          {"group", node.group},
          {"machine_class", node.machine_class},
          {"state", to_string(node.state)},
          {"reason", node.reason},
          {"findings", node.findings},
          {"figures", node.figures},
          {"facts", node.facts},
          {"skipped", node.skipped},
          {"remarks", node.remarks}};
}

static void from_json(const Json& json, BurninNodeReport& node) {
  read(json, "host", node.host);
  read(json, "group", node.group);
  read(json, "machine_class", node.machine_class);
  read_word(kStates, json, "state", node.state);
  read(json, "reason", node.reason);
  read(json, "findings", node.findings);
  read(json, "figures", node.figures);
  read(json, "facts", node.facts);
  read(json, "skipped", node.skipped);
  read(json, "remarks", node.remarks);
}

static void from_json(const Json& json, BurninReport& report) {
  read(json, "config", report.config);
  read(json, "launcher", report.launcher);
  read(json, "started_utc", report.started_utc);
  read(json, "took_ns", report.took_ns);
  read(json, "complete", report.complete);
  read(json, "nodes", report.nodes);
  read(json, "links", report.links);
  read(json, "groups", report.groups);
  read(json, "fleet", report.fleet);
  read(json, "observations", report.observations);
  read(json, "round_took_ns", report.round_took_ns);
  read(json, "lost", report.lost);
}

namespace {

/// The JSON library's exceptions end here.
template <class T>
Result<T> from(const Json& json, std::string_view what) {
  if (!json.is_object()) return usage_error(fmt::format("this is no {} of a burn-in", what));
  try {
    return json.get<T>();
  } catch (const Json::exception& error) {
    return usage_error(fmt::format("this is no {} of a burn-in: {}", what, error.what()));
  }
}

}  // namespace

Json to_json(const BurninCell& cell) { return Json(cell); }
Json to_json(const BurninCellResult& result) { return Json(result); }
Json to_json(const BurninConfig& config) { return Json(config); }

Json to_json(const BurninReport& report) {
  return {{"format", formats::kBurnin.number},
          {"config", report.config},
          {"launcher", report.launcher},
          {"started_utc", report.started_utc},
          {"took_ns", report.took_ns},
          {"complete", report.complete},
          {"nodes", report.nodes},
          {"links", report.links},
          {"groups", report.groups},
          {"fleet", report.fleet},
          {"observations", report.observations},
          {"round_took_ns", report.round_took_ns},
          {"lost", report.lost}};
}

Result<BurninCellResult> burnin_cell_result_from_json(const Json& json) {
  return from<BurninCellResult>(json, "cell's result");
}

Result<BurninConfig> burnin_config_from_json(const Json& json) { return from<BurninConfig>(json, "config"); }

Result<BurninReport> burnin_report_from_json(const Json& json) {
  if (json.is_object()) GRIT_CHECK(check_format(json, formats::kBurnin));
  return from<BurninReport>(json, "report");
}

int exit_code(const BurninReport& report) {
  const auto is = [](BurninStatus wanted) {
    return [wanted](const BurninFinding& one) { return one.status == wanted; };
  };
  const auto any = [&](BurninStatus wanted) {
    return std::ranges::any_of(report.links, is(wanted)) || std::ranges::any_of(report.groups, is(wanted));
  };
  const auto in = [](BurninNodeState state) {
    return [state](const BurninNodeReport& node) { return node.state == state; };
  };
  if (std::ranges::any_of(report.nodes, in(BurninNodeState::bad)) || any(BurninStatus::shown)) return 1;
  const bool all_good = std::ranges::all_of(report.nodes, in(BurninNodeState::good));
  const bool any_open = any(BurninStatus::apart) || any(BurninStatus::unclear) || any(BurninStatus::suspect);
  return all_good && !any_open && report.complete ? 0 : 2;
}

}  // namespace grit
