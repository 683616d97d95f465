// A regular expression of the kind that rules for metrics need, matched in a time that no pattern can blow up.
#pragma once

#include <array>
#include <bitset>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// Literal text, `.`, `[a-z]`, `[^a-z]`, `\x` for a character that means something, each with `*`, `+` or `?` behind
/// it, and `|` between alternatives. It matches a text as a whole, as in Prometheus. Bytes, not characters.
class Pattern {
 public:
  /// Error (usage): it has something else, such as a group; says what to write instead.
  static Result<Pattern> parse(std::string_view text);
  [[nodiscard]] bool matches(std::string_view text) const;

 private:
  struct Step {
    std::bitset<256> bytes{};
    bool optional = false;  // ? and *
    bool repeats = false;   // + and *
  };
  using Steps = std::vector<Step>;
  static bool match(const Steps& steps, std::string_view text);

  std::vector<Steps> alternatives_{1};
};

}  // namespace grit
