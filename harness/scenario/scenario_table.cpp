// grit.scenario { ... }: resolves the options, calls what is a function of them, and reads every key.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "harness/base/shortened.hpp"
#include "harness/model/plan.hpp"
#include "harness/scenario/library.hpp"
#include "harness/scenario/load_checks.hpp"
#include "harness/scenario/lua_quantity.hpp"
#include "harness/scenario/sandbox.hpp"
#include "harness/scenario/tables.hpp"
#include "harness/scenario/values.hpp"
#include "workloads/workload.hpp"

namespace grit {
namespace {

constexpr std::int64_t kMinPairs = 6;
constexpr std::int64_t kMaxPairs = 1000;
constexpr std::int64_t kMaxRestarts = 100;
constexpr std::int64_t kMaxSteps = 1'000'000'000;

// --- options --------------------------------------------------------------------------------------------------------

Unit unit_called(const std::string& name, const std::string& what) {
  std::vector<std::string> names;
  for (const Unit unit : {Unit::count, Unit::number, Unit::time_ns, Unit::bytes, Unit::size_bytes, Unit::bits_per_s,
                          Unit::fraction, Unit::flops_per_s, Unit::text, Unit::boolean}) {
    if (unit_name(unit) == name) return unit;
    names.emplace_back(unit_name(unit));
  }
  throw ScenarioError(fmt::format("{} has the unknown unit \"{}\"{}", what, shortened(name), suggestion(name, names)));
}

std::optional<Unit> unit_of(const ScenarioOption& option) {
  if (option.unit.empty()) return std::nullopt;
  return unit_called(option.unit, fmt::format("option \"{}\"", option.name));
}

/// What a ParamSpec says of a parameter, `choices`, `min` and `max` say of an option.
void read_limits(lua_State* lua, int table, const std::string& what, ScenarioOption& option) {
  if (push_field(lua, table, "choices") != LUA_TNIL) {
    if (lua_type(lua, -1) != LUA_TTABLE) throw ScenarioError(what + R"(: choices is a list: { "tcp", "udp" })");
    const int list = lua_gettop(lua);
    for (lua_Integer i = 1, length = list_length(lua, list, "choices"); i <= length; ++i) {
      lua_rawgeti(lua, list, i);
      option.choices.push_back(as_text(lua, -1, "a choice of " + what));
      lua_pop(lua, 1);
    }
  }
  lua_pop(lua, 1);
  for (const auto& [key, bound] : {std::pair{"min", &option.min}, std::pair{"max", &option.max}}) {
    if (push_field(lua, table, key) != LUA_TNIL) {
      const auto unit = unit_of(option);
      if (!unit || *unit == Unit::text || *unit == Unit::boolean)
        throw ScenarioError(fmt::format("{}: {} is for quantities: write unit = \"count\" or another", what, key));
      *bound = as_quantity(lua, lua_gettop(lua), *unit, fmt::format("{} of {}", key, what)).get<double>();
    }
    lua_pop(lua, 1);
  }
}

/// Reads one option, on top of the stack: "1s" or { "1s", help = "...", unit = "time", ... }. Without `unit`, a default
/// with a unit says what it is.
ScenarioOption read_option(lua_State* lua, const std::string& name) {
  const std::string what = fmt::format("option \"{}\"", name);
  ScenarioOption option;
  option.name = name;
  const int given = lua_gettop(lua);
  const bool table = lua_type(lua, given) == LUA_TTABLE;
  if (table)
    lua_rawgeti(lua, given, 1);
  else
    lua_pushvalue(lua, given);
  option.default_value =
      as_text(lua, -1, table ? "the default of " + what + R"((write { "1s", help = "..." }))" : what);
  option.value = option.default_value;
  const int type = lua_type(lua, -1);
  if (type == LUA_TBOOLEAN) option.unit = unit_name(Unit::boolean);
  if (const auto unit = unit_of_text(option.default_value); unit && type != LUA_TNUMBER) option.unit = unit_name(*unit);
  option.is_number = type == LUA_TNUMBER;
  lua_pop(lua, 1);
  if (!table) return option;
  const std::vector<std::string> keys = scenario_table("grit.option").names();
  for (lua_pushnil(lua); lua_next(lua, given) != 0; lua_pop(lua, 1)) {
    if (lua_isinteger(lua, -2) != 0 && lua_tointeger(lua, -2) == 1) continue;
    const std::string key = as_text(lua, -2, "a key of " + what);
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      throw ScenarioError(fmt::format("unknown key \"{}\" of {}{}", shortened(key), what, suggestion(key, keys)));
  }
  option.help = text_field(lua, given, "help", "help of " + what);
  if (std::string unit = text_field(lua, given, "unit", "unit of " + what); !unit.empty())
    option.unit = std::move(unit);
  read_limits(lua, given, what, option);
  return option;
}

void check_value(const ScenarioOption& option, const std::string& value) {
  const std::string what = fmt::format("option \"{}\"", option.name);
  const Unit unit = unit_of(option).value_or(Unit::text);
  const auto parsed = parse_quantity(value, unit);
  if (!parsed) {
    const bool by_default = unit_of_text(option.default_value) == unit;
    throw ScenarioError(
        fmt::format("{}: {}{}", what, parsed.error().message,
                    by_default ? fmt::format("; it is a {} as its default, {}, is (unit = \"text\" takes anything)",
                                             option.unit, shortened(option.default_value))
                               : ""));
  }
  const ParamSpec limits{option.name, unit, Json(), option.help, option.choices, option.min, option.max};
  if (const Status ok = check_param(limits, *parsed); !ok) throw ScenarioError(what + ": " + ok.error().message);
}

void apply_overrides(const LoadContext& context, Scenario& scenario) {
  std::vector<std::string> names;
  for (const ScenarioOption& option : scenario.options) names.push_back(option.name);
  for (const auto& [name, value] : context.overrides) {
    const auto same = [&key = name](const ScenarioOption& option) { return option.name == key; };
    const auto option = std::find_if(scenario.options.begin(), scenario.options.end(), same);
    if (option == scenario.options.end()) {
      throw ScenarioError(fmt::format("--set {}: scenario {} has no such option{}", shortened(name), scenario.name,
                                      suggestion(name, names)));
    }
    if (!is_utf8(value)) throw ScenarioError(fmt::format("--set {}: the value is not UTF-8 text", name));
    check_value(*option, value);
    option->value = value;
  }
}

/// __index of the options: reached only for a name that is not there.
int unknown_option(lua_State* lua) {
  const std::string name = as_text(lua, 2, "the name of an option");
  throw ScenarioError(
      fmt::format("unknown option \"{}\"{}", shortened(name), suggestion(name, text_keys(lua, 1, "options"))));
}

void push_options(lua_State* lua, const Scenario& scenario) {
  lua_newtable(lua);
  for (const ScenarioOption& option : scenario.options) {
    push_option_value(lua, option.value, option.is_number ? Unit::number : unit_of(option));
    lua_setfield(lua, -2, option.name.c_str());
  }
  lua_newtable(lua);
  lua_pushcfunction(lua, guarded<unknown_option>);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, -2);
}

void read_options(lua_State* lua, const LoadContext& context, Scenario& scenario) {
  const int type = push_field(lua, kArgument, "options");
  if (type != LUA_TNIL && type != LUA_TTABLE) {
    throw ScenarioError(R"(options must be a table: options = { down = { "1s", help = "..." } })");
  }
  if (type == LUA_TTABLE) {
    const int table = lua_gettop(lua);
    for (const std::string& name : text_keys(lua, table, "options")) {
      if (!is_identifier(name))
        throw ScenarioError(fmt::format("\"{}\" cannot be the name of an option", shortened(name)));
      push_field(lua, table, name);
      scenario.options.push_back(read_option(lua, name));
      lua_pop(lua, 1);
      check_value(scenario.options.back(), scenario.options.back().default_value);
    }
  }
  lua_pop(lua, 1);
  apply_overrides(context, scenario);
}

// --- the parts ------------------------------------------------------------------------------------------------------

void read_workload(lua_State* lua, const LoadContext& context, Scenario& scenario) {
  if (push_part(lua, "workload") == LUA_TNIL) {
    throw ScenarioError("the scenario has no workload; write workload = grit.workload.<name> { ... }");
  }
  scenario.workload = context.workloads.at(handle_at(lua, -1, kWorkloadHandle, "workload"));
  lua_pop(lua, 1);
}

/// The table under `key` at a fixed stack place; nothing when it is absent.
bool push_table(lua_State* lua, const char* key) {
  const int type = push_part(lua, key);
  if (type != LUA_TNIL && type != LUA_TTABLE) throw ScenarioError(fmt::format("{} must be a table", key));
  return type == LUA_TTABLE;
}

/// An axis that the workload does not use would split its ranks without splitting its work.
void check_axes(const ScenarioPlugin& workload, const AxisValues& mesh) {
  const WorkloadInfo* info = find_workload(workload.name);
  GRIT_ASSERT(info != nullptr);
  const auto uses = [](const WorkloadInfo& one, Axis axis) {
    return std::find(one.axes.begin(), one.axes.end(), axis) != one.axes.end();
  };
  for (const auto& [axis, size] : mesh) {
    if (size <= 1 || uses(*info, axis)) continue;
    std::vector<std::string> used, others;
    for (const Axis own : info->axes) used.emplace_back(to_string(own));
    for (const WorkloadInfo& other : workloads())
      if (uses(other, axis)) others.push_back(other.name);
    throw ScenarioError(
        fmt::format("mesh: {0} = {1}, but the workload {2} shares its work over {3} alone: leave {0} out{4}",
                    to_string(axis), size, workload.name, fmt::join(used, ", "),
                    others.empty() ? "" : fmt::format(", or take one that uses it: {}", fmt::join(others, ", "))));
  }
}

/// Its sizes are looked at when the number of ranks is known.
void read_mesh(lua_State* lua, Scenario& scenario) {
  if (push_table(lua, "mesh"))
    scenario.mesh = as_axis_values(lua, lua_gettop(lua), "mesh", scenario_table("grit.mesh").names());
  lua_pop(lua, 1);
  check_axes(scenario.workload, scenario.mesh);
}

/// A list of handles under `key`; an absent one is empty.
template <class T>
std::vector<T> read_list(lua_State* lua, const char* key, const char* handle_type, const std::vector<T>& made) {
  std::vector<T> values;
  const int type = push_part(lua, key);
  if (type != LUA_TNIL && type != LUA_TTABLE) {
    throw ScenarioError(fmt::format("{} must be a list: {} = {{ {}.<name> {{ ... }} }}", key, key, handle_type));
  }
  if (type == LUA_TTABLE) {
    const int table = lua_gettop(lua);
    const lua_Integer length = list_length(lua, table, key);
    for (lua_Integer i = 1; i <= length; ++i) {
      lua_rawgeti(lua, table, i);
      values.push_back(made.at(handle_at(lua, -1, handle_type, fmt::format("{}[{}]", key, i))));
      lua_pop(lua, 1);
    }
  }
  lua_pop(lua, 1);
  return values;
}

// --- design ---------------------------------------------------------------------------------------------------------

/// "40 steps", "40" or 40; `what` is "design.settle".
std::int64_t as_steps(std::string text, const std::string& what, std::int64_t min) {
  if (text.ends_with(" steps")) text.resize(text.size() - std::string_view(" steps").size());
  const auto count = parse_quantity(text, Unit::count);
  if (!count) throw ScenarioError(what + ": " + count.error().message);
  const auto steps = count->get<std::int64_t>();
  if (steps < min || steps > kMaxSteps) {
    throw ScenarioError(fmt::format("{} is {} steps; it is {} to {}", what, steps, min, kMaxSteps));
  }
  return steps;
}

/// The block's length, on top of the stack: "3s" or "40 steps".
void read_block(lua_State* lua, Design& design) {
  const std::string text = as_text(lua, -1, "design.block");
  const bool steps = text.ends_with("steps") || text.find_first_not_of("0123456789 ") == std::string::npos;
  if (steps) {
    design.block_steps = as_steps(text, "design.block (steps, or a time such as \"3s\")", 1);
    return;
  }
  design.block_ns = as_quantity(lua, -1, Unit::time_ns, "design.block").get<std::int64_t>();
  if (design.block_ns == 0) throw ScenarioError("design.block must be longer than 0");
}

/// Restarts are no test over pairs: one is enough.
void check_pairs(std::int64_t pairs, bool restarts) {
  if (pairs < 1 || pairs > kMaxPairs) {
    throw ScenarioError(fmt::format("design.pairs is {}; it is {} to {}", pairs, kMinPairs, kMaxPairs));
  }
  if (pairs >= kMinPairs || restarts) return;
  // The smallest two-sided p of the exact sign-flip test: 2 of the 2^pairs sign patterns.
  throw ScenarioError(
      fmt::format("design.pairs is {}, too few for a verdict: the exact sign-flip test over {} pairs cannot give "
                  "p < 0.05 (its least p is 2/2^{} = {}); use at least {} pairs",
                  pairs, pairs, pairs, 2.0 / static_cast<double>(1 << pairs), kMinPairs));
}

bool as_truth(const std::string& text, const std::string& what) {
  if (text != "true" && text != "false")
    throw ScenarioError(fmt::format("{} is {}; it is true or false", what, shortened(text)));
  return text == "true";
}

/// When the run may go on beyond `pairs`, and what it measures besides.
void read_extras(lua_State* lua, int table, Design& design) {
  const auto present = [&](const char* key) { return push_field(lua, table, key) != LUA_TNIL; };
  if (present("max_pairs")) {
    design.max_pairs = as_quantity(lua, lua_gettop(lua), Unit::count, "design.max_pairs").get<std::int64_t>();
    if (design.max_pairs < design.pairs || design.max_pairs > kMaxPairs)
      throw ScenarioError(fmt::format("design.max_pairs is {}; it is design.pairs ({}) to {}", design.max_pairs,
                                      design.pairs, kMaxPairs));
    // Every look gets its share of the 5 %; with few pairs the exact test cannot reach so low
    // (analysis/stats/effect.hpp).
    const auto looks = looks_of(design).size();
    if (looks > 1 && 2.0 / std::exp2(static_cast<double>(design.pairs)) > 0.05 / static_cast<double>(looks))
      throw ScenarioError(
          fmt::format("with {} looks at the data the first needs more than {} pairs: raise design.pairs, or leave out "
                      "design.max_pairs",
                      looks, design.pairs));
  }
  if (present("sham")) design.sham = as_truth(as_text(lua, lua_gettop(lua), "design.sham"), "design.sham");
  if (present("link_test"))
    design.link_test = as_truth(as_text(lua, lua_gettop(lua), "design.link_test"), "design.link_test");
  if (present("recovery"))
    design.recovery_ns = as_quantity(lua, lua_gettop(lua), Unit::time_ns, "design.recovery").get<std::int64_t>();
}

/// Steps are what the job is to do, over all attempts: blocks in time would not say how much is left.
void check_restarts(const Design& design, const ScenarioPlugin& workload) {
  if (design.restarts == 0) return;
  if (design.block_steps == 0)
    throw ScenarioError(R"(design.restarts: give the block's length in steps: block = "40 steps")");
  if (design.max_pairs > 0 || design.recovery_ns > 0 || design.link_test)
    throw ScenarioError(
        "design.restarts: leave out max_pairs, recovery and link_test, which measure what a fault costs a step");
  if (workload.params.value("checkpoint_every", std::int64_t{0}) == 0)
    throw ScenarioError(fmt::format(
        "design.restarts: the workload {} writes no checkpoints to start again from: give it checkpoint_every = 10",
        workload.name));
}

Design read_design(lua_State* lua, const ScenarioPlugin& workload) {
  Design design;
  const bool given = push_table(lua, "design");
  const int table = lua_gettop(lua);
  const auto field = [&](const char* key) -> std::optional<std::string> {
    if (!given || push_field(lua, table, key) == LUA_TNIL) return std::nullopt;
    return as_text(lua, -1, std::string("design.") + key);
  };
  if (given) check_keys(lua, table, "key", "design", scenario_table("grit.design").names());
  if (given && push_field(lua, table, "restarts") != LUA_TNIL) {
    design.restarts = as_quantity(lua, lua_gettop(lua), Unit::count, "design.restarts").get<std::int64_t>();
    if (design.restarts > kMaxRestarts)
      throw ScenarioError(fmt::format("design.restarts is {}; it is 0 to {}", design.restarts, kMaxRestarts));
    if (design.restarts > 0) design.pairs = 1;
  }
  if (const auto pairs = field("pairs")) {
    const auto count = parse_quantity(*pairs, Unit::count);
    if (!count) throw ScenarioError("design.pairs: " + count.error().message);
    design.pairs = count->get<std::int64_t>();
  }
  check_pairs(design.pairs, design.restarts > 0);
  if (given) read_extras(lua, table, design);
  if (const auto settle = field("settle")) design.settle_steps = as_steps(*settle, "design.settle", 0);
  if (const auto warmup = field("warmup")) design.warmup_steps = as_steps(*warmup, "design.warmup", 0);
  if (given && push_field(lua, table, "hang") != LUA_TNIL)
    design.hang_ns = as_quantity(lua, -1, Unit::time_ns, "design.hang").get<std::int64_t>();
  if (design.hang_ns == 0) throw ScenarioError("design.hang must be longer than 0");
  const auto block = field("block");
  if (!block) throw ScenarioError(R"(design has no block length; write design = { block = "3s" } or "40 steps")");
  read_block(lua, design);
  if (design.block_steps > 0 && design.settle_steps >= design.block_steps) {
    throw ScenarioError(
        fmt::format("design.block is {} steps, of which design.settle leaves out {}: nothing would be "
                    "measured; make the block longer",
                    design.block_steps, design.settle_steps));
  }
  check_restarts(design, workload);
  lua_settop(lua, table - 1);
  return design;
}

}  // namespace

