#include "harness/health/openmetrics/pattern.hpp"

#include <fmt/format.h>

namespace grit {
namespace {

std::size_t index_of(char c) { return static_cast<unsigned char>(c); }

/// What stands between [ and ], from behind the [ at `at`; leaves `at` behind the ]. False: it has no end.
bool read_class(std::string_view text, std::size_t& at, std::bitset<256>& bytes) {
  const bool negated = at < text.size() && text[at] == '^';
  if (negated) ++at;
  for (bool first = true; at < text.size() && (first || text[at] != ']'); first = false) {
    if (text[at] == '\\' && at + 1 < text.size()) ++at;
    const char from = text[at++];
    char to = from;
    if (at + 1 < text.size() && text[at] == '-' && text[at + 1] != ']') to = text[at + 1], at += 2;
    for (std::size_t i = index_of(from); i <= index_of(to); ++i) bytes.set(i);
  }
  if (negated) bytes.flip();
  return at < text.size() && text[at++] == ']';
}

}  // namespace

Result<Pattern> Pattern::parse(std::string_view text) {
  constexpr std::string_view kUnknown = "(){}^$", kEscaped = "\\.*+?|[](){}^$-/";
  Pattern pattern;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at++];
    Step step;
    if (c == '|') {
      pattern.alternatives_.emplace_back();
      continue;
    }
    if (c == '*' || c == '+' || c == '?' || kUnknown.find(c) != std::string_view::npos)
      return usage_error(fmt::format(
          "'{}' in the regular expression \"{}\": it has text, . [...] * + ? and |, but no groups: write eth0|eth1 for "
          "eth(0|1); it matches as a whole, without ^ and $",
          c, text));
    if (c == '[') {
      if (!read_class(text, at, step.bytes))
        return usage_error(fmt::format("the regular expression \"{}\" has a [ without ]", text));
    } else if (c == '.') {
      step.bytes.set();
    } else if (c != '\\') {
      step.bytes.set(index_of(c));
    } else if (at < text.size() && kEscaped.find(text[at]) != std::string_view::npos) {
      step.bytes.set(index_of(text[at++]));
    } else {
      return usage_error(fmt::format("the regular expression \"{}\" has a \\ before what means only itself", text));
    }
    if (at < text.size() && (text[at] == '*' || text[at] == '+' || text[at] == '?')) {
      step.optional = text[at] != '+';
      step.repeats = text[at] != '?';
      ++at;
    }
    pattern.alternatives_.back().push_back(step);
  }
  return pattern;
}

bool Pattern::match(const Steps& steps, std::string_view text) {
  // Before which steps one may be, all at the same time.
  std::vector<char> now(steps.size() + 1, 0);
  now[0] = 1;
  const auto skip_optional = [&](std::vector<char>& at) {
    for (std::size_t i = 0; i < steps.size(); ++i)
      if (at[i] != 0 && steps[i].optional) at[i + 1] = 1;
  };
  skip_optional(now);
  for (const char c : text) {
    std::vector<char> next(steps.size() + 1, 0);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (now[i] == 0 || !steps[i].bytes.test(index_of(c))) continue;
      next[i + 1] = 1;
      if (steps[i].repeats) next[i] = 1;
    }
    skip_optional(next);
    now = std::move(next);
  }
  return now[steps.size()] != 0;
}

bool Pattern::matches(std::string_view text) const {
  for (const Steps& steps : alternatives_)
    if (match(steps, text)) return true;
  return false;
}

}  // namespace grit
