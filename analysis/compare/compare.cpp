#include "analysis/compare/compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/facts/wording.hpp"
#include "analysis/stats/two_samples.hpp"
#include "harness/base/units.hpp"
#include "harness/model/format.hpp"

namespace grit {
namespace {

Change change_of(const Shift& shift, double tolerance) {
  if (shift.method == ShiftMethod::within_runs) return Change::inconclusive;
  if (shift.ci_low >= -tolerance && shift.ci_high <= tolerance) return Change::none;
  if (shift.ci_low > 0) return Change::slower;
  if (shift.ci_high < 0) return Change::faster;
  return Change::inconclusive;
}

bool excludes_zero(const Shift& shift) { return shift.ci_low > 0 || shift.ci_high < 0; }

std::string range_text(const Shift& shift) {
  return fmt::format("{} .. {}", percent_number(shift.ci_low), percent(shift.ci_high));
}

std::string test_text(const Shift& shift, std::size_t before, std::size_t after) {
  const std::string runs = fmt::format("{} + {} runs", before, after);
  if (shift.method == ShiftMethod::permutation)
    return fmt::format("{} by exact permutation of {}", p_text(shift.p), runs);
  return fmt::format("{} by t with {:.1f} degrees of freedom, {}", p_text(shift.p), shift.degrees_of_freedom, runs);
}

std::vector<std::string> host_names(const Plan& plan) {
  std::vector<std::string> names;
  for (const Node& node : plan.topology.nodes) names.push_back(node.name);
  return names;
}

/// The same faults, with the same parameters, on the same nodes.
bool same_faults(const Plan& a, const Plan& b) {
  if (a.faults.empty() || a.faults.size() != b.faults.size()) return false;
  for (std::size_t i = 0; i < a.faults.size(); ++i)
    if (a.faults[i].name != b.faults[i].name || a.faults[i].node != b.faults[i].node ||
        a.faults[i].device != b.faults[i].device || a.faults[i].params != b.faults[i].params)
      return false;
  return host_names(a) == host_names(b);
}

LastingSlowdown slowdown_of(const Comparison& comparison) {
  return {comparison.mean.estimate, comparison.mean.ci_low, comparison.mean.ci_high};
}

class Comparer {
 public:
  Comparer(std::span<const ComparedRun> before, std::span<const ComparedRun> after, double tolerance)
      : before_(before), after_(after) {
    result_.tolerance = tolerance;
    result_.workload = after.front().plan.workload.name;
    result_.emulated = after.front().plan.emulated;
    for (const ComparedRun& run : before) result_.before.push_back(run_point(run));
    for (const ComparedRun& run : after) result_.after.push_back(run_point(run));
    for (const Node& node : after.front().plan.topology.nodes) result_.node_names.push_back(node.name);
  }

  Comparison run() {
    result_.mean = shift_of(before_, after_, &ComparedRun::baseline, &ComparedBlock::mean_ns, "mean");
    result_.median = shift_of(before_, after_, &ComparedRun::baseline, &ComparedBlock::median_ns, "median");
    result_.change = change_of(result_.mean, result_.tolerance);
    compare_fault_blocks();
    set_sentence();
    set_reasons();
    set_machines();
    set_location();
    set_environment();
    if (result_.change == Change::slower) result_.cost = weekly_cost(slowdown_of(result_));
    return std::move(result_);
  }

 private:
  void reason(std::string text) { result_.reasons.push_back(std::move(text)); }

  template <class Function>
  void for_all(Function function) const {
    for (const ComparedRun& run : before_) function(run);
    for (const ComparedRun& run : after_) function(run);
  }

  void compare_fault_blocks() {
    bool comparable = true;
    for_all([&](const ComparedRun& run) {
      if (!same_faults(before_.front().plan, run.plan) || run.fault.size() < kFewestBaselineBlocks) comparable = false;
    });
    if (comparable)
      result_.under_fault = shift_of(before_, after_, &ComparedRun::fault, &ComparedBlock::mean_ns, "mean");
  }

  void set_sentence() {
    const Shift& shift = result_.mean;
    const std::string test = test_text(shift, before_.size(), after_.size());
    switch (result_.change) {
      case Change::none:
        result_.sentence =
            fmt::format("Steps take as long as before within ±{}: {} (95 % CI {}, {})", percent(result_.tolerance),
                        signed_percent(shift.estimate), range_text(shift), test);
        return;
      case Change::slower:
      case Change::faster:
        result_.sentence =
            fmt::format("Steps take {} {} than before (95 % CI {}, {})", percent(std::abs(shift.estimate)),
                        shift.estimate > 0 ? "longer" : "less time", range_text(shift), test);
        return;
      case Change::inconclusive:
        break;
    }
    if (shift.method == ShiftMethod::within_runs)
      result_.sentence = fmt::format(
          "The new run's steps differ by {} from the old run's (within these two runs: {}); whether that is more than "
          "two "
          "runs of the same thing differ cannot be told from one run a side",
          signed_percent(shift.estimate), range_text(shift));
    else
      result_.sentence =
          fmt::format("Step time differs by {} (95 % CI {}, {}): neither a change nor none beyond ±{} is shown",
                      signed_percent(shift.estimate), range_text(shift), test, percent(result_.tolerance));
  }

