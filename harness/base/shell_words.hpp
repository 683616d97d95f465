// Commands for people to paste into a shell.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace grit {

/// A word as a POSIX shell takes it: as it is where nothing in it means anything to a shell, else in single quotation
/// marks (POSIX.1, Shell Command Language, 2.2.2), so that nothing in it is run or expanded.
std::string shell_word(std::string_view word);

/// The words of a command in one line.
std::string shell_command(std::span<const std::string> words);

}  // namespace grit
