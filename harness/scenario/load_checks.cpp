#include "harness/scenario/load_checks.hpp"

#include <fmt/format.h>

#include <lua.hpp>
#include <set>

#include "harness/scenario/library.hpp"
#include "harness/scenario/load.hpp"
#include "harness/scenario/sandbox.hpp"
#include "harness/scenario/values.hpp"

namespace grit {

Result<std::vector<ScenarioPlugin>> load_checks(const std::filesystem::path& path) {
  GRIT_TRY(const std::string source, read_scenario(path));
  LoadContext context{.file = path.string(), .overrides = {}};
  std::vector<ScenarioPlugin> checks;
  const auto take = [&](lua_State* lua) {
    const int list = lua_gettop(lua);
    if (lua_type(lua, list) != LUA_TTABLE)
      throw ScenarioError("a file of checks must end with: return { grit.check.link_up {}, ... }");
    const lua_Integer length = list_length(lua, list, "the list of checks");
    for (lua_Integer i = 1; i <= length; ++i) {
      lua_rawgeti(lua, list, i);
      checks.push_back(context.checks.at(handle_at(lua, -1, kCheckHandle, fmt::format("check {} of the list", i))));
      lua_pop(lua, 1);
    }
  };
  try {
    GRIT_CHECK(run_in_sandbox(
        {}, context.file, source, [&](lua_State* lua) { install_library(lua, context); }, take));
  } catch (const std::exception& error) {
    return internal_error(fmt::format("loading {}: {}", context.file, error.what()));
  }
  if (checks.empty())
    return usage_error(fmt::format("{} lists no checks: return {{ grit.check.link_up {{}} }}", path.string()));
  if (const Status named = have_own_names(checks); !named)
    return usage_error(fmt::format("{}: {}", path.string(), named.error().message));
  return checks;
}

Status have_own_names(const std::vector<ScenarioPlugin>& checks) {
  std::set<std::string> labels;
  for (const ScenarioPlugin& planned : checks)
    if (const std::string label = check_label(planned); !labels.insert(label).second)
      return usage_error(
          fmt::format("two checks are called {}: give one another name, such as grit.check.{} {{ name = \"{} 2\" }}",
                      label, planned.name, planned.name));
  return {};
}

}  // namespace grit
