#include "harness/cli/scenario_words.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "harness/base/printable.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/base/shortened.hpp"
#include "harness/cli/params_table.hpp"
#include "harness/cli/shipped_scenarios.hpp"

namespace grit {
namespace {

bool is_of_command(const CLI::App& command, const std::string& name) {
  return command.get_option_no_throw("--" + name) != nullptr;
}

bool begins_name(char c) { return c == '_' || std::isalpha(static_cast<unsigned char>(c)) != 0; }

/// "--out" or "-n", and not "-1": no value of the word before.
bool is_option(const std::string& word) {
  return word.starts_with("--") || (word.size() > 1 && word[0] == '-' && begins_name(word[1]));
}

/// The name in "--name" or "--name=value"; empty: no such word.
std::string long_name(const std::string& word) {
  if (word.size() < 3 || !word.starts_with("--") || !begins_name(word[2])) return {};
  return word.substr(2, word.find('=') - 2);
}

ParamSpec as_param(const ScenarioOption& option) {
  ParamSpec param{option.name, Unit::text, Json(), option.help, option.choices, option.min, option.max};
  for (const Unit unit : {Unit::count, Unit::number, Unit::time_ns, Unit::bytes, Unit::size_bytes, Unit::bits_per_s,
                          Unit::fraction, Unit::flops_per_s, Unit::boolean})
    if (unit_name(unit) == option.unit) param.unit = unit;
  param.default_value = parse_quantity(option.default_value, param.unit).value_or(Json(option.default_value));
  return param;
}

std::string options_text(const CLI::App& command, const ScenarioBrief& brief, const std::string& given) {
  if (brief.options.empty()) return "it has no options of its own\n";
  std::vector<ParamSpec> params;
  std::vector<std::string> hidden;
  for (const ScenarioOption& option : brief.options) {
    params.push_back(as_param(option));
    const bool own = is_of_command(command, option.name);
    if (own) hidden.push_back(option.name);
    params.back().name = (own ? "--set " : "--") + option.name + (own ? "=..." : "");
  }
  std::string text = params_table("option", params);
  for (const std::string& name : hidden)
    text += fmt::format("\n  --{0} is an option of grit {1} itself: the scenario's is given as --set {0}=...\n", name,
                        command.get_name());
  const ScenarioOption& first = brief.options.front();
  std::vector<std::string> example{"grit", command.get_name(), given};
  if (is_of_command(command, first.name))
    example.insert(example.end(), {"--set", first.name + "=" + first.default_value});
  else
    example.insert(example.end(), {"--" + first.name, first.default_value});
  return text + fmt::format("\n  for example: {}\n", shell_command(example));
}

}  // namespace

std::vector<std::string> with_scenario_options(const CLI::App& command, const std::vector<std::string>& words) {
  if (!is_of_command(command, "set")) return words;
  std::vector<std::string> all;
  for (auto word = words.begin(); word != words.end(); ++word) {
    const std::string name = long_name(*word);
    if (*word == "--") {
      all.insert(all.end(), word, words.end());
      break;
    }
    const bool joined = word->size() > name.size() + 2;  // --name=value
    const bool has_value = joined || (std::next(word) != words.end() && !is_option(*std::next(word)));
    if (name.empty() || is_of_command(command, name) || !has_value) {
      all.push_back(*word);
      continue;
    }
    all.emplace_back("--set");
    all.push_back(joined ? word->substr(2) : name + "=" + *++word);
  }
  return all;
}

Status check_scenario_option(const CLI::App& command, const ScenarioBrief& brief, const std::string& name) {
  std::vector<std::string> names;
  for (const ScenarioOption& option : brief.options) names.push_back(option.name);
  if (std::find(names.begin(), names.end(), name) != names.end()) return {};
  const std::string listed = names.empty() ? "it has none" : fmt::format("options: {}", fmt::join(names, ", "));
  for (const CLI::Option* option : command.get_options())
    for (const std::string& own : option->get_lnames()) names.push_back(own);
  const std::string near = nearest_name(name, names);
  return usage_error(fmt::format("neither grit {} nor the scenario {} ({}) has an option {}{}", command.get_name(),
                                 brief.name, listed, shortened(name),
                                 near.empty() ? "" : fmt::format("; did you mean --{}?", near)));
}

Result<std::string> scenario_help(const CLI::App& command, const std::string& given) {
  GRIT_TRY(const std::filesystem::path file, find_scenario(given));
  GRIT_TRY(const std::string source, read_scenario(file));
  GRIT_TRY(const ScenarioBrief brief, brief_of_scenario(file.string(), source));
  std::string text = fmt::format("{}: {}\n({})\n\n{}\n", brief.name, brief.summary, file.string(),
                                 options_text(command, brief, given));
  for (const std::string& line : brief.comment) text += line + "\n";
  return printable_lines(text + fmt::format("\noptions of grit {0} itself: grit {0} --help\n", command.get_name()));
}

}  // namespace grit