  void set_reasons() {
    const Shift& shift = result_.mean;
    if (shift.method == ShiftMethod::within_runs)
      reason(
          "one run a side has no spread between runs: run each side again, at least twice, better four times, and "
          "compare with --old and --new");
    else if (before_.size() == 1 || after_.size() == 1)
      reason(fmt::format("the {} side has one run: it is held against the spread of the other's",
                         before_.size() == 1 ? "old" : "new"));
    if (shift.method == ShiftMethod::t)
      reason(fmt::format(
          "with {} + {} runs a permutation test cannot give a p below {:.2g}, so the interval is that of t and "
          "takes the runs' figures to be normal; 4 + 4 runs need no such assumption",
          before_.size(), after_.size(), smallest_permutation_p(before_.size(), after_.size())));
    if (result_.change == Change::inconclusive && shift.between_runs)
      reason(fmt::format(
          "runs of one side differ by {} (standard deviation): with so many runs a shift below about {} cannot "
          "be seen; more runs a side narrow the interval",
          percent(*shift.between_runs),
          percent(std::expm1((std::log1p(shift.ci_high) - std::log1p(shift.ci_low)) / 2))));
    if (shift.inflation > 1)
      reason(fmt::format(
          "the runs of one side came after those of the other, and the step time may wander from run to run: the "
          "interval is {:.1f} times as wide as for runs that came by turns; let old and new ones alternate",
          shift.inflation));
    if (result_.change == Change::none && excludes_zero(shift))
      reason(fmt::format("a shift is shown, but it is within ±{}", percent(result_.tolerance)));
    std::set<std::string> differences;
    for_all([&](const ComparedRun& run) {
      for (const std::string& text : incomparable(before_.front().plan, run.plan))
        differences.insert("NOT THE SAME: " + text);
      for (const std::string& text : other_differences(before_.front().plan, run.plan)) differences.insert(text);
    });
    for (const std::string& text : differences) reason(text);
    for_all([&](const ComparedRun& run) {
      for (const std::string& remark : run.remarks) reason(remark);
    });
  }

  void set_machines() {
    const auto of = [](std::span<const ComparedRun> runs) {
      std::vector<MachineLoads> all;
      for (const ComparedRun& run : runs) all.push_back(run.loads);
      return all;
    };
    result_.machines =
        machine_shifts(of(before_), of(after_), in_order_of_time(before_, after_), result_.mean.estimate > 0);
  }

  void set_location() {
    result_.phases_before = mean_phases(before_);
    result_.phases_after = mean_phases(after_);
    if (result_.change == Change::slower || result_.change == Change::faster)
      result_.location =
          locate(before_, after_, after_.front().plan.topology, shown_text(result_.machines, result_.node_names));
  }

  void set_environment() {
    const auto of = [](std::span<const ComparedRun> runs) {
      std::vector<Environments> all;
      for (const ComparedRun& run : runs) all.push_back(run.environments);
      return all;
    };
    result_.environment = compare_environments(of(before_), of(after_));
  }