int push_part(lua_State* lua, std::string_view key) {
  if (push_field(lua, kArgument, key) == LUA_TFUNCTION) {
    lua_pushvalue(lua, kOptions);
    lua_call(lua, 1, 1);
  }
  return lua_type(lua, -1);
}

int make_scenario(lua_State* lua) {
  LoadContext& context = context_of(lua);
  if (lua_gettop(lua) != 1 || lua_type(lua, kArgument) != LUA_TTABLE) {
    throw ScenarioError("grit.scenario takes one table: grit.scenario { ... }");
  }
  if (context.has_scenario) throw ScenarioError("grit.scenario was called twice; a file describes one scenario");
  check_keys(lua, kArgument, "key", "scenario", scenario_table("grit.scenario.params").names());
  Scenario& scenario = context.scenario;
  scenario.name = text_field(lua, kArgument, "name", "name");
  if (!is_identifier(scenario.name)) {
    throw ScenarioError(
        fmt::format("the scenario's name is \"{}\"; it must be made of letters, digits, _ and -, such as "
                    "name = \"link_flap\"",
                    shortened(scenario.name)));
  }
  scenario.summary = text_field(lua, kArgument, "summary", "summary");
  read_options(lua, context, scenario);
  context.has_scenario = true;
  push_handle(lua, kScenarioHandle, 0);
  if (context.options_only) return 1;
  lua_pop(lua, 1);
  push_options(lua, scenario);  // at kOptions
  read_workload(lua, context, scenario);
  read_mesh(lua, scenario);
  scenario.faults = read_list(lua, "faults", kFaultHandle, context.faults);
  scenario.checks = read_list(lua, "checks", kCheckHandle, context.checks);
  if (const Status named = have_own_names(scenario.checks); !named) throw ScenarioError(named.error().message);
  scenario.design = read_design(lua, scenario.workload);
  read_search(lua, context);
  scenario.expect = read_expectation(lua, context);
  scenario.draws = context.draws;
  push_handle(lua, kScenarioHandle, 0);
  return 1;
}

}  // namespace grit
