// expect = { ... } of a scenario: what it claims.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/base/shortened.hpp"
#include "harness/scenario/library.hpp"
#include "harness/scenario/sandbox.hpp"
#include "harness/scenario/tables.hpp"
#include "harness/scenario/values.hpp"

namespace grit {
namespace {

constexpr std::string_view kHow =
    R"(; write expect = { slowdown = { at_least = "10%" } } or { at_most = "5%" }, or expect = { outcome = "rank_death" })";

struct Bounds {
  std::optional<double> at_least{}, at_most{};
};

std::optional<double> read_bound(lua_State* lua, int table, const std::string& name, const char* key) {
  std::optional<double> bound;
  if (push_field(lua, table, key) != LUA_TNIL)
    bound = as_quantity(lua, lua_gettop(lua), Unit::fraction, name + "." + key).get<double>();
  lua_pop(lua, 1);
  return bound;
}

/// slowdown = { at_least = "10%" }; both empty when there is none.
Bounds read_bounds(lua_State* lua, int table, const char* key, std::string_view lua_class) {
  const std::string name = std::string("expect.") + key;
  const int type = push_field(lua, table, key);
  Bounds bounds;
  if (type != LUA_TNIL) {
    if (type != LUA_TTABLE)
      throw ScenarioError(fmt::format(R"({} must be a table: {} = {{ at_least = "10%" }})", name, key));
    const int inner = lua_gettop(lua);
    check_keys(lua, inner, "key", name, scenario_table(lua_class).names());
    bounds = {read_bound(lua, inner, name, "at_least"), read_bound(lua, inner, name, "at_most")};
    if (!bounds.at_least && !bounds.at_most)
      throw ScenarioError(fmt::format("no expectations: {} is empty{}", name, kHow));
    if (bounds.at_least && bounds.at_most && *bounds.at_least > *bounds.at_most)
      throw ScenarioError(fmt::format("{}.at_least is above at_most: no result could meet both", name));
  }
  lua_pop(lua, 1);
  return bounds;
}

/// checks = { link_up = "fails" }: names of the scenario's checks.
std::map<std::string, bool> read_checks(lua_State* lua, int table, const Scenario& scenario) {
  std::map<std::string, bool> checks;
  const int type = push_field(lua, table, "checks");
  if (type == LUA_TNIL) return checks;
  if (type != LUA_TTABLE) throw ScenarioError(R"(expect.checks must be a table: checks = { link_up = "fails" })");
  const int inner = lua_gettop(lua);
  std::vector<std::string> made;
  for (const ScenarioPlugin& check : scenario.checks) made.push_back(check_label(check));
  for (const std::string& name : text_keys(lua, inner, "expect.checks")) {
    if (std::find(made.begin(), made.end(), name) == made.end())
      throw ScenarioError(fmt::format("expect.checks: the scenario makes no check \"{}\"{}", shortened(name),
                                      made.empty()
                                          ? fmt::format("; add checks = {{ grit.check.{} {{}} }}", shortened(name))
                                          : suggestion(name, made)));
    const std::string answer = text_field(lua, inner, name, "expect.checks." + name);
    if (answer != "fails" && answer != "passes")
      throw ScenarioError(fmt::format(R"(expect.checks.{} is "{}"; under the fault a check "fails" or "passes")", name,
                                      shortened(answer)));
    checks[name] = answer == "fails";
  }
  if (checks.empty()) throw ScenarioError(R"(expect.checks is empty: checks = { link_up = "fails" })");
  lua_pop(lua, 1);
  return checks;
}

std::string read_outcome(lua_State* lua, int table) {
  const std::string outcome = text_field(lua, table, "outcome", "expect.outcome");
  if (outcome.empty()) return outcome;
  if (std::find(kExpectableOutcomes.begin(), kExpectableOutcomes.end(), outcome) == kExpectableOutcomes.end())
    throw ScenarioError(fmt::format("expect.outcome is \"{}\"; a run can be expected to end by: {}", shortened(outcome),
                                    fmt::join(kExpectableOutcomes, ", ")));
  for (const char* other :
       {"slowdown", "p99", "throughput", "checks", "wrong_values", "restart", "culprit", "recovers"}) {
    if (push_field(lua, table, other) != LUA_TNIL)
      throw ScenarioError(fmt::format(
          "expect has both outcome and {}: a run that ends early measures no slowdown, so there is no culprit of it to "
          "name and nothing to recover from; leave one of them out",
          other));
    lua_pop(lua, 1);
  }
  return outcome;
}

std::optional<ExpectedCulprit> read_culprit(lua_State* lua, int table) {
  const int type = push_field(lua, table, "culprit");
  if (type == LUA_TNIL) return std::nullopt;
  if (type != LUA_TTABLE)
    throw ScenarioError(R"(expect.culprit must be a table: culprit = { node = "any", resource = "network" })");
  const int culprit_table = lua_gettop(lua);
  check_keys(lua, culprit_table, "key", "expect.culprit", scenario_table("grit.culprit").names());
  ExpectedCulprit culprit;
  culprit.resource = text_field(lua, culprit_table, "resource", "expect.culprit.resource");
  const bool known = std::find(kResources.begin(), kResources.end(), culprit.resource) != kResources.end();
  if (!culprit.resource.empty() && !known)
    throw ScenarioError(fmt::format("expect.culprit.resource is \"{}\"; it is one of: {}", shortened(culprit.resource),
                                    fmt::join(kResources, ", ")));
  if (push_field(lua, culprit_table, "node") != LUA_TNIL)
    culprit.on = as_selector(lua, lua_gettop(lua), "expect.culprit.node");
  if (!culprit.on && culprit.resource.empty())
    throw ScenarioError("expect.culprit is empty: name a node, a resource, or both");
  return culprit;
}

/// wrong_values = { from = "node1" }
std::optional<NodeSelector> read_wrong_values(lua_State* lua, int table) {
  const int type = push_field(lua, table, "wrong_values");
  if (type == LUA_TNIL) return std::nullopt;
  if (type != LUA_TTABLE)
    throw ScenarioError(R"(expect.wrong_values must be a table: wrong_values = { from = "any" })");
  const int inner = lua_gettop(lua);
  check_keys(lua, inner, "key", "expect.wrong_values", scenario_table("grit.wrong_values").names());
  if (push_field(lua, inner, "from") == LUA_TNIL)
    throw ScenarioError(R"(expect.wrong_values does not say who sends them: wrong_values = { from = "any" })");
  return as_selector(lua, lua_gettop(lua), "expect.wrong_values.from");
}

/// recovers = { within = "5s" }
std::optional<std::int64_t> read_recovery(lua_State* lua, int table) {
  const int type = push_field(lua, table, "recovers");
  if (type == LUA_TNIL) return std::nullopt;
  if (type != LUA_TTABLE) throw ScenarioError(R"(expect.recovers must be a table: recovers = { within = "5s" })");
  const int recovers = lua_gettop(lua);
  check_keys(lua, recovers, "key", "expect.recovers", scenario_table("grit.recovers").names());
  if (push_field(lua, recovers, "within") == LUA_TNIL)
    throw ScenarioError(R"(expect.recovers says no time: recovers = { within = "5s" })");
  const auto within_ns = as_quantity(lua, lua_gettop(lua), Unit::time_ns, "expect.recovers.within").get<std::int64_t>();
  if (within_ns == 0) throw ScenarioError("expect.recovers.within must be longer than 0");
  return within_ns;
}

/// restart = { detected_within = "10s", back_within = "60s", goodput_at_least = "80%" }, the only key of expect.
std::optional<Expectation> read_restart(lua_State* lua, int table, const Design& design) {
  constexpr std::string_view kRestartHow = R"(: restart = { detected_within = "10s", goodput_at_least = "80%" })";
  const int type = push_field(lua, table, "restart");
  if (type == LUA_TNIL) return std::nullopt;
  if (type != LUA_TTABLE) throw ScenarioError(fmt::format("expect.restart must be a table{}", kRestartHow));
  const int inner = lua_gettop(lua);
  check_keys(lua, inner, "key", "expect.restart", scenario_table("grit.restart").names());
  if (text_keys(lua, table, "expect").size() > 1)
    throw ScenarioError(
        "expect has more than restart: blocks in which the job dies are no fault blocks of a comparison; leave the "
        "others out");
  if (design.restarts == 0)
    throw ScenarioError("expect.restart needs a job that starts again: write design = { restarts = 1, ... }");
  const auto time = [&](const char* key) -> std::optional<std::int64_t> {
    if (push_field(lua, inner, key) == LUA_TNIL) return std::nullopt;
    const std::string name = std::string("expect.restart.") + key;
    const auto time_ns = as_quantity(lua, lua_gettop(lua), Unit::time_ns, name).get<std::int64_t>();
    if (time_ns == 0) throw ScenarioError(name + " must be longer than 0");
    return time_ns;
  };
  Expectation expect;
  expect.detected_within_ns = time("detected_within");
  expect.back_within_ns = time("back_within");
  expect.goodput_at_least = read_bound(lua, inner, "expect.restart", "goodput_at_least");
  if (!expects_restart(expect)) throw ScenarioError(fmt::format("expect.restart is empty{}", kRestartHow));
  return expect;
}

/// What only design and expectations together can say.
void check_recovery(const Design& design, const Expectation& expect) {
  if (!expect.recovers_within_ns || design.recovery_ns >= *expect.recovers_within_ns) return;
  throw ScenarioError(fmt::format(
      "expect.recovers.within is {}, but design.recovery, the time after a fault that is looked at, is {}: make it at "
      "least as long",
      format_quantity(*expect.recovers_within_ns, Unit::time_ns), format_quantity(design.recovery_ns, Unit::time_ns)));
}

Expectation read_table(lua_State* lua, int table, const Scenario& scenario) {
  check_keys(lua, table, "key", "expect", scenario_table("grit.expect").names());
  if (std::string outcome = read_outcome(lua, table); !outcome.empty()) return {.outcome = std::move(outcome)};
  if (auto restart = read_restart(lua, table, scenario.design)) return std::move(*restart);
  const Bounds slowdown = read_bounds(lua, table, "slowdown", "grit.slowdown"),
               p99 = read_bounds(lua, table, "p99", "grit.slowdown"),
               throughput = read_bounds(lua, table, "throughput", "grit.throughput");
  Expectation expect{.slowdown_at_least = slowdown.at_least,
                     .slowdown_at_most = slowdown.at_most,
                     .culprit = read_culprit(lua, table),
                     .wrong_values_from = read_wrong_values(lua, table),
                     .recovers_within_ns = read_recovery(lua, table),
                     .p99_at_least = p99.at_least,
                     .p99_at_most = p99.at_most,
                     .throughput_at_least = throughput.at_least,
                     .throughput_at_most = throughput.at_most,
                     .checks = read_checks(lua, table, scenario)};
  const bool claims = slowdown.at_least || slowdown.at_most || p99.at_least || p99.at_most || throughput.at_least ||
                      throughput.at_most || !expect.checks.empty() || expect.wrong_values_from;
  if (!claims)
    throw ScenarioError(fmt::format(
        "no expectations: expect says nothing of slowdown, p99, throughput, checks or wrong_values{}", kHow));
  check_recovery(scenario.design, expect);
  return expect;
}

}  // namespace

Expectation read_expectation(lua_State* lua, const LoadContext& context) {
  const SearchSpec& search = context.search;
  const int type = push_part(lua, "expect");
  const int table = lua_gettop(lua);
  if (type == LUA_TNIL && (search.slowdown || !search.outcome.empty())) {  // it says what every trial is to show
    lua_pop(lua, 1);
    if (!search.outcome.empty()) return {.outcome = search.outcome};
    return {.slowdown_at_least = search.slowdown};
  }
  if (type == LUA_TNIL) throw ScenarioError("no expectations: nothing could be shown" + std::string(kHow));
  if (type != LUA_TTABLE) throw ScenarioError("expect must be a table");
  Expectation expect = read_table(lua, table, context.scenario);
  lua_settop(lua, table - 1);
  return expect;
}

}  // namespace grit
