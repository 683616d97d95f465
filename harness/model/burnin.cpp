#include "harness/model/burnin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <limits>
#include <type_traits>
#include <utility>

#include "harness/model/burnin_measures.hpp"
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
constexpr std::array kNodeStates{std::pair{BurninNodeState::untested, std::string_view("untested")},
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

const auto& words_for(BurninShape /*of*/) { return kShapes; }
const auto& words_for(BurninCellEnd /*of*/) { return kEnds; }
const auto& words_for(BurninNodeState /*of*/) { return kNodeStates; }
const auto& words_for(BurninStatus /*of*/) { return kStatuses; }

}  // namespace

std::string_view to_string(BurninCellEnd end) { return burnin_word(kEnds, end); }
std::string_view to_string(BurninNodeState state) { return burnin_word(kNodeStates, state); }
std::string_view to_string(BurninStatus status) { return burnin_word(kStatuses, status); }

int gravity(BurninStatus status) {
  switch (status) {
    case BurninStatus::shown:
      return 5;
    case BurninStatus::suspect:
      return 4;
    case BurninStatus::apart:
      return 3;
    case BurninStatus::unclear:
      return 2;
    case BurninStatus::cleared:
      return 1;
    case BurninStatus::clear:
      break;
  }
  return 0;
}

namespace {

/// Members as they are, enumerators as words, what is not set not at all.
struct BurninWriter {
  Json& json;

  template <class T>
  void operator()(const char* key, const T& value) const {
    if constexpr (std::is_enum_v<T>)
      json[key] = burnin_word(words_for(value), value);
    else
      json[key] = value;
  }
  void operator()(const char* key, const std::optional<double>& value) const {
    if (value) json[key] = *value;
  }
  /// Left out where it is at its default, as of most of many.
  template <class T>
  void sparse(const char* key, const T& value) const {
    if (value != T{}) json[key] = value;
  }
};

/// What is missing stays as it is. A word that is no enumerator's leaves this file as an error of the JSON library's
/// own kind.
struct BurninReader {
  const Json& json;

  template <class T>
  void operator()(const char* key, T& into) const {
    const auto found = json.find(key);
    if (found == json.end()) return;
    if constexpr (std::is_enum_v<T>) {
      const auto& given = found->get_ref<const std::string&>();
      const auto& words = words_for(into);
      const auto known = std::find_if(words.begin(), words.end(), [&](const auto& one) { return one.second == given; });
      if (known == words.end())
        throw Json::other_error::create(501, fmt::format("unknown word \"{}\"", given), nullptr);
      into = known->first;
    } else {
      found->get_to(into);
    }
  }
  /// JSON has no figure that is not finite: it is written as null.
  void operator()(const char* key, double& into) const {
    const auto found = json.find(key);
    if (found == json.end()) return;
    into = found->is_null() ? std::numeric_limits<double>::quiet_NaN() : found->get<double>();
  }
  void operator()(const char* key, std::optional<double>& into) const {
    if (const auto found = json.find(key); found != json.end() && !found->is_null()) into = found->get<double>();
  }
  template <class T>
  void sparse(const char* key, T& into) const {
    (*this)(key, into);
  }
};

template <class Given, class Type>
concept MaybeConst = std::same_as<std::remove_const_t<Given>, Type>;

}  // namespace

// --- the members of each type by their keys, for writing and reading alike ------------------------------------------

template <MaybeConst<BurninRound> Given, class Member>
static void each_member(Given& round, const Member& member) {
  member("name", round.name), member("kinds", round.kinds), member("scenario", round.scenario),
      member("options", round.options), member("shape", round.shape), member("sizes", round.sizes),
      member("visits", round.visits), member("ranks_per_node", round.ranks_per_node),
      member("length_ns", round.length_ns), member("limit_ns", round.limit_ns), member("alone", round.alone);
}

template <MaybeConst<BurninLimits> Given, class Member>
static void each_member(Given& limits, const Member& member) {
  member("tolerance", limits.tolerance), member("spread", limits.spread), member("at_least", limits.at_least),
      member("at_most", limits.at_most);
}

template <MaybeConst<ScenarioPlugin> Given, class Member>
static void each_member(Given& plugin, const Member& member) {
  member("name", plugin.name), member("params", plugin.params);
}

