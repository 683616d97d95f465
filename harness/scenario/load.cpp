#include "harness/scenario/load.hpp"

#include <fmt/format.h>

#include <lua.hpp>
#include <sstream>
#include <system_error>

#include "harness/base/files.hpp"
#include "harness/scenario/library.hpp"
#include "harness/scenario/sandbox.hpp"
#include "harness/scenario/text_comparison.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxSourceBytes = std::size_t{1} << 20;

void check_scenario(lua_State* lua) {
  if (luaL_testudata(lua, -1, kScenarioHandle) == nullptr)
    throw ScenarioError("the file must end with: return grit.scenario { ... }");
}

Result<LoadContext> evaluate(LoadContext context, const std::string& source) {
  try {
    GRIT_CHECK(run_in_sandbox(
        SandboxLimits{.silent = context.options_only}, context.file, source,
        [&](lua_State* lua) { install_library(lua, context); }, check_scenario));
    return context;
  } catch (const std::exception& error) {
    return internal_error(fmt::format("loading {}: {}", context.file, error.what()));
  }
}

std::vector<std::string> first_comment(const std::string& source) {
  std::vector<std::string> lines;
  std::istringstream text(source);
  for (std::string line; std::getline(text, line) && line.starts_with("--");)
    lines.push_back(line.substr(line.starts_with("-- ") ? 3 : 2));
  return lines;
}

}  // namespace

Result<std::string> read_scenario(const std::filesystem::path& path, std::string_view what) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  if (!std::filesystem::exists(status)) {
    return usage_error(fmt::format("there is no {} file {}", what, path.string()));
  }
  if (!std::filesystem::is_regular_file(status)) {
    return usage_error(fmt::format("{} is not a file; name the {} file itself, such as {}", path.string(), what,
                                   (path / "x.lua").string()));
  }
  auto source = read_file(path, kMaxSourceBytes);
  if (!source) return usage_error(fmt::format("cannot read the {}: {}", what, source.error().message));
  if (source->starts_with(LUA_SIGNATURE)) {
    return usage_error(fmt::format("{} is compiled Lua; grit reads Lua source only", path.string()));
  }
  return source;
}

Result<LoadedScenario> evaluate_scenario(const std::string& file, const std::string& source,
                                         const Overrides& overrides) {
  GRIT_TRY(LoadContext context, evaluate({.file = file, .overrides = overrides}, source));
  GRIT_CHECK(check_text_comparisons(file, source, context.scenario.options));
  context.scenario.file = file;
  context.scenario.source = source;
  return LoadedScenario{std::move(context.scenario), std::move(context.search)};
}

Result<ScenarioBrief> brief_of_scenario(const std::string& file, const std::string& source) {
  GRIT_TRY(LoadContext context, evaluate({.file = file, .overrides = {}, .options_only = true}, source));
  Scenario& scenario = context.scenario;
  return ScenarioBrief{std::move(scenario.name), std::move(scenario.summary), first_comment(source),
                       std::move(scenario.options)};
}

Result<Scenario> load_scenario(const std::filesystem::path& path, const Overrides& overrides) {
  GRIT_TRY(const std::string source, read_scenario(path));
  GRIT_TRY(LoadedScenario loaded, evaluate_scenario(path.string(), source, overrides));
  return std::move(loaded.scenario);
}

}  // namespace grit
