#include "harness/scenario/load_checks.hpp"

#include <fmt/format.h>

#include <lua.hpp>
#include <set>

#include "harness/health/check.hpp"
#include "harness/scenario/library.hpp"
#include "harness/scenario/load.hpp"
#include "harness/scenario/sandbox.hpp"
#include "harness/scenario/values.hpp"

namespace grit {
namespace {

std::string quoted(const std::string& text) {
  std::string lua = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      lua += fmt::format("\\{}", c);
    else if (byte < 0x20 || byte == 0x7f)
      lua += fmt::format("\\{:03}", byte);
    else
      lua += c;
  }
  return lua + "\"";
}

std::string as_lua(const Json& value, Unit unit) {
  const std::string text = format_quantity(value, unit);
  return unit == Unit::boolean || unit == Unit::count ? text : quoted(text);
}

}  // namespace

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

std::string checks_as_lua(const std::vector<ScenarioPlugin>& checks) {
  std::string text = "local grit = require \"grit\"\n\nreturn {\n";
  for (const ScenarioPlugin& planned : checks) {
    const Check* check = find_check(planned.name);
    GRIT_ASSERT(check != nullptr);
    std::string params;
    for (const ParamSpec& spec : check_params(check->info)) {
      const auto value = planned.params.find(spec.name);
      if (value == planned.params.end() || *value == spec.default_value) continue;
      params += fmt::format("{}{} = {}", params.empty() ? " " : ", ", spec.name, as_lua(*value, spec.unit));
    }
    text += fmt::format("  grit.check.{} {{{}{}}},\n", planned.name, params, params.empty() ? "" : " ");
  }
  return text + "}\n";
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
