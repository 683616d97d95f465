// The parts of a rule, as its parser makes and its evaluation reads them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "harness/health/openmetrics/pattern.hpp"

namespace grit {

struct LabelMatcher {
  std::string label{};
  bool negated = false;
  bool is_pattern = false;
  std::string text{};
  Pattern pattern{};

  /// A label that is not there is as good as an empty one.
  [[nodiscard]] bool matches(const std::string& value) const {
    return (is_pattern ? pattern.matches(value) : value == text) != negated;
  }
};

struct RuleExpr {
  enum class Kind { number, selector, rate, increase, delta, absent, negate, abs, bits, sum, min, max, count, binary };
  Kind kind = Kind::number;
  double number = 0;           // number; of bits, the mask
  char operation = 0;          // binary: + - * /
  std::int64_t window_ns = 0;  // rate, increase, delta
  std::string name{};          // of the metric: selector, rate, increase, delta, absent
  std::vector<LabelMatcher> matchers{};
  std::string source{};  // the selector as it is written
  std::vector<std::shared_ptr<const RuleExpr>> parts{};
};

}  // namespace grit