template <MaybeConst<BurninConfig> Given, class Member>
static void each_member(Given& config, const Member& member) {
  member("name", config.name), member("summary", config.summary), member("rounds", config.rounds),
      member("limits", config.limits), member("checks", config.checks), member("checks_source", config.checks_source),
      member("must_match", config.must_match), member("false_bad", config.false_bad),
      member("confirm_visits", config.confirm_visits), member("looks", config.looks), member("cycles", config.cycles);
}

template <MaybeConst<BurninCell> Given, class Member>
static void each_member(Given& cell, const Member& member) {
  member("id", cell.id), member("round", cell.round), member("visit", cell.visit), member("confirms", cell.confirms),
      member("hosts", cell.hosts), member("suspect", cell.suspect), member("kinds", cell.kinds),
      member("length_ns", cell.length_ns);
}

template <MaybeConst<BurninObservation> Given, class Member>
static void each_member(Given& one, const Member& member) {
  member("measure", one.measure), member("host", one.host), member("value", one.value), member("cell", one.cell),
      member("visit", one.visit), member("confirms", one.confirms), member.sparse("peer", one.peer),
      member.sparse("exposure", one.exposure);
}

template <MaybeConst<BurninAlarm> Given, class Member>
static void each_member(Given& alarm, const Member& member) {
  member("host", alarm.host), member("check", alarm.check), member("subject", alarm.subject),
      member("severity", alarm.severity), member("detail", alarm.detail), member("of_machine", alarm.of_machine);
}

template <MaybeConst<BurninCarrier> Given, class Member>
static void each_member(Given& one, const Member& member) {
  member("nic", one.nic), member("ifindex", one.ifindex), member("lost", one.lost);
}

template <MaybeConst<BurninCarriers> Given, class Member>
static void each_member(Given& all, const Member& member) {
  member("netns", all.netns), member("read_ns", all.read_ns), member("nics", all.nics);
}

template <MaybeConst<BurninCellResult> Given, class Member>
static void each_member(Given& result, const Member& member) {
  member("cell", result.cell), member("end", result.end), member("status", result.status),
      member("observations", result.observations), member("facts", result.facts), member("alarms", result.alarms),
      member("alarm_free", result.alarm_free), member("skipped", result.skipped), member("errors", result.errors),
      member("boot_ids", result.boot_ids), member("carriers", result.carriers), member("session", result.session),
      member("words", result.words), member("kernel_lines", result.kernel_lines), member("command", result.command),
      member("started_ns", result.started_ns), member("took_ns", result.took_ns);
}

template <MaybeConst<BurninFinding> Given, class Member>
static void each_member(Given& finding, const Member& member) {
  member("measure", finding.measure), member("host", finding.host), member("peer", finding.peer),
      member("group", finding.group), member("status", finding.status), member("worse", finding.worse),
      member("worse_low", finding.worse_low), member("worse_high", finding.worse_high),
      member("p_noise", finding.p_noise), member("p_peers", finding.p_peers), member("peers", finding.peers),
      member("visits", finding.visits), member("of_reference", finding.of_reference), member("why", finding.why);
}

template <MaybeConst<BurninNodeReport> Given, class Member>
static void each_member(Given& node, const Member& member) {
  member("host", node.host), member("group", node.group), member("machine_class", node.machine_class),
      member("state", node.state), member("reason", node.reason), member("findings", node.findings),
      member("figures", node.figures), member("facts", node.facts), member("skipped", node.skipped),
      member("remarks", node.remarks);
}

template <MaybeConst<BurninDrift::Point> Given, class Member>
static void each_member(Given& point, const Member& member) {
  member("cycle", point.cycle), member("at_ns", point.at_ns), member("nodes", point.nodes),
      member("middle", point.middle), member("low", point.low), member("high", point.high);
}

template <MaybeConst<BurninDrift::Node> Given, class Member>
static void each_member(Given& node, const Member& member) {
  member("host", node.host), member("worse", node.worse), member("beyond_fleet", node.beyond_fleet),
      member("cycles", node.cycles), member("path", node.path);
}

