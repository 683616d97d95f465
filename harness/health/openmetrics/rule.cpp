#include "harness/health/openmetrics/rule.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "harness/base/clock.hpp"
#include "harness/health/openmetrics/rule_expr.hpp"

namespace grit {
namespace {

using Kind = RuleExpr::Kind;

/// A plain number has neither labels nor company.
struct Values {
  bool plain = false;
  std::vector<Finding> all{};
};

/// What DCGM has where it has no value (dcgm_structs.h: DCGM_INT32_BLANK, DCGM_INT64_BLANK, DCGM_FP64_BLANK and the
/// fifteen numbers above each).
bool is_blank_of_dcgm(const std::string& name, double value) {
  constexpr std::array<std::pair<double, double>, 3> kBlanks{
      {{2147483632.0, 2147483647.0}, {140737488355328.0, 140737488355343.0}, {9.2233720368547748e18, 1e300}}};
  return name.rfind("DCGM_", 0) == 0 && std::any_of(kBlanks.begin(), kBlanks.end(), [&](const auto& range) {
           return value >= range.first && value <= range.second;
         });
}

bool selects(const RuleExpr& expr, const SeriesStore::Key& key) {
  if (key.first != expr.name) return false;
  return std::all_of(expr.matchers.begin(), expr.matchers.end(), [&](const LabelMatcher& one) {
    const auto label = key.second.find(one.label);
    return one.matches(label == key.second.end() ? std::string() : label->second);
  });
}

/// The place of the first sample of a window that ends with the newest: the last one before it, however old.
std::size_t window_begin(const std::vector<MetricSeries::Point>& points, std::int64_t window_ns) {
  const std::int64_t end_ns = points.back().t_ns;
  std::size_t first = 0;
  while (points[first].t_ns <= end_ns - window_ns) ++first;
  return first > 0 ? first - 1 : first;
}

/// Empty: there is only one sample yet.
std::optional<double> over_window(const RuleExpr& expr, const std::vector<MetricSeries::Point>& points) {
  const std::size_t begin = window_begin(points, expr.window_ns);
  if (begin + 1 >= points.size()) return std::nullopt;
  if (expr.kind == Kind::delta) return points.back().value - points[begin].value;
  double increase = 0;
  for (std::size_t i = begin + 1; i < points.size(); ++i) {
    const double before = points[i - 1].value, now = points[i].value;
    increase += now < before ? now : now - before;
  }
  if (expr.kind == Kind::increase) return increase;
  return increase * static_cast<double>(kNsPerS) / static_cast<double>(points.back().t_ns - points[begin].t_ns);
}

Finding finding_of(const RuleExpr& expr, const SeriesStore::Key& key, const MetricSeries& series) {
  Finding finding{.labels = key.second, .value = series.points.back().value};
  if (!series.untimely.empty()) {
    finding.unknown = series.untimely;
  } else if (is_blank_of_dcgm(key.first, finding.value)) {
    finding.unknown = "DCGM has no value";
  } else if (expr.kind != Kind::selector) {
    const auto value = over_window(expr, series.points);
    finding.first = !value;
    finding.value = value.value_or(0);
  }
  return finding;
}

std::vector<Finding> select(const RuleExpr& expr, const SeriesStore& store) {
  std::vector<Finding> found;
  for (const auto& [key, series] : store.series())
    if (series.current && selects(expr, key)) found.push_back(finding_of(expr, key, series));
  return found;
}

double combine(char operation, double left, double right) {
  switch (operation) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    default:
      return left / right;
  }
}

/// The left one, with what is not known of either.
Finding merged(const Finding& left, const Finding& right) {
  Finding made = left;
  if (made.unknown.empty()) made.unknown = right.unknown;
  made.first = left.first || right.first;
  return made;
}

/// Pairs of equal labels; a plain number goes with every one of the other side.
std::vector<std::pair<Finding, Finding>> joined(const Values& left, const Values& right) {
  std::vector<std::pair<Finding, Finding>> pairs;
  if (left.plain || right.plain) {
    for (const Finding& one : left.all)
      for (const Finding& other : right.all) pairs.emplace_back(one, other);
    return pairs;
  }
  std::map<MetricLabels, const Finding*> by_labels;
  for (const Finding& one : right.all) by_labels.emplace(one.labels, &one);
  for (const Finding& one : left.all)
    if (const auto other = by_labels.find(one.labels); other != by_labels.end())
      pairs.emplace_back(one, *other->second);
  return pairs;
}

Values evaluate_expr(const RuleExpr& expr, const SeriesStore& store);

Values binary(const RuleExpr& expr, const SeriesStore& store) {
  const Values left = evaluate_expr(*expr.parts[0], store), right = evaluate_expr(*expr.parts[1], store);
  Values made{.plain = left.plain && right.plain};
  for (const auto& [one, other] : joined(left, right)) {
    Finding both = merged(one, other);
    if (left.plain) both.labels = other.labels;
    both.value = combine(expr.operation, one.value, other.value);
    made.all.push_back(std::move(both));
  }
  return made;
}

double folded(Kind kind, double so_far, double value) {
  if (kind == Kind::sum) return so_far + value;
  if (kind == Kind::count) return so_far + 1;
  if (std::isnan(so_far) || std::isnan(value)) return std::nan("");
  return kind == Kind::min ? std::min(so_far, value) : std::max(so_far, value);
}

Values aggregate(const RuleExpr& expr, const Values& of) {
  if (of.all.empty()) return {};
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Finding made{.value = expr.kind == Kind::min ? kInfinity : expr.kind == Kind::max ? -kInfinity : 0};
  for (const Finding& one : of.all) {
    made = merged(made, one);
    made.value = folded(expr.kind, made.value, one.value);
  }
  return {.all = {made}};
}

double by_value(const RuleExpr& expr, double value) {
  if (expr.kind == Kind::negate) return -value;
  if (expr.kind == Kind::abs) return std::abs(value);
  // bits: what cannot be such a mask has none of them set
  constexpr double kMost = 18446744073709551615.0;
  if (!(value >= 0 && value < kMost)) return std::isnan(value) ? value : 0;
  return static_cast<double>(static_cast<std::uint64_t>(value) & static_cast<std::uint64_t>(expr.number));
}

Values evaluate_expr(const RuleExpr& expr, const SeriesStore& store) {
  switch (expr.kind) {
    case Kind::number:
      return {.plain = true, .all = {{.value = expr.number}}};
    case Kind::selector:
    case Kind::rate:
    case Kind::increase:
    case Kind::delta:
      return {.all = select(expr, store)};
    case Kind::absent:
      return {.all = {{.value = select(expr, store).empty() ? 1.0 : 0.0}}};
    case Kind::binary:
      return binary(expr, store);
    case Kind::sum:
    case Kind::min:
    case Kind::max:
    case Kind::count:
      return aggregate(expr, evaluate_expr(*expr.parts[0], store));
    case Kind::negate:
    case Kind::abs:
    case Kind::bits:
      break;
  }
  Values made = evaluate_expr(*expr.parts[0], store);
  for (Finding& one : made.all) one.value = by_value(expr, one.value);
  return made;
}

void collect(const RuleExpr& expr, std::vector<const RuleExpr*>& all) {
  all.push_back(&expr);
  for (const auto& part : expr.parts) collect(*part, all);
}

}  // namespace

