// What a scenario brings to the command line: its options as options, and its help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/scenario/load.hpp"

namespace grit {

/// The words with `--down 2s` and `--down=2s` as `--set down=2s`, where the command knows no option --down of its own
/// and takes --set. What lacks a value stays as it is: a flag that is misspelt.
std::vector<std::string> with_scenario_options(const CLI::App& command, const std::vector<std::string>& words);

/// Error (usage): the scenario has no option of such a name. Says which option of the scenario, or of the command, is
/// near.
Status check_scenario_option(const CLI::App& command, const ScenarioBrief& brief, const std::string& name);

/// For `grit run FILE --help`: the scenario's question, its options, and the comment at its beginning. Error (usage):
/// the file cannot be read or evaluated.
Result<std::string> scenario_help(const CLI::App& command, const std::string& given);

}  // namespace grit
