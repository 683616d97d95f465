// What every command asks of its arguments, whatever they mean.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// Error (usage): one is empty, or longer than any path can be (PATH_MAX, limits.h), and names nothing in either case.
Status check_arguments(const std::vector<std::string>& words);

struct NumberRange {
  std::uint64_t least = 0;
  std::uint64_t most = 0;
};

/// An option whose value is a whole number in decimal digits. Anything else, and what is not within `range`, is refused
/// with the option's name, the value and the range.
CLI::Option* add_number(CLI::App& command, const std::string& names, NumberRange range,
                        std::function<void(std::uint64_t)> take, const std::string& help);

/// For an option or argument that is one of a few words.
CLI::Validator one_of(std::vector<std::string> words);

/// Why the command line could not be read, and what to write instead: what each word was taken for, the option or
/// command that may have been meant, and where the help is.
std::string explain_usage(const CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& words);

}  // namespace grit