template <MaybeConst<BurninDrift> Given, class Member>
static void each_member(Given& drift, const Member& member) {
  member("measure", drift.measure), member("round", drift.round), member("machine_class", drift.machine_class),
      member("cycles", drift.cycles), member("points", drift.points), member("shift", drift.shift),
      member("is_beyond_noise", drift.is_beyond_noise), member("nodes_told", drift.nodes_told),
      member("slower", drift.slower), member("more_slower", drift.more_slower);
}

template <MaybeConst<BurninReport> Given, class Member>
static void each_member(Given& report, const Member& member) {
  member("config", report.config), member("launcher", report.launcher), member("started_utc", report.started_utc),
      member("took_ns", report.took_ns), member("complete", report.complete), member("nodes", report.nodes),
      member("links", report.links), member("groups", report.groups), member("fleet", report.fleet),
      member("drift", report.drift), member("observations", report.observations),
      member("round_took_ns", report.round_took_ns), member("lost", report.lost);
}

template <class T>
concept HasMembers = requires(T& value, const BurninReader& reader) {
  each_member(value, reader);
};

// As the JSON library finds them, so that lists and maps of these need nothing more.

template <HasMembers T>
static void to_json(Json& json, const T& value) {
  json = Json::object();
  each_member(value, BurninWriter{json});
}

template <HasMembers T>
static void from_json(const Json& json, T& value) {
  each_member(value, BurninReader{json});
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

Json to_json(const BurninCarriers& carriers) { return Json(carriers); }
Json to_json(const BurninCell& cell) { return Json(cell); }
Json to_json(const BurninCellResult& result) { return Json(result); }
Json to_json(const BurninConfig& config) { return Json(config); }

Json to_json(const BurninReport& report) {
  Json json(report);
  json["format"] = formats::kBurnin.number;
  return json;
}

Result<BurninCarriers> burnin_carriers_from_json(const Json& json) { return from<BurninCarriers>(json, "carriers"); }

Result<BurninCellResult> burnin_cell_result_from_json(const Json& json) {
  return from<BurninCellResult>(json, "cell's result");
}

Result<BurninConfig> burnin_config_from_json(const Json& json) { return from<BurninConfig>(json, "config"); }

void put_facts_first(BurninConfig& config) {
  if (config.rounds.empty() || config.rounds.front().shape == BurninShape::node) return;
  constexpr std::int64_t kLength_ns = 1'000'000'000, kLimit_ns = 60'000'000'000;  // as of a config that says neither
  BurninRound facts{
      .name = "facts", .kinds = {"facts"}, .length_ns = kLength_ns, .limit_ns = kLimit_ns, .alone = false};
  while (std::ranges::find(config.rounds, facts.name, &BurninRound::name) != config.rounds.end())
    facts.name += "_first";
  config.rounds.insert(config.rounds.begin(), std::move(facts));
}

Result<BurninReport> burnin_report_from_json(const Json& json) {
  if (json.is_object()) GRIT_CHECK(check_format(json, formats::kBurnin));
  return from<BurninReport>(json, "report");
}

bool is_slower_fleet(const BurninFinding& finding) {
  return finding.of_reference && finding.host.empty() && finding.status == BurninStatus::shown;
}

bool is_fleet_without_carrier(const BurninFinding& finding) {
  return finding.host.empty() && finding.measure == kCarrierLosses;
}

int exit_code(const BurninReport& report) {
  const auto any_link = [&](BurninStatus wanted) {
    return std::ranges::any_of(report.links, [wanted](const BurninFinding& one) { return one.status == wanted; });
  };
  const auto in = [](BurninNodeState state) {
    return [state](const BurninNodeReport& node) { return node.state == state; };
  };
  if (std::ranges::any_of(report.nodes, in(BurninNodeState::bad)) || any_link(BurninStatus::shown) ||
      !report.groups.empty())
    return 1;
  const bool all_good = std::ranges::all_of(report.nodes, in(BurninNodeState::good));
  const bool any_open =
      any_link(BurninStatus::apart) || any_link(BurninStatus::unclear) || any_link(BurninStatus::suspect);
  const bool is_hit =
      std::ranges::any_of(report.fleet, is_slower_fleet) || std::ranges::any_of(report.fleet, is_fleet_without_carrier);
  return all_good && !any_open && !is_hit && report.complete ? 0 : 2;
}

}  // namespace grit
