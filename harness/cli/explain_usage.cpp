// Why a command line could not be read. CLI11 knows what it missed; what people need is what their words were taken
// for.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "harness/base/shortened.hpp"
#include "harness/base/units.hpp"
#include "harness/cli/arguments.hpp"

namespace grit {
namespace {

std::string sentences(std::string first, std::string_view second) {
  if (!first.ends_with('?')) first += '.';
  return fmt::format("{} {}", first, second);
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const std::string near = nearest_name(word, known);
  return near.empty() ? "" : fmt::format("; did you mean {}?", near);
}

std::string no_command(const CLI::App& app, const std::vector<std::string>& words) {
  const std::string& word = words.front();
  if (word.ends_with(".lua"))
    return fmt::format("the command comes before the scenario: grit run {0}, or grit plan {0}", word);
  std::vector<std::string> commands{"--help", "--version"};
  for (const CLI::App* command : app.get_subcommands([](const CLI::App* one) { return !one->get_group().empty(); }))
    commands.push_back(command->get_name());
  return fmt::format("there is no {} {}{}", word.starts_with('-') ? "option" : "command", shortened(word),
                     did_you_mean(word, commands));
}

/// One command's words, once CLI11 has stopped reading them.
class WordsRead {
 public:
  WordsRead(const CLI::App& app, const CLI::App& command, const std::vector<std::string>& words)
      : command_(command), name_("grit " + command.get_name()), words_(words), left_over_(app.remaining(true)) {}

  std::string explain(const CLI::ParseError& error) const {
    const auto first = std::find(words_.begin(), words_.end(), command_.get_name());
    if (first != words_.begin() && first != words_.end()) return misplaced(first);
    if (const auto word = first_left_over()) return unexpected(*word);
    if (const CLI::Option* missing = missing_argument()) return lacks(*missing);
    for (const CLI::Option* option : command_.get_options())
      if (auto wrong = wrong_value(*option, error); !wrong.empty()) return wrong;
    return error.what();
  }

 private:
  using Words = std::vector<std::string>;

  /// Empty: the error is not about this option's number of values.
  std::string wrong_value(const CLI::Option& option, const CLI::ParseError& error) const {
    const std::string name = option.get_name();
    if (option.get_items_expected_max() == 0) return has_value(option) ? name + " takes no value" : "";
    if (error.get_name() != "ArgumentMismatch" || !std::string_view(error.what()).starts_with(name + ":")) return "";
    return option.count() == 0 ? fmt::format("{} needs a value: {}", name, option.get_description())
                               : fmt::format("{} is given {} times", name, option.count());
  }

  std::string misplaced(Words::const_iterator command) const {
    const Words before = shortened_all({words_.begin(), command});
    Words right = shortened_all({std::next(command), words_.end()});
    right.insert(right.end(), before.begin(), before.end());
    return fmt::format("what stands before the command belongs after it, {}: {} {}", fmt::join(before, " "), name_,
                       fmt::join(right, " "));
  }

  static std::vector<std::string> shortened_all(std::vector<std::string> words) {
    for (std::string& word : words) word = shortened(word);
    return words;
  }

  std::optional<std::string> first_left_over() const {
    for (const std::string& word : words_)
      if (std::find(left_over_.begin(), left_over_.end(), word) != left_over_.end()) return word;
    return std::nullopt;
  }

  std::string unexpected(const std::string& word) const {
    if (word.starts_with('-')) {
      const std::string name = word.substr(0, word.find('='));
      std::vector<std::string> known;
      for (const CLI::Option* option : command_.get_options()) {
        for (const std::string& one : option->get_lnames()) known.push_back("--" + one);
        for (const std::string& one : option->get_snames()) known.push_back("-" + one);
      }
      return fmt::format("{} has no option {}{}", name_, shortened(name), did_you_mean(name, known));
    }
    const std::string took = taken();
    std::string text = fmt::format("{} has no place for \"{}\"{}", name_, shortened(word),
                                   took.empty() ? ": it takes options only" : ": it took " + took);
    for (const std::string& given : words_)
      if (given.find('=') != std::string::npos && !given.starts_with('-') && command_.get_option_no_throw("--set"))
        return text + fmt::format("; an option of the scenario is set with --set {}", shortened(given));
    return text;
  }

  std::string lacks(const CLI::Option& missing) const {
    const std::string took = taken();
    return fmt::format("{} needs a {}: {}{}", name_, missing.get_name(), missing.get_description(),
                       took.empty() ? "" : "; it took " + took) +
           misspelt();
  }

  /// What was taken for an option of the scenario, and for its value the next word, is perhaps one of the command.
  std::string misspelt() const {
    std::vector<std::string> known;
    for (const CLI::Option* option : command_.get_options())
      known.insert(known.end(), option->get_lnames().begin(), option->get_lnames().end());
    const CLI::Option* sets = command_.get_option_no_throw("--set");
    for (const std::string& set : sets != nullptr ? sets->results() : Words())
      if (const std::string near = nearest_name(set.substr(0, set.find('=')), known); !near.empty())
        return fmt::format("; did you mean --{}?", near);
    return "";
  }

  const CLI::Option* missing_argument() const {
    for (const CLI::Option* option : command_.get_options())
      if (option->get_required() && option->count() == 0) return option;
    return nullptr;
  }

  /// "\"4\" for the scenario, \"a.lua\" for --set"
  std::string taken() const {
    std::vector<std::string> all;
    for (const CLI::Option* option : command_.get_options()) {
      if (option->get_items_expected_max() == 0) continue;
      for (const std::string& value : option->results())
        all.push_back(fmt::format("\"{}\" for {}{}", shortened(value), option->get_positional() ? "the " : "",
                                  option->get_name()));
    }
    return fmt::format("{}", fmt::join(all, ", "));
  }

  bool has_value(const CLI::Option& flag) const {
    return std::any_of(words_.begin(), words_.end(),
                       [&](const std::string& word) { return word.starts_with(flag.get_name() + "="); });
  }

  const CLI::App& command_;
  std::string name_;
  const Words& words_;
  Words left_over_;
};

}  // namespace

std::string explain_usage(const CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& words) {
  const auto commands = app.get_subcommands();
  if (commands.empty()) return sentences(no_command(app, words), "All commands: grit --help");
  const CLI::App& command = *commands.front();
  return sentences(WordsRead(app, command, words).explain(error),
                   fmt::format("See grit {} --help", command.get_name()));
}

}  // namespace grit
