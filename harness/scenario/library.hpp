// `require "grit"`: the functions a scenario is made of (docs/scenarios.md, scenarios/lib/grit.lua).
#pragma once

#include <lua.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/model/series.hpp"

namespace grit {

/// grit.search.<name> { ... }: its doses stay text until the option that they are values of is known.
struct ScenarioSearch {
  SearchSpec spec{};
  std::string from{}, to{};
  std::optional<std::int64_t> trials{};  // empty: as many as the search needs (default_trials())
};

/// One load: what the library's functions have made so far. Lua holds handles (places in these lists), never the data.
struct LoadContext {
  std::string file;
  std::vector<std::pair<std::string, std::string>> overrides;  // --set
  std::vector<ScenarioFault> faults{};
  std::vector<ScenarioPlugin> workloads{};
  std::vector<ScenarioPlugin> checks{};
  std::vector<ScenarioSearch> searches{};
  std::vector<NodeDraw> draws{};
  std::size_t text_bytes = 0;  // in the parameters of all of these
  bool options_only = false;   // who only asks what the scenario takes: grit.scenario stops after the options
  Scenario scenario{};
  SearchSpec search{};
  bool has_scenario = false;
};

/// What a handle stands for; the names are the metatables'.
inline constexpr const char* kFaultHandle = "grit.fault";
inline constexpr const char* kWorkloadHandle = "grit.workload";
inline constexpr const char* kCheckHandle = "grit.check";
inline constexpr const char* kSearchHandle = "grit.search";
inline constexpr const char* kNodeHandle = "grit.node";
inline constexpr const char* kScenarioHandle = "grit.scenario";

/// Pushes a handle for place `index` of the list that `type` names.
void push_handle(lua_State* lua, const char* type, std::size_t index);
/// The place a handle at `stack_index` stands for; an error naming `what` when it is something else.
std::size_t handle_at(lua_State* lua, int stack_index, const char* type, std::string_view what);

/// The context of the running library function: its first upvalue.
LoadContext& context_of(lua_State* lua);

/// Adds the global `require`, which knows "grit" and "grit.fault", "grit.workload", "grit.check", "grit.search" and
/// nothing else.
void install_library(lua_State* lua, LoadContext& context);

/// Where the registry holds the function `drive` of the scenario.
inline constexpr const char* kDriveFunction = "grit.drive";

/// grit.search.threshold { ... } and .minimal { ... } (harness/scenario/search_table.cpp). Upvalue 2: which.
int make_search(lua_State* lua);
inline constexpr const char* kSearches[] = {"threshold", "minimal"};
/// Within grit.scenario: the keys `search`, `drive` and `trials`, for context.search.
void read_search(lua_State* lua, LoadContext& context);

/// Within grit.scenario: the key `expect` (harness/scenario/expect_table.cpp), after design, checks and search.
Expectation read_expectation(lua_State* lua, const LoadContext& context);

/// grit.scenario { ... } (harness/scenario/scenario_table.cpp): fills in context.scenario.
int make_scenario(lua_State* lua);
inline constexpr int kArgument = 1;  // stack index of the table given to grit.scenario
inline constexpr int kOptions = 2;   // stack index of the resolved options
/// Within grit.scenario: pushes argument[key]; when it is a function, what it returns for the options. Returns the Lua
/// type.
int push_part(lua_State* lua, std::string_view key);

}  // namespace grit
