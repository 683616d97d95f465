#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "harness/base/shortened.hpp"
#include "harness/base/units.hpp"
#include "harness/health/openmetrics/rule.hpp"
#include "harness/health/openmetrics/rule_expr.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxRule_bytes = 1024;
constexpr int kMaxDepth = 32;

using Expr = std::shared_ptr<const RuleExpr>;
using Kind = RuleExpr::Kind;

constexpr std::array<std::pair<std::string_view, Kind>, 10> kFunctions{{{"rate", Kind::rate},
                                                                        {"increase", Kind::increase},
                                                                        {"delta", Kind::delta},
                                                                        {"absent", Kind::absent},
                                                                        {"abs", Kind::abs},
                                                                        {"bits", Kind::bits},
                                                                        {"sum", Kind::sum},
                                                                        {"min", Kind::min},
                                                                        {"max", Kind::max},
                                                                        {"count", Kind::count}}};
constexpr std::array<std::string_view, 8> kOfPromQl{"and", "or", "unless", "by", "on", "offset", "bool", "without"};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool takes_window(Kind kind) { return kind == Kind::rate || kind == Kind::increase || kind == Kind::delta; }

}  // namespace

/// By recursive descent. Every function leaves the place behind what it has read.
class RuleParser {
 public:
  explicit RuleParser(std::string_view text) : text_(text) {}

  Result<Rule> parse() {
    if (text_.size() > kMaxRule_bytes) return error(fmt::format("a rule has at most {} bytes", kMaxRule_bytes));
    Rule rule;
    rule.text_ = text_;
    GRIT_TRY(rule.left_, expression());
    GRIT_TRY(rule.comparison_, comparison());
    GRIT_TRY(rule.right_, expression());
    skip_blanks();
    if (at_ != text_.size()) return error("the end of the rule was expected");
    if (rule.names().empty()) return error("it looks at no metric");
    return rule;
  }

 private:
  Failure error(std::string_view what) const {
    for (const std::string_view word : kOfPromQl)
      if (text_.substr(at_, word.size()) == word)
        return usage_error(fmt::format("rule \"{}\": \"{}\" is no part of grit's rules: make a check of each condition",
                                       shortened(text_), word));
    return usage_error(fmt::format("rule \"{}\": at character {} {}", shortened(text_), at_ + 1, what));
  }

