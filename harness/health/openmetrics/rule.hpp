// A rule over metrics, "rate(node_network_carrier_changes_total{device='eth0'}[10s]) > 0": the smallest part of PromQL
// that alarms need, with two functions of its own (bits, and absent as a number).
//
//   rule     = expr ( ">" | ">=" | "<" | "<=" | "==" | "!=" ) expr
//   expr     = term { ( "+" | "-" ) term }          term = factor { ( "*" | "/" ) factor }
//   factor   = number | function | selector | "(" expr ")" | "-" factor
//   function = ( "rate" | "increase" | "delta" ) "(" selector "[" duration "]" ")" | "absent" "(" selector ")"
//            | ( "abs" | "sum" | "min" | "max" | "count" ) "(" expr ")" | "bits" "(" expr "," number ")"
//   selector = name [ "{" label ( "=" | "!=" | "=~" | "!~" ) string { "," ... } "}" ]
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/health/openmetrics/series.hpp"

namespace grit {

struct RuleExpr;

/// What a rule says of one set of labels.
struct Finding {
  MetricLabels labels{};
  double value = 0;       // of the left side; of the right one where the left is a plain number
  bool alarms = false;    // the rule is true
  bool first = false;     // too little was read for a rate or a difference yet
  std::string unknown{};  // why it cannot be said, but for `first`
};

class Rule {
 public:
  /// Error (usage): where it cannot be understood, and what was expected there; or it looks at no metric.
  static Result<Rule> parse(std::string_view text);

  [[nodiscard]] const std::string& text() const { return text_; }
  /// Of the metrics that it looks at.
  [[nodiscard]] std::set<std::string> names() const;
  /// The shortest and longest [duration] in it; 0: it has none.
  [[nodiscard]] std::int64_t shortest_window_ns() const;
  [[nodiscard]] std::int64_t longest_window_ns() const;

  /// One finding for each set of labels; two sides are joined where these are equal. None: a selector found nothing.
  /// A rate is the increase between the first and the last sample of the window, divided by the time between these,
  /// and nothing is extrapolated; the sample right before the window belongs to it, however old it is, so that nothing
  /// is lost between readings that are further apart than the window. A counter that fell was started anew from 0.
  [[nodiscard]] std::vector<Finding> evaluate(const SeriesStore& store) const;
  /// The selectors that find nothing now, as they are written.
  [[nodiscard]] std::vector<std::string> unmatched(const SeriesStore& store) const;

 private:
  enum class Comparison { more, at_least, less, at_most, equal, unequal };
  [[nodiscard]] bool compare(double left, double right) const;
  [[nodiscard]] std::vector<const RuleExpr*> all() const;

  std::string text_{};
  std::shared_ptr<const RuleExpr> left_{}, right_{};
  Comparison comparison_ = Comparison::more;
  friend class RuleParser;
};

}  // namespace grit
