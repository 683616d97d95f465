#include "harness/scenario/library.hpp"

#include <fmt/format.h>

#include "harness/health/check.hpp"
#include "harness/scenario/sandbox.hpp"
#include "harness/scenario/timing.hpp"
#include "harness/scenario/values.hpp"
#include "injectors/injector.hpp"
#include "workloads/workload.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxValues = 10'000;  // of one kind; these live outside the sandbox's memory limit

/// The table that a constructor such as grit.fault.link_flap was given, at stack index 1; none means an empty one.
void take_table(lua_State* lua, const std::string& function) {
  if (lua_gettop(lua) == 0) lua_newtable(lua);
  if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TTABLE) {
    throw ScenarioError(fmt::format("{} takes one table: {} {{ ... }}", function, function));
  }
}

/// Upvalue 2: the place of the plug-in in its registry.
std::size_t plugin_index(lua_State* lua) { return static_cast<std::size_t>(lua_tointeger(lua, lua_upvalueindex(2))); }

template <class T>
std::size_t keep(std::vector<T>& values, T value) {
  if (values.size() >= kMaxValues) {
    throw ScenarioError(fmt::format("the scenario makes more than {} of these: an endless loop?", kMaxValues));
  }
  values.push_back(std::move(value));
  return values.size() - 1;
}

/// The fault's own parameters and the common ones that it takes beside them.
void read_fault_params(lua_State* lua, const InjectorInfo& info, ScenarioFault& fault) {
  const std::string owner = "fault " + info.name;
  const std::vector<ParamSpec> common = timing_params_beside(info);
  std::vector<ParamSpec> specs = info.params;
  specs.insert(specs.end(), common.begin(), common.end());
  fault.params = as_params(lua, 1, specs, owner, {"on"});
  Json timing = Json::object();
  for (const ParamSpec& spec : common) {
    timing[spec.name] = fault.params[spec.name];
    fault.params.erase(spec.name);
  }
  auto read = read_timing(timing);
  if (!read) throw ScenarioError(owner + ": " + read.error().message);
  fault.timing = *read;
}

int make_fault(lua_State* lua) {
  const InjectorInfo& info = injectors().at(plugin_index(lua))->info();
  take_table(lua, "grit.fault." + info.name);
  const std::string owner = "fault " + info.name;
  ScenarioFault fault;
  fault.name = info.name;
  fault.where = caller_position(lua);
  read_fault_params(lua, info, fault);
  fault.on.kind = NodeSelector::Kind::any;
  if (push_field(lua, 1, "on") != LUA_TNIL) fault.on = as_selector(lua, lua_gettop(lua), "\"on\" of " + owner);
  push_handle(lua, kFaultHandle, keep(context_of(lua).faults, std::move(fault)));
  return 1;
}

int make_workload_value(lua_State* lua) {
  const WorkloadInfo& info = workloads().at(plugin_index(lua));
  take_table(lua, "grit.workload." + info.name);
  ScenarioPlugin workload{info.name, as_params(lua, 1, info.params, "workload " + info.name)};
  push_handle(lua, kWorkloadHandle, keep(context_of(lua).workloads, std::move(workload)));
  return 1;
}

int make_check(lua_State* lua) {
  const CheckInfo& info = checks().at(plugin_index(lua));
  take_table(lua, "grit.check." + info.name);
  ScenarioPlugin check{info.name, as_params(lua, 1, info.params, "check " + info.name)};
  push_handle(lua, kCheckHandle, keep(context_of(lua).checks, std::move(check)));
  return 1;
}

std::vector<std::string> own_keys(lua_State* lua, int table) { return text_keys(lua, table, "grit"); }

/// __index of the library's tables: reached only for a name that is not there. Upvalue 1: "fault", "function" ...
int unknown_name(lua_State* lua) {
  const std::string kind = lua_tostring(lua, lua_upvalueindex(1));
  const std::string name = as_text(lua, 2, "the name of a " + kind);
  throw ScenarioError(fmt::format("unknown {} \"{}\"{}", kind, name, suggestion(name, own_keys(lua, 1))));
}