  void skip_blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) ++at_;
  }

  /// What comes next, without blanks; 0 at the end.
  char next() {
    skip_blanks();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool take(std::string_view word) {
    skip_blanks();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Status expect(std::string_view word) {
    if (take(word)) return {};
    return error(fmt::format("a {} was expected", word));
  }

  std::string take_word() {
    skip_blanks();
    const std::size_t begin = at_;
    if (at_ < text_.size() && is_letter(text_[at_]))
      while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  Result<Rule::Comparison> comparison() {
    using Comparison = Rule::Comparison;
    constexpr std::array<std::pair<std::string_view, Comparison>, 6> kAll{{{">=", Comparison::at_least},
                                                                           {"<=", Comparison::at_most},
                                                                           {"==", Comparison::equal},
                                                                           {"!=", Comparison::unequal},
                                                                           {">", Comparison::more},
                                                                           {"<", Comparison::less}}};
    for (const auto& [word, meaning] : kAll)
      if (take(word)) return meaning;
    return error("a comparison was expected: > >= < <= == or !=");
  }

  Result<Expr> chain(char first, char second, Result<Expr> (RuleParser::*part)()) {
    GRIT_TRY(Expr left, (this->*part)());
    while (next() == first || next() == second) {
      RuleExpr binary{.kind = Kind::binary, .operation = text_[at_++]};
      GRIT_TRY(const Expr right, (this->*part)());
      binary.parts = {left, right};
      left = std::make_shared<const RuleExpr>(std::move(binary));
    }
    return left;
  }

  Result<Expr> expression() { return chain('+', '-', &RuleParser::term); }
  Result<Expr> term() { return chain('*', '/', &RuleParser::factor); }

  Result<Expr> factor() {
    if (++depth_ > kMaxDepth) return error("it is nested too deep");
    auto read = read_factor();
    --depth_;
    return read;
  }

  Result<Expr> read_factor() {
    if (take("(")) {
      GRIT_TRY(Expr inner, expression());
      GRIT_CHECK(expect(")"));
      return inner;
    }
    if (take("-")) {
      GRIT_TRY(const Expr inner, factor());
      return std::make_shared<const RuleExpr>(RuleExpr{.kind = Kind::negate, .parts = {inner}});
    }
    if (is_digit(next()) || next() == '.') {
      GRIT_TRY(const double value, number());
      return std::make_shared<const RuleExpr>(RuleExpr{.number = value});
    }
    const std::size_t begin = at_;
    const std::string word = take_word();
    if (word.empty()) return error("a number, the name of a metric or a function was expected");
    const auto* function =
        std::find_if(kFunctions.begin(), kFunctions.end(), [&](const auto& one) { return one.first == word; });
    if (next() != '(') return selector(begin, word, Kind::selector);
    if (function != kFunctions.end()) return call(function->second);
    at_ = begin;
    return error(
        fmt::format("there is no function {}: there are rate, increase, delta, absent, abs, bits, sum, min, "
                    "max and count",
                    shortened(word)));
  }

  Result<double> number() {
    skip_blanks();
    const char* const begin = text_.data() + at_;
    const char* const end = text_.data() + text_.size();
    double value = 0;
    if (text_.substr(at_, 2) == "0x") {
      std::uint64_t bits = 0;
      const auto [behind, wrong] = std::from_chars(begin + 2, end, bits, 16);
      if (wrong != std::errc()) return error("a number was expected");
      at_ += static_cast<std::size_t>(behind - begin);
      return static_cast<double>(bits);
    }
    const auto [behind, wrong] = std::from_chars(begin, end, value);
    if (wrong != std::errc()) return error("a number was expected");
    at_ += static_cast<std::size_t>(behind - begin);
    return value;
  }

  /// Behind the function's name.
  Result<Expr> call(Kind kind) {
    GRIT_CHECK(expect("("));
    RuleExpr made{.kind = kind};
    if (takes_window(kind) || kind == Kind::absent) {
      const std::size_t begin = (skip_blanks(), at_);
      const std::string name = take_word();
      if (name.empty()) return error("the name of a metric was expected");
      GRIT_TRY(const Expr selected, selector(begin, name, kind));
      made = *selected;
      if (takes_window(kind)) {
        GRIT_TRY(made.window_ns, window());
      }
    } else {
      GRIT_TRY(const Expr inner, expression());
      made.parts = {inner};
      if (kind == Kind::bits) {
        GRIT_CHECK(expect(","));
        GRIT_TRY(made.number, number());
      }
    }
    GRIT_CHECK(expect(")"));
    return std::make_shared<const RuleExpr>(std::move(made));
  }

  Result<std::int64_t> window() {
    GRIT_CHECK(expect("["));
    const std::size_t end = text_.find(']', at_);
    if (end == std::string_view::npos) return error("a ] was expected");
    std::string words(text_.substr(at_, end - at_));
    if (words.size() > 1 && words.back() == 'm' && is_digit(words[words.size() - 2]))
      words += "in";  // as in Prometheus
    const auto duration = parse_quantity(words, Unit::time_ns);
    if (!duration || duration->get<std::int64_t>() <= 0) return error("a duration was expected: 10s, 500ms, 1m");
    at_ = end + 1;
    return duration->get<std::int64_t>();
  }

  /// The labels behind a metric's name, which begins at `begin`.
  Result<Expr> selector(std::size_t begin, const std::string& name, Kind kind) {
    RuleExpr made{.kind = kind, .name = name, .source = name};
    if (take("{")) {
      while (!take("}")) {
        GRIT_TRY(LabelMatcher one, matcher());
        made.matchers.push_back(std::move(one));
        if (!take(",") && next() != '}') return error("a , or } was expected");
      }
      made.source = text_.substr(begin, at_ - begin);
    }
    return std::make_shared<const RuleExpr>(std::move(made));
  }

  Result<LabelMatcher> matcher() {
    LabelMatcher made{.label = take_word()};
    if (made.label.empty()) return error("the name of a label was expected");
    if (take("=~")) {
      made.is_pattern = true;
    } else if (take("!~")) {
      made.is_pattern = made.negated = true;
    } else if (take("!=")) {
      made.negated = true;
    } else {
      GRIT_CHECK(expect("="));
    }
    GRIT_TRY(made.text, quoted());
    if (made.is_pattern) {
      GRIT_TRY(made.pattern, Pattern::parse(made.text));
    }
    return made;
  }

  Result<std::string> quoted() {
    const char quote = next();
    if (quote != '"' && quote != '\'') return error("a text in quotes was expected");
    std::string text;
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size() && (text_[at_ + 1] == quote || text_[at_ + 1] == '\\')) ++at_;
      text += text_[at_];
    }
    if (at_ == text_.size()) return error("the closing quote was expected");
    ++at_;
    return text;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

Result<Rule> Rule::parse(std::string_view text) { return RuleParser(text).parse(); }

}  // namespace grit
