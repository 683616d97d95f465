// drive(trial): the scenario decides which trials there are. Between two calls of `trial` Lua waits in a C function.
#include <fmt/format.h>

#include <lua.hpp>

#include "harness/scenario/library.hpp"
#include "harness/scenario/load.hpp"
#include "harness/scenario/sandbox.hpp"
#include "harness/scenario/tables.hpp"
#include "harness/scenario/values.hpp"

namespace grit {
namespace {

/// What `trial` needs; its upvalue.
struct Drive {
  const LoadContext& context;
  const TrialFunction& trial;
  std::optional<Error> failed{};  // of a trial: no later one runs, and drive_scenario returns it
};

void push_json(lua_State* lua, const Json& json) {
  luaL_checkstack(lua, 4, "a trial's result");
  if (json.is_boolean()) {
    lua_pushboolean(lua, json.get<bool>() ? 1 : 0);
  } else if (json.is_number_integer()) {
    lua_pushinteger(lua, json.get<lua_Integer>());
  } else if (json.is_number()) {
    lua_pushnumber(lua, json.get<lua_Number>());
  } else if (json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    lua_pushlstring(lua, text.data(), text.size());
  } else if (json.is_array()) {
    lua_createtable(lua, static_cast<int>(json.size()), 0);
    for (std::size_t i = 0; i < json.size(); ++i) {
      push_json(lua, json[i]);
      lua_rawseti(lua, -2, static_cast<lua_Integer>(i + 1));
    }
  } else if (json.is_object()) {
    lua_newtable(lua);
    for (const auto& [key, value] : json.items()) {
      push_json(lua, value);
      lua_setfield(lua, -2, key.c_str());
    }
  } else {
    lua_pushnil(lua);
  }
}

Overrides read_overrides(lua_State* lua, const Scenario& scenario) {
  if (lua_gettop(lua) == 0) lua_newtable(lua);
  if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TTABLE)
    throw ScenarioError(R"(trial takes one table of options: trial { down = "2s" })");
  std::vector<std::string> names;
  for (const ScenarioOption& option : scenario.options) names.push_back(option.name);
  check_keys(lua, 1, "option", "the scenario", names);
  Overrides overrides;
  for (const std::string& name : text_keys(lua, 1, "trial")) {
    push_field(lua, 1, name);
    overrides.emplace_back(name, as_text(lua, -1, "option \"" + name + "\""));
    lua_pop(lua, 1);
  }
  return overrides;
}

/// trial { option = value, ... }
int run_trial(lua_State* lua) {
  Drive& drive = *static_cast<Drive*>(lua_touserdata(lua, lua_upvalueindex(1)));
  const Overrides overrides = read_overrides(lua, drive.context.scenario);
  if (!drive.failed) {
    const auto result = drive.trial(overrides);
    restart_limits(lua);
    if (result) {
      push_json(lua, *result);
      return 1;
    }
    drive.failed = result.error();
  }
  throw ScenarioError(drive.failed->message);
}

DriveEnd read_end(lua_State* lua) {
  constexpr const char* kHow = R"(drive must return { verdict = "reproduced", text = "..." })";
  if (lua_type(lua, -1) != LUA_TTABLE) throw ScenarioError(kHow);
  const int table = lua_gettop(lua);
  check_keys(lua, table, "key", "what drive returns", scenario_table("grit.DriveEnd").names());
  if (push_field(lua, table, "verdict") == LUA_TNIL) throw ScenarioError(kHow);
  const std::string verdict = as_text(lua, -1, "the verdict of drive");
  DriveEnd end;
  std::vector<std::string> names;
  for (const VerdictKind kind : {VerdictKind::reproduced, VerdictKind::not_reproduced, VerdictKind::inconclusive}) {
    if (verdict == to_string(kind)) end.verdict = kind;
    names.emplace_back(to_string(kind));
  }
  if (verdict != to_string(end.verdict))
    throw ScenarioError(fmt::format("drive returned the verdict \"{}\"{}", verdict, suggestion(verdict, names)));
  if (push_field(lua, table, "text") == LUA_TNIL) throw ScenarioError(kHow);
  end.text = as_text(lua, -1, "the text of drive");
  if (!is_utf8(end.text)) throw ScenarioError("the text of drive is not UTF-8");
  return end;
}

}  // namespace

Result<DriveEnd> drive_scenario(const std::string& file, const std::string& source, const Overrides& overrides,
                                const TrialFunction& trial) {
  try {
    LoadContext context{.file = file, .overrides = overrides};
    Drive drive{.context = context, .trial = trial};
    DriveEnd end;
    const Status ran = run_in_sandbox(
        SandboxLimits{}, file, source, [&](lua_State* lua) { install_library(lua, context); },
        [&](lua_State* lua) {
          if (lua_getfield(lua, LUA_REGISTRYINDEX, kDriveFunction) != LUA_TFUNCTION)
            throw ScenarioError("the scenario has no drive(trial)");
          restart_limits(lua);
          lua_pushlightuserdata(lua, &drive);
          lua_pushcclosure(lua, guarded<run_trial>, 1);
          lua_call(lua, 1, 1);
          end = read_end(lua);
        });
    if (drive.failed) return Failure(*drive.failed);
    GRIT_CHECK(ran);
    return end;
  } catch (const std::exception& error) {
    return internal_error(fmt::format("driving {}: {}", file, error.what()));
  }
}

}  // namespace grit
