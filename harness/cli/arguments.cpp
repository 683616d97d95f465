#include "harness/cli/arguments.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <climits>

#include "harness/base/shortened.hpp"

namespace grit {

Status check_arguments(const std::vector<std::string>& words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].empty())
      return usage_error(fmt::format("argument {} is empty (after {}): is a variable of the shell not set?", i + 1,
                                     i == 0 ? "grit" : shortened(words[i - 1])));
    if (words[i].size() > PATH_MAX)
      return usage_error(
          fmt::format("argument {}, {}, is longer than {} bytes: what is so long belongs into the "
                      "scenario's file",
                      i + 1, shortened(words[i]), PATH_MAX));
  }
  return {};
}

CLI::Option* add_number(CLI::App& command, const std::string& names, NumberRange range,
                        std::function<void(std::uint64_t)> take, const std::string& help) {
  const auto read = [name = names.substr(names.rfind(',') + 1), range,
                     take = std::move(take)](const CLI::results_t& given) {
    const std::string& text = given.front();
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < range.least || value > range.most)
      throw CLI::ValidationError(
          name, fmt::format("\"{}\" is not a whole number from {} to {}", shortened(text), range.least, range.most));
    take(value);
    return true;
  };
  return command.add_option(names, read, help)->type_name("N");
}

CLI::Validator one_of(std::vector<std::string> words) {
  const auto check = [words = std::move(words)](const std::string& text) -> std::string {
    if (std::find(words.begin(), words.end(), text) != words.end()) return {};
    return fmt::format("\"{}\" is none of {}", shortened(text), fmt::join(words, ", "));
  };
  return CLI::Validator(check, "");
}

}  // namespace grit
