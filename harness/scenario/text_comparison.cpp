#include "harness/scenario/text_comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "harness/base/shortened.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

struct Token {
  enum class Kind { name, text, symbol };
  Kind kind = Kind::symbol;
  std::string_view text{};  // of a text without its quotes
  int line = 1;
};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Of Lua source that Lua itself has accepted, as far as comparisons need it: comments are left out, numbers are
/// symbols.
class Lexer {
 public:
  explicit Lexer(std::string_view source) : rest_(source) {}

  std::vector<Token> tokens() {
    while (!rest_.empty()) take();
    return std::move(tokens_);
  }

 private:
  void take() {
    const char c = rest_.front();
    if (rest_.starts_with("--")) return skip_comment();
    if (c == '"' || c == '\'') return add(Token::Kind::text, quoted_bytes(), 1);
    if (const std::size_t level = bracket_bytes(0); level > 0)
      return add(Token::Kind::text, long_bytes(0, level), level);
    if (is_letter(c)) return add(Token::Kind::name, word_bytes(), 0);
    if (is_digit(c)) return add(Token::Kind::symbol, word_bytes(), 0);
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') return drop(1);
    const bool comparison = rest_.starts_with("==") || rest_.starts_with("~=");
    add(Token::Kind::symbol, comparison ? 2 : 1, 0);
  }

  /// `quotes`: so many bytes at either end are no part of its text.
  void add(Token::Kind kind, std::size_t bytes, std::size_t quotes) {
    const std::string_view whole = rest_.substr(0, bytes);
    tokens_.push_back({kind, whole.substr(quotes, whole.size() - std::min(whole.size(), 2 * quotes)), line_});
    drop(bytes);
  }

  void drop(std::size_t bytes) {
    line_ += static_cast<int>(std::count(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(bytes), '\n'));
    rest_.remove_prefix(bytes);
  }

  void skip_comment() {
    const std::size_t level = bracket_bytes(2);
    drop(level > 0 ? long_bytes(2, level) : std::min(rest_.find('\n'), rest_.size()));
  }

  std::size_t word_bytes() const {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), [](char c) { return is_letter(c) || is_digit(c); });
    return static_cast<std::size_t>(end - rest_.begin());
  }

  std::size_t quoted_bytes() const {
    std::size_t i = 1;
    while (i < rest_.size() && rest_[i] != rest_.front()) i += rest_[i] == '\\' ? 2 : 1;
    return std::min(i + 1, rest_.size());
  }

  /// Of the [[ or [==[ at `from`; 0: there is none.
  std::size_t bracket_bytes(std::size_t from) const {
    if (from >= rest_.size() || rest_[from] != '[') return 0;
    const std::size_t second = rest_.find_first_not_of('=', from + 1);
    return second != std::string_view::npos && rest_[second] == '[' ? second + 1 - from : 0;
  }

  std::size_t long_bytes(std::size_t from, std::size_t level) const {
    const std::string end = "]" + std::string(level - 2, '=') + "]";
    const std::size_t found = rest_.find(end, from + level);
    return found == std::string_view::npos ? rest_.size() : found + end.size();
  }

  std::string_view rest_;
  int line_ = 1;
  std::vector<Token> tokens_{};
};

/// The names of all functions' first parameters: what the options are called in the functions of them.
std::set<std::string_view> first_parameters(const std::vector<Token>& tokens) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i].text != "function" || tokens[i].kind != Token::Kind::name) continue;
    while (i < tokens.size() && tokens[i].text != "(") ++i;
    if (i + 1 < tokens.size() && tokens[i + 1].kind == Token::Kind::name) names.insert(tokens[i + 1].text);
  }
  return names;
}

bool is_symbol(const std::vector<Token>& tokens, std::size_t at, std::string_view text) {
  return at < tokens.size() && tokens[at].kind == Token::Kind::symbol && tokens[at].text == text;
}

bool is_comparison(const std::vector<Token>& tokens, std::size_t at) {
  return is_symbol(tokens, at, "==") || is_symbol(tokens, at, "~=");
}

/// What to write instead; empty: the comparison may be right.
std::string instead(const ScenarioOption& option, std::string_view text) {
  const std::string plain = shortened(text);
  if (option.is_number)
    return parse_quantity(text, Unit::number) ? fmt::format("a number: compare with {}", plain) : "";
  if (option.unit.empty() || option.unit == unit_name(Unit::text)) return "";
  if (option.unit == unit_name(Unit::count) || option.unit == unit_name(Unit::number))
    return fmt::format("a number: compare with {}", plain);
  if (option.unit == unit_name(Unit::boolean)) return fmt::format("true or false: compare with {}", plain);
  std::string constructor = option.unit;
  std::replace(constructor.begin(), constructor.end(), ' ', '_');
  for (char& c : constructor) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return fmt::format("a {}: compare with grit.{} \"{}\"", option.unit, constructor, plain);
}

}  // namespace

Status check_text_comparisons(const std::string& file, const std::string& source,
                              const std::vector<ScenarioOption>& options) {
  const std::vector<Token> tokens = Lexer(source).tokens();
  const std::set<std::string_view> parameters = first_parameters(tokens);
  for (std::size_t i = 0; i + 4 < tokens.size(); ++i) {
    // NAME . OPTION == "text", and "text" == NAME . OPTION unless more is asked of it.
    const bool text_first = tokens[i].kind == Token::Kind::text && is_comparison(tokens, i + 1);
    const std::size_t name = text_first ? i + 2 : i;
    if (!parameters.contains(tokens[name].text) || !is_symbol(tokens, name + 1, ".")) continue;
    const bool text_last = !text_first && is_comparison(tokens, name + 3) && tokens[i + 4].kind == Token::Kind::text;
    const std::size_t after = name + 3;
    const bool more = is_symbol(tokens, after, ".") || is_symbol(tokens, after, ":") || is_symbol(tokens, after, "[") ||
                      is_symbol(tokens, after, "..");
    if (!text_last && (!text_first || more)) continue;
    const auto option = std::find_if(options.begin(), options.end(),
                                     [&](const ScenarioOption& one) { return one.name == tokens[name + 2].text; });
    if (option == options.end()) continue;
    const std::string how = instead(*option, text_first ? tokens[i].text : tokens[i + 4].text);
    if (how.empty()) continue;
    return usage_error(fmt::format("{}:{}: text is never equal to option \"{}\", which is {}, or tostring({}.{})", file,
                                   tokens[i].line, option->name, how, tokens[name].text, option->name));
  }
  return {};
}

}  // namespace grit
