// The command line: one file per subcommand.
#pragma once

#include <string>
#include <vector>

#include "harness/cli/commands.hpp"

namespace grit {

/// What the words after "grit" ask for. Error (usage): what is wrong with them, what they were taken for and what to
/// write instead. Nothing is done yet.
Result<Action> parse_command_line(const std::vector<std::string>& words);

/// Runs one grit command; returns the process's exit code.
int cli_main(int argc, char** argv);

}  // namespace grit
