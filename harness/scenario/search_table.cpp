// grit.search.threshold { ... }, grit.search.minimal { ... }, and what a scenario says about its series.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/scenario/library.hpp"
#include "harness/scenario/sandbox.hpp"
#include "harness/scenario/tables.hpp"
#include "harness/scenario/values.hpp"

namespace grit {
namespace {

constexpr std::int64_t kMaxTrials = 1000;
constexpr double kFinestResolution = 0.01;
constexpr std::int64_t kManyTrials = 100;  // of what has no plan of its own: drive, minimal

/// One of the keys of the table at stack index 1, as text; empty when it is absent.
std::optional<std::string> field(lua_State* lua, const std::string& key, const std::string& owner) {
  std::optional<std::string> text;
  if (push_field(lua, 1, key) != LUA_TNIL) text = as_text(lua, -1, owner + "'s " + key);
  lua_pop(lua, 1);
  return text;
}

template <class T>
T quantity(const std::string& text, Unit unit, const std::string& what) {
  const auto value = parse_quantity(text, unit);
  if (!value) throw ScenarioError(what + ": " + value.error().message);
  return value->get<T>();
}

double share(const std::string& text, const std::string& what, double most) {
  const double value = quantity<double>(text, Unit::fraction, what);
  if (value <= 0 || value >= most)
    throw ScenarioError(
        fmt::format("{} is {}; it is above 0 and below {}", what, text, format_quantity(most, Unit::fraction)));
  return value;
}

std::int64_t trials(const std::string& text, const std::string& what) {
  const auto count = quantity<std::int64_t>(text, Unit::count, what);
  if (count < 1 || count > kMaxTrials)
    throw ScenarioError(fmt::format("{} is {}; it is 1 to {}", what, count, kMaxTrials));
  return count;
}

template <class Value, std::size_t n>
Value one_of(const std::string& text, const std::string& what, const std::pair<const char*, Value> (&choices)[n]) {
  std::vector<std::string> names;
  for (const auto& [name, value] : choices) {
    if (text == name) return value;
    names.emplace_back(name);
  }
  throw ScenarioError(fmt::format("{} is \"{}\"{}", what, text, suggestion(text, names)));
}

const std::string kThreshold = "grit.search.threshold";

/// What every trial is asked, and how.
void read_question(lua_State* lua, SearchSpec& spec) {
  const auto text = [&](const char* key) { return field(lua, key, kThreshold); };
  if (const auto slowdown = text("slowdown")) spec.slowdown = share(*slowdown, kThreshold + "'s slowdown", 1000);
  spec.outcome = text("outcome").value_or("");
  spec.check = text("check").value_or("");
  if (!spec.outcome.empty() &&
      std::find(kExpectableOutcomes.begin(), kExpectableOutcomes.end(), spec.outcome) == kExpectableOutcomes.end())
    throw ScenarioError(fmt::format("{}'s outcome is \"{}\"; it is one of: {}", kThreshold, spec.outcome,
                                    fmt::join(kExpectableOutcomes, ", ")));
  using Kind = SearchSpec::Kind;
  spec.kind = spec.slowdown ? Kind::magnitude : spec.outcome.empty() ? Kind::yes_no : Kind::escalate;
  if (const auto kind = text("kind"))
    spec.kind = one_of<Kind>(*kind, kThreshold + "'s kind",
                             {{"magnitude", Kind::magnitude}, {"yes_no", Kind::yes_no}, {"escalate", Kind::escalate}});
  if (spec.kind == Kind::magnitude && (!spec.outcome.empty() || !spec.check.empty()))
    throw ScenarioError(
        kThreshold +
        R"(: kind = "magnitude" looks for a slowdown; for an outcome or a check take "yes_no" or "escalate")");
  if (spec.kind == Kind::escalate && !spec.check.empty())
    throw ScenarioError(kThreshold +
                        R"(: kind = "escalate" ends at any check of the scenario that fails; leave out check)");
  if (spec.kind == Kind::magnitude && !spec.slowdown) spec.slowdown = 0.1;
  if (spec.kind == Kind::yes_no &&
      (spec.slowdown ? 1 : 0) + (spec.outcome.empty() ? 0 : 1) + (spec.check.empty() ? 0 : 1) > 1)
    throw ScenarioError(kThreshold + R"(: kind = "yes_no" asks one thing: slowdown, outcome or check)");
}

void read_threshold(lua_State* lua, ScenarioSearch& search) {
  SearchSpec& spec = search.spec;
  const auto text = [&](const char* key) { return field(lua, key, kThreshold); };
  check_keys(lua, 1, "key", kThreshold, scenario_table("grit.search.threshold.params").names());
  for (const char* key : {"option", "from", "to"})
    if (!text(key))
      throw ScenarioError(
          fmt::format(R"({} has no {}: write option = "rate", from = "1Gbit/s", to = "10Gbit/s")", kThreshold, key));
  spec.option = *text("option");
  search.from = *text("from");
  search.to = *text("to");
  read_question(lua, spec);
  if (const auto count = text("trials")) search.trials = trials(*count, kThreshold + "'s trials");
  if (const auto resolution = text("resolution")) {
    spec.resolution = share(*resolution, kThreshold + "'s resolution", 1);
    if (spec.resolution < kFinestResolution)
      throw ScenarioError(fmt::format("{}'s resolution is {}; it is at least {}: doses have three digits", kThreshold,
                                      *resolution, format_quantity(kFinestResolution, Unit::fraction)));
  }
  if (const auto noise = text("noise")) spec.noise = share(*noise, kThreshold + "'s noise", 0.5);
  if (const auto scale = text("scale"))
    spec.linear = one_of<bool>(*scale, kThreshold + "'s scale", {{"log", false}, {"linear", true}});
  if (const auto harm = text("harm"))
    spec.harm_grows = one_of<bool>(*harm, kThreshold + "'s harm", {{"grows", true}, {"falls", false}});
}

Unit searched_unit(const ScenarioOption& option) {
  for (const Unit unit : {Unit::count, Unit::number, Unit::time_ns, Unit::bytes, Unit::size_bytes, Unit::bits_per_s,
                          Unit::fraction, Unit::flops_per_s})
    if (unit_name(unit) == option.unit) return unit;
  throw ScenarioError(
      fmt::format(R"(option "{0}" is searched, so it needs a unit of a quantity: {0} = {{ "{1}", unit = "bit rate" }})",
                  option.name, option.default_value));
}

/// A check that the scenario does not make would never fail.
void find_check(const SearchSpec& spec, const Scenario& scenario) {
  if (spec.check.empty()) return;
  std::vector<std::string> names;
  for (const ScenarioPlugin& check : scenario.checks) {
    if (check_label(check) == spec.check) return;
    names.push_back(check_label(check));
  }
  throw ScenarioError(fmt::format("{}: the scenario makes no check \"{}\"{}", kThreshold, spec.check,
                                  names.empty() ? fmt::format("; add checks = {{ grit.check.{} {{}} }}", spec.check)
                                                : suggestion(spec.check, names)));
}

/// The doses, now that their option is known.
SearchSpec resolved(const ScenarioSearch& search, const Scenario& scenario) {
  SearchSpec spec = search.spec;
  if (spec.kind == SearchSpec::Kind::minimal) return spec;
  std::vector<std::string> names;
  const ScenarioOption* option = nullptr;
  for (const ScenarioOption& one : scenario.options) {
    names.push_back(one.name);
    if (one.name == spec.option) option = &one;
  }
  if (option == nullptr)
    throw ScenarioError(fmt::format("{}: the scenario has no option \"{}\"{}", kThreshold, spec.option,
                                    suggestion(spec.option, names)));
  spec.unit = searched_unit(*option);
  spec.from = quantity<double>(search.from, spec.unit, kThreshold + "'s from");
  spec.to = quantity<double>(search.to, spec.unit, kThreshold + "'s to");
  if (spec.from >= spec.to)
    throw ScenarioError(fmt::format("{}: from ({}) must be below to ({}){}", kThreshold, search.from, search.to,
                                    R"(; if harm grows as the dose falls, say harm = "falls")"));
  if (!spec.linear && spec.from <= 0)
    throw ScenarioError(kThreshold +
                        R"(: doses in equal ratios cannot begin with 0: write scale = "linear", or a from above 0)");
  spec.trials = search.trials.value_or(default_trials(spec));
  return spec;
}

void read_drive(lua_State* lua, SearchSpec& spec) {
  const int type = push_field(lua, kArgument, "drive");
  if (type == LUA_TNIL) {
    lua_pop(lua, 1);
    return;
  }
  if (type != LUA_TFUNCTION) throw ScenarioError("drive must be a function: drive = function(trial) ... end");
  if (spec.kind != SearchSpec::Kind::none)
    throw ScenarioError("the scenario has both search and drive: drive decides by itself which trials there are");
  spec.kind = SearchSpec::Kind::drive;
  spec.trials = kManyTrials;
  lua_setfield(lua, LUA_REGISTRYINDEX, kDriveFunction);
}

}  // namespace

int make_search(lua_State* lua) {
  const auto which = static_cast<std::size_t>(lua_tointeger(lua, lua_upvalueindex(2)));
  const std::string name = fmt::format("grit.search.{}", kSearches[which]);
  if (lua_gettop(lua) == 0) lua_newtable(lua);
  if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TTABLE)
    throw ScenarioError(fmt::format("{0} takes one table: {0} {{ ... }}", name));
  ScenarioSearch search;
  if (name == kThreshold) {
    read_threshold(lua, search);
  } else {
    check_keys(lua, 1, "key", name, scenario_table("grit.search.minimal.params").names());
    search.spec.kind = SearchSpec::Kind::minimal;
    search.spec.trials = trials(field(lua, "trials", name).value_or(std::to_string(kManyTrials)), name + "'s trials");
  }
  LoadContext& context = context_of(lua);
  if (context.searches.size() >= static_cast<std::size_t>(kMaxTrials))
    throw ScenarioError("the scenario makes too many searches");
  context.searches.push_back(std::move(search));
  push_handle(lua, kSearchHandle, context.searches.size() - 1);
  return 1;
}

void read_search(lua_State* lua, LoadContext& context) {
  SearchSpec& spec = context.search;
  if (push_part(lua, "search") != LUA_TNIL)
    spec = resolved(context.searches.at(handle_at(lua, -1, kSearchHandle, "search")), context.scenario);
  lua_pop(lua, 1);
  find_check(spec, context.scenario);
  if (spec.kind == SearchSpec::Kind::minimal && context.scenario.faults.empty())
    throw ScenarioError("grit.search.minimal has no faults to choose from: the scenario's list is empty");
  read_drive(lua, spec);
  if (push_field(lua, kArgument, "trials") != LUA_TNIL) {
    if (spec.kind != SearchSpec::Kind::drive)
      throw ScenarioError("trials belongs to drive; a search has its own: grit.search.threshold { trials = 12, ... }");
    spec.trials = trials(as_text(lua, -1, "trials"), "trials");
  }
  lua_pop(lua, 1);
}

}  // namespace grit