std::vector<const RuleExpr*> Rule::all() const {
  std::vector<const RuleExpr*> found;
  collect(*left_, found);
  collect(*right_, found);
  return found;
}

std::set<std::string> Rule::names() const {
  std::set<std::string> found;
  for (const RuleExpr* one : all())
    if (!one->name.empty()) found.insert(one->name);
  return found;
}

std::int64_t Rule::shortest_window_ns() const {
  std::int64_t shortest_ns = 0;
  for (const RuleExpr* one : all())
    if (one->window_ns > 0 && (shortest_ns == 0 || one->window_ns < shortest_ns)) shortest_ns = one->window_ns;
  return shortest_ns;
}

std::int64_t Rule::longest_window_ns() const {
  std::int64_t longest_ns = 0;
  for (const RuleExpr* one : all()) longest_ns = std::max(longest_ns, one->window_ns);
  return longest_ns;
}

bool Rule::compare(double left, double right) const {
  switch (comparison_) {
    case Comparison::more:
      return left > right;
    case Comparison::at_least:
      return left >= right;
    case Comparison::less:
      return left < right;
    case Comparison::at_most:
      return left <= right;
    case Comparison::equal:
      return left == right;
    case Comparison::unequal:
      break;
  }
  return left != right;
}

std::vector<Finding> Rule::evaluate(const SeriesStore& store) const {
  const Values left = evaluate_expr(*left_, store), right = evaluate_expr(*right_, store);
  std::vector<Finding> findings;
  for (const auto& [one, other] : joined(left, right)) {
    Finding finding = merged(one, other);
    if (left.plain) finding.labels = other.labels, finding.value = other.value;
    if (finding.unknown.empty() && !finding.first && (std::isnan(one.value) || std::isnan(other.value)))
      finding.unknown = "no value (NaN)";
    finding.alarms = finding.unknown.empty() && !finding.first && compare(one.value, other.value);
    findings.push_back(std::move(finding));
  }
  return findings;
}

std::vector<std::string> Rule::unmatched(const SeriesStore& store) const {
  std::vector<std::string> found;
  for (const RuleExpr* one : all())
    if (!one->name.empty() && one->kind != Kind::absent && select(*one, store).empty()) found.push_back(one->source);
  return found;
}

}  // namespace grit
