#include "harness/scenario/text_comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
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

bool is_symbol(const std::vector<Token>& tokens, std::size_t at, std::string_view text) {
  return at < tokens.size() && tokens[at].kind == Token::Kind::symbol && tokens[at].text == text;
}

bool is_comparison(const std::vector<Token>& tokens, std::size_t at) {
  return is_symbol(tokens, at, "==") || is_symbol(tokens, at, "~=");
}

bool is_name(const std::vector<Token>& tokens, std::size_t at, std::string_view text) {
  return at < tokens.size() && tokens[at].kind == Token::Kind::name && tokens[at].text == text;
}

bool is_one_of(const std::vector<Token>& tokens, std::size_t at, Token::Kind kind,
               std::initializer_list<std::string_view> texts) {
  return at < tokens.size() && tokens[at].kind == kind &&
         std::find(texts.begin(), texts.end(), tokens[at].text) != texts.end();
}

/// The place after the `end` of the function whose `function` is at `at`.
std::size_t after_function(const std::vector<Token>& tokens, std::size_t at) {
  int open = 0;
  for (; at < tokens.size(); ++at) {
    if (is_one_of(tokens, at, Token::Kind::name, {"function", "if", "do", "repeat"})) ++open;
    if (is_one_of(tokens, at, Token::Kind::name, {"end", "until"}) && --open == 0) return at + 1;
  }
  return at;
}

/// A function of the options: what they are called in it, and where that holds.
struct OptionsScope {
  std::string_view name;
  std::size_t begin, end;
};

/// Is `name` among the names, with commas between them, that begin at `at`?
bool is_listed(const std::vector<Token>& tokens, std::size_t at, std::string_view name) {
  while (at < tokens.size() && !is_name(tokens, at, name) && is_symbol(tokens, at + 1, ",")) at += 2;
  return is_name(tokens, at, name);
}

/// From `begin` on, until the name means something else, as may be: never is a right comparison refused.
OptionsScope scope_of(const std::vector<Token>& tokens, std::string_view name, std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) {
    std::size_t names = i + 1;
    if (is_name(tokens, i, "function"))
      while (names < end && !is_symbol(tokens, names - 1, "(")) ++names;
    const bool declares = is_one_of(tokens, i, Token::Kind::name, {"local", "for", "function"});
    if ((declares && is_listed(tokens, names, name)) || (is_name(tokens, i, name) && is_symbol(tokens, i + 1, "=")))
      return {name, begin, i};
  }
  return {name, begin, end};
}

/// The functions among the values of grit.scenario's keys.
std::vector<OptionsScope> functions_of_options(const std::vector<Token>& tokens) {
  std::vector<OptionsScope> scopes;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (!is_name(tokens, i, "scenario") || !is_one_of(tokens, i + 1, Token::Kind::symbol, {"{", "("})) continue;
    int open = 0;
    for (++i; i < tokens.size(); ++i) {
      if (is_one_of(tokens, i, Token::Kind::symbol, {"{"})) ++open;
      if (is_one_of(tokens, i, Token::Kind::symbol, {"}"}) && --open == 0) break;
      if (!is_name(tokens, i, "function")) continue;
      const std::size_t end = after_function(tokens, i);
      const bool is_value = open == 1 && is_symbol(tokens, i - 1, "=") && is_symbol(tokens, i + 1, "(");
      if (is_value && i + 3 < end && tokens[i + 2].kind == Token::Kind::name)
        scopes.push_back(scope_of(tokens, tokens[i + 2].text, i + 3, end));
      i = end - 1;
    }
  }
  return scopes;
}

/// Is the text at `at` no value by itself: f "text" is a call, and "4" + 1 a number?
bool is_part_of_more(const std::vector<Token>& tokens, std::size_t at) {
  const std::initializer_list<std::string_view> arithmetic{"+", "-", "*", "/", "%", "^"};
  if (is_one_of(tokens, at + 1, Token::Kind::symbol, arithmetic)) return true;
  if (at == 0 || is_one_of(tokens, at - 1, Token::Kind::symbol, arithmetic)) return at > 0;
  if (tokens[at - 1].kind == Token::Kind::name)
    return !is_one_of(tokens, at - 1, Token::Kind::name,
                      {"if", "elseif", "while", "until", "and", "or", "not", "return", "then", "else", "do", "in"});
  return tokens[at - 1].kind == Token::Kind::text || is_one_of(tokens, at - 1, Token::Kind::symbol, {")", "]", "}"});
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

/// NAME . OPTION == "text", and "text" == NAME . OPTION unless more is asked of either side, at `i`.
Status check_at(const std::string& file, const std::vector<Token>& tokens, std::size_t i, std::string_view options_name,
                const std::vector<ScenarioOption>& options) {
  const bool text_first = tokens[i].kind == Token::Kind::text && is_comparison(tokens, i + 1);
  const std::size_t name = text_first ? i + 2 : i, text = text_first ? i : i + 4, after = name + 3;
  if (!is_name(tokens, name, options_name) || !is_symbol(tokens, name + 1, ".")) return {};
  // Of another table; or the end of a concatenation, which is text.
  if (!text_first && i > 0 && is_one_of(tokens, i - 1, Token::Kind::symbol, {".", ":"})) return {};
  const bool text_last = !text_first && is_comparison(tokens, after) && tokens[text].kind == Token::Kind::text;
  const bool more = is_one_of(tokens, after, Token::Kind::symbol, {".", ":", "[", "("});
  if ((!text_last && (!text_first || more)) || is_part_of_more(tokens, text)) return {};
  const auto option = std::find_if(options.begin(), options.end(),
                                   [&](const ScenarioOption& one) { return one.name == tokens[name + 2].text; });
  if (option == options.end()) return {};
  const std::string how = instead(*option, tokens[text].text);
  if (how.empty()) return {};
  return usage_error(fmt::format("{}:{}: text is never equal to option \"{}\", which is {}, or tostring({}.{})", file,
                                 tokens[i].line, option->name, how, options_name, option->name));
}

}  // namespace

Status check_text_comparisons(const std::string& file, const std::string& source,
                              const std::vector<ScenarioOption>& options) {
  const std::vector<Token> tokens = Lexer(source).tokens();
  for (const OptionsScope& scope : functions_of_options(tokens))
    for (std::size_t i = scope.begin; i + 4 < scope.end; ++i)
      GRIT_CHECK(check_at(file, tokens, i, scope.name, options));
  return {};
}

}  // namespace grit