/// Gives the table on top of the stack a metatable that reports unknown names.
void report_unknown(lua_State* lua, const char* kind) {
  lua_newtable(lua);
  lua_pushstring(lua, kind);
  lua_pushcclosure(lua, guarded<unknown_name>, 1);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, -2);
}

/// Pushes the table of one kind of plug-in: name -> constructor.
void push_constructors(lua_State* lua, LoadContext& context, const char* kind, const std::vector<std::string>& names,
                       lua_CFunction constructor) {
  lua_newtable(lua);
  for (std::size_t i = 0; i < names.size(); ++i) {
    lua_pushlightuserdata(lua, &context);
    lua_pushinteger(lua, static_cast<lua_Integer>(i));
    lua_pushcclosure(lua, constructor, 2);
    lua_setfield(lua, -2, names[i].c_str());
  }
  report_unknown(lua, kind);
}

template <class Infos>
std::vector<std::string> names_of(const Infos& infos) {
  std::vector<std::string> names;
  for (const auto& info : infos) names.push_back(info.name);
  return names;
}

void push_library(lua_State* lua, LoadContext& context) {
  std::vector<std::string> fault_names;
  for (const Injector* injector : injectors()) fault_names.push_back(injector->info().name);
  lua_newtable(lua);
  push_constructors(lua, context, "fault", fault_names, guarded<make_fault>);
  lua_setfield(lua, -2, "fault");
  push_constructors(lua, context, "workload", names_of(workloads()), guarded<make_workload_value>);
  lua_setfield(lua, -2, "workload");
  push_constructors(lua, context, "check", names_of(checks()), guarded<make_check>);
  lua_setfield(lua, -2, "check");
  push_constructors(lua, context, "search", {std::begin(kSearches), std::end(kSearches)}, guarded<make_search>);
  lua_setfield(lua, -2, "search");
  lua_pushlightuserdata(lua, &context);
  lua_pushcclosure(lua, guarded<make_scenario>, 1);
  lua_setfield(lua, -2, "scenario");
  report_unknown(lua, "function of grit");
}

/// Upvalue 1: the library.
int require(lua_State* lua) {
  const std::string name = luaL_checkstring(lua, 1);
  lua_pushvalue(lua, lua_upvalueindex(1));
  if (name == "grit") return 1;
  const std::vector<std::string> parts{"grit.check", "grit.fault", "grit.search", "grit.workload"};
  for (const std::string& part : parts) {
    if (name != part) continue;
    push_field(lua, -1, name.substr(std::string_view("grit.").size()));
    return 1;
  }
  throw ScenarioError(fmt::format("there is no module \"{}\": a scenario can require \"grit\" only, no files", name));
}

}  // namespace

void push_handle(lua_State* lua, const char* type, std::size_t index) {
  *static_cast<std::size_t*>(lua_newuserdatauv(lua, sizeof index, 0)) = index;
  luaL_setmetatable(lua, type);
}

std::size_t handle_at(lua_State* lua, int stack_index, const char* type, std::string_view what) {
  const void* handle = luaL_testudata(lua, stack_index, type);
  if (handle == nullptr) {
    const void* other = lua_touserdata(lua, stack_index);
    throw ScenarioError(fmt::format("{} must be a {}.<name> {{ ... }}, not a {}", what, type,
                                    other != nullptr ? "value of another kind" : luaL_typename(lua, stack_index)));
  }
  return *static_cast<const std::size_t*>(handle);
}

LoadContext& context_of(lua_State* lua) { return *static_cast<LoadContext*>(lua_touserdata(lua, lua_upvalueindex(1))); }

void install_library(lua_State* lua, LoadContext& context) {
  for (const char* type : {kFaultHandle, kWorkloadHandle, kCheckHandle, kSearchHandle, kScenarioHandle}) {
    luaL_newmetatable(lua, type);
    lua_pop(lua, 1);
  }
  push_library(lua, context);
  lua_pushcclosure(lua, guarded<require>, 1);
  lua_setglobal(lua, "require");
}

}  // namespace grit