  std::span<const ComparedRun> before_, after_;
  Comparison result_{};
};

Json point_json(const RunPoint& point) {
  return {{"run", point.name},
          {"started_utc", point.started_utc},
          {"baseline_blocks", point.blocks},
          {"mean_ns", point.mean_ns},
          {"median_ns", point.median_ns},
          {"fastest_block_ns", point.low_ns},
          {"slowest_block_ns", point.high_ns},
          {"machines", to_json(point.load.mean)}};
}

}  // namespace

std::string_view to_string(Change change) {
  switch (change) {
    case Change::none:
      return "no change";
    case Change::slower:
      return "slower";
    case Change::faster:
      return "faster";
    case Change::inconclusive:
      return "inconclusive";
  }
  return "inconclusive";
}

int exit_code(Change change) {
  if (change == Change::none) return 0;
  return change == Change::inconclusive ? 2 : 1;
}

RunPoint run_point(const ComparedRun& run) {
  RunPoint point;
  point.name = run.name();
  point.started_utc = run.started_utc;
  point.blocks = static_cast<int>(run.baseline.size());
  point.mean_ns = std::exp(mean_log(run.baseline, &ComparedBlock::mean_ns));
  point.median_ns = std::exp(mean_log(run.baseline, &ComparedBlock::median_ns));
  const auto by_mean = [](const ComparedBlock& a, const ComparedBlock& b) { return a.mean_ns < b.mean_ns; };
  const auto [low, high] = std::minmax_element(run.baseline.begin(), run.baseline.end(), by_mean);
  point.low_ns = low->mean_ns;
  point.high_ns = high->mean_ns;
  point.load = load_range(run.loads);
  return point;
}

Comparison compare_runs(std::span<const ComparedRun> before, std::span<const ComparedRun> after, double tolerance) {
  GRIT_ASSERT(!before.empty() && !after.empty());
  const Plan& reference = after.front().plan;
  const auto as_in_reference = [&](const ComparedRun& run) { return host_names(run.plan) == host_names(reference); };
  if (std::all_of(before.begin(), before.end(), as_in_reference) &&
      std::all_of(after.begin(), after.end(), as_in_reference))
    return Comparer(before, after, tolerance).run();
  std::vector<ComparedRun> old_runs(before.begin(), before.end()), new_runs(after.begin(), after.end());
  std::size_t fewest = reference.topology.nodes.size();
  for (auto* runs : {&old_runs, &new_runs})
    for (ComparedRun& run : *runs) fewest = std::min(fewest, match_hosts(run, reference.topology));
  Comparison comparison = Comparer(old_runs, new_runs, tolerance).run();
  if (const std::size_t all = reference.topology.nodes.size(); fewest < all)
    comparison.reasons.push_back(
        fmt::format("only {} of {} hosts are the same in all runs: ranks and machines of the others are compared with "
                    "other hosts'",
                    fewest, all));
  return comparison;
}

Status check_comparable(std::span<const ComparedRun> before, std::span<const ComparedRun> after, bool force) {
  std::vector<const ComparedRun*> all;
  for (const ComparedRun& run : before) all.push_back(&run);
  for (const ComparedRun& run : after) all.push_back(&run);
  std::set<std::filesystem::path> seen;
  for (const ComparedRun* run : all) {
    std::error_code ignored;
    const auto place = std::filesystem::weakly_canonical(run->directory, ignored);
    if (!seen.insert(place.empty() ? run->directory : place).second)
      return usage_error(run->name() + " is given twice; a run counts once");
  }
  if (force) return {};
  for (const ComparedRun* run : all) {
    const auto differences = incomparable(all.front()->plan, run->plan);
    if (differences.empty()) continue;
    std::string text;
    for (const std::string& difference : differences) text += "\n  " + difference;
    return usage_error(
        fmt::format("{} and {} did not run the same thing:{}\nOnly the same workload on the same number of "
                    "nodes and ranks can be compared; --force compares them all the same",
                    all.front()->name(), run->name(), text));
  }
  return {};
}

void set_fleet(Comparison& comparison, Fleet fleet, std::optional<double> bad_nodes) {
  if (!comparison.cost) return;
  const bool one_node = comparison.location && comparison.location->where == Location::Where::place;
  fleet.bad_nodes = bad_nodes.value_or(one_node ? 1 : fleet.gpus / fleet.gpus_per_node);
  comparison.cost = weekly_cost(fleet, slowdown_of(comparison));
}

Json to_json(const Comparison& comparison) {
  Json json{{"format", formats::kComparison.number},
            {"change", to_string(comparison.change)},
            {"workload", comparison.workload},
            {"tolerance", comparison.tolerance},
            {"sentence", comparison.sentence},
            {"reasons", comparison.reasons},
            {"emulated", comparison.emulated},
            {"before", Json::array()},
            {"after", Json::array()},
            {"shift", to_json(comparison.mean)},
            {"shift_of_median", to_json(comparison.median)},
            {"shift_under_fault", nullptr},
            {"location", nullptr},
            {"cost", nullptr},
            {"environment", to_json(comparison.environment)},
            {"machines", to_json(comparison.machines)}};
  for (const RunPoint& point : comparison.before) json["before"].push_back(point_json(point));
  for (const RunPoint& point : comparison.after) json["after"].push_back(point_json(point));
  if (comparison.under_fault) json["shift_under_fault"] = to_json(*comparison.under_fault);
  if (const auto& place = comparison.location)
    json["location"] = {{"where", to_string(place->where)},
                        {"text", place->text},
                        {"node", place->node},
                        {"rank", place->rank},
                        {"phase", place->phase},
                        {"growth_ns", place->growth_ns},
                        {"share", place->share}};
  if (const auto& cost = comparison.cost)
    json["cost"] = {{"gpu_days_a_week", cost->estimate},
                    {"low", cost->low},
                    {"high", cost->high},
                    {"gpus", cost->gpus},
                    {"text", cost->text}};
  return json;
}

}  // namespace grit
