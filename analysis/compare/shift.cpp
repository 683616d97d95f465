#include "analysis/compare/shift.hpp"

#include <algorithm>
#include <cmath>

#include "analysis/stats/autocorrelation.hpp"
#include "analysis/stats/two_samples.hpp"

namespace grit {
namespace {

std::vector<double> logs(const std::vector<ComparedBlock>& blocks, BlockFigure figure) {
  std::vector<double> values;
  for (const ComparedBlock& block : blocks) values.push_back(std::log(block.*figure));
  return values;
}

std::vector<double> run_figures(std::span<const ComparedRun> runs, BlocksOfRun blocks, BlockFigure figure) {
  std::vector<double> figures;
  for (const ComparedRun& run : runs) figures.push_back(mean_log(run.*blocks, figure));
  return figures;
}

double squares_about_mean(const std::vector<double>& values) {
  double mean = 0, squares = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  for (const double value : values) squares += (value - mean) * (value - mean);
  return squares;
}

/// Of the standard error of the shift, for runs that wander. 1 for one run a side, whose interval is that of blocks.
double inflation_of(const std::vector<double>& then, const std::vector<double>& now,
                    const std::vector<std::size_t>& places) {
  if (places.size() <= 2) return 1;
  std::vector<double> in_time;
  std::vector<std::size_t> sides;
  for (const std::size_t place : places) {
    const bool old = place < then.size();
    in_time.push_back(old ? then[place] : now[place - then.size()]);
    sides.push_back(old ? 0 : 1);
  }
  return Wandering(sides).inflation_of(residuals(in_time, sides).autocorrelation(), 1);
}

void set_interval(Shift& shift, double estimate, const Interval& interval) {
  shift.estimate = std::expm1(estimate);
  // The estimate lies within but for the rarest of samples; the interval then reaches to it, and only covers more.
  shift.ci_low = std::expm1(estimate - shift.inflation * std::max(0.0, estimate - interval.low));
  shift.ci_high = std::expm1(estimate + shift.inflation * std::max(0.0, interval.high - estimate));
}

std::string_view method_name(ShiftMethod method) {
  return method == ShiftMethod::permutation ? "permutation" : method == ShiftMethod::t ? "t" : "within_runs";
}

}  // namespace

double mean_log(const std::vector<ComparedBlock>& blocks, BlockFigure figure) {
  double sum = 0;
  for (const ComparedBlock& block : blocks) sum += std::log(block.*figure);
  return sum / static_cast<double>(blocks.size());
}

Shift shift_of(std::span<const ComparedRun> before, std::span<const ComparedRun> after, BlocksOfRun blocks,
               BlockFigure figure, std::string statistic) {
  Shift shift;
  shift.statistic = std::move(statistic);
  const std::vector<double> then = run_figures(before, blocks, figure), now = run_figures(after, blocks, figure);
  const std::size_t runs = then.size() + now.size();
  shift.inflation = inflation_of(then, now, in_order_of_time(before, after));
  if (runs > 2)
    shift.between_runs =
        std::sqrt((squares_about_mean(then) + squares_about_mean(now)) / static_cast<double>(runs - 2));
  if (smallest_permutation_p(then.size(), now.size()) <= kAlpha) {
    const PermutationTest test(then, now);
    shift.method = ShiftMethod::permutation;
    // That the widened interval's end is 0: that the shift is what is left when 0 is brought as much nearer.
    shift.p = test.p_value(test.estimate() * (1 - 1 / shift.inflation));
    shift.smallest_p = smallest_permutation_p(then.size(), now.size());
    set_interval(shift, test.estimate(), *test.confidence_interval(kAlpha));
    return shift;
  }
  shift.method = runs > 2 ? ShiftMethod::t : ShiftMethod::within_runs;
  const auto test = runs > 2 ? t_test(then, now, kAlpha)
                             : t_test(logs(before[0].*blocks, figure), logs(after[0].*blocks, figure), kAlpha);
  GRIT_ASSERT(test.has_value());  // kFewestBaselineBlocks
  if (runs > 2 && test->standard_error > 0)
    shift.p = student_t_two_sided_p(test->estimate / test->standard_error / shift.inflation, test->degrees_of_freedom);
  else if (runs > 2)
    shift.p = test->p;
  shift.degrees_of_freedom = test->degrees_of_freedom;
  set_interval(shift, test->estimate, test->interval);
  return shift;
}

Json to_json(const Shift& shift) {
  Json json{{"statistic", shift.statistic}, {"method", method_name(shift.method)},
            {"estimate", shift.estimate},   {"ci_low", shift.ci_low},
            {"ci_high", shift.ci_high},     {"p", nullptr}};
  if (shift.method != ShiftMethod::within_runs) json["p"] = shift.p;
  if (shift.method == ShiftMethod::permutation) json["smallest_p"] = shift.smallest_p;
  if (shift.method != ShiftMethod::permutation) json["degrees_of_freedom"] = shift.degrees_of_freedom;
  if (shift.between_runs) json["between_runs"] = *shift.between_runs;
  json["widened"] = shift.inflation;
  return json;
}

}  // namespace grit
