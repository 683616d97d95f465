// Man pages and shell completion, made of the same texts as --help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace grit {

/// A page of man(7) for the program, or for one of its commands: "grit-run(1)".
std::string man_page(const CLI::App& app);
std::string man_page(const CLI::App& app, const CLI::App& command);

/// For bash: commands, their options, and by asking the program scenarios with their options, faults, and what else
/// `grit list` knows.
std::string bash_completion(const CLI::App& app);

/// For fish: commands and their options with their help.
std::string fish_completion(const CLI::App& app);

/// For zsh: as for bash, with the help of commands and options.
std::string zsh_completion(const CLI::App& app);

}  // namespace grit
