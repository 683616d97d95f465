// What the kernel writes into its small files of /proc and /sys: numbers and words. Nothing here fails on what is not
// as it should be (an empty file, bytes that are no text, a number that does not fit): that is no number, or no word.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grit {

/// A decimal number with nothing but white space around it. Empty: there is something else, or it does not fit, as the
/// 64 one bits do not that a device which is gone answers with.
std::optional<std::int64_t> whole_number(std::string_view text);
/// The same of "0x1f" or "1f".
std::optional<std::int64_t> hex_number(std::string_view text);

std::vector<std::string_view> lines_of(std::string_view text);
/// What stands between blanks and tabs.
std::vector<std::string_view> words_of(std::string_view line);

/// Empty: it cannot be read, or begins with a line end. At most 4 KiB.
std::string first_line(const std::filesystem::path& file);
/// Its first line, a whole number.
std::optional<std::int64_t> number_in(const std::filesystem::path& file);

/// The entries of a directory by name, sorted; none when it cannot be read.
std::vector<std::string> entries_of(const std::filesystem::path& directory);

}  // namespace grit
