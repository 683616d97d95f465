#include "analysis/report/plots/plots.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "analysis/facts/wording.hpp"
#include "analysis/report/page/assets.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/plots/plot_spec.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

constexpr std::string_view kAndMore = " and ";

std::string step_tip(const StepPoint& point) {
  return fmt::format("step {} ({}, block {}): slowest rank {} {}, mean {}", point.step, to_string(point.kind),
                     point.block, point.slowest_rank, format_duration(point.max_ns), format_duration(point.mean_ns));
}

std::string window_tip(const FaultWindow& window) {
  return fmt::format("{}, {} {}: in force from {:.3f} s for {:.3f} s{}", window.label,
                     is_link_test(window.kind) ? "link test, block" : "block", window.block, window.start_s,
                     window.end_s - window.start_s, window.reverted ? "" : "; not seen to be reverted");
}

/// Of faults that are in force at the same time in a block one window, from the first's start to the last's end: laid
/// over one another they would hide the steps.
std::vector<FaultWindow> merged(std::vector<FaultWindow> windows) {
  std::sort(windows.begin(), windows.end(), [](const FaultWindow& a, const FaultWindow& b) {
    return std::tie(a.block, a.start_s) < std::tie(b.block, b.start_s);
  });
  std::vector<FaultWindow> all;
  std::size_t more = 0;
  for (FaultWindow& window : windows) {
    if (all.empty() || all.back().block != window.block || window.start_s > all.back().end_s) {
      all.push_back(std::move(window));
      more = 0;
      continue;
    }
    FaultWindow& one = all.back();
    one.end_s = std::max(one.end_s, window.end_s);
    one.reverted = one.reverted && window.reverted;
    one.label = one.label.substr(0, one.label.find(kAndMore)) + fmt::format("{}{} more", kAndMore, ++more);
  }
  return all;
}

std::string thinned_note(std::size_t shown, std::size_t all) {
  if (shown >= all) return "";
  return fmt::format("{} of {} steps are drawn: of neighbouring steps the slowest and the fastest.", shown, all);
}

void add_steps_spec(Plot& plot, const RunData& data) {
  const std::vector<StepPoint> points = thin_out(data.steps, kMaxPlottedSteps);
  plot.note = thinned_note(points.size(), data.steps.size());
  Json spec = load_spec(assets::kStepsSpec);
  std::vector<double> values_ns;
  for (const StepPoint& point : points) values_ns.insert(values_ns.end(), {point.max_ns, point.mean_ns});
  const TimeUnit unit = set_time_axis(spec, "step time", values_ns);
  Json steps = Json::array();
  double end_s = 0;
  for (const StepPoint& point : points) {
    end_s = std::max(end_s, point.end_s);
    steps.push_back({{"start", axis_seconds(point.start_s)},
                     {"end", axis_seconds(point.end_s)},
                     {"max", rounded(point.max_ns / unit.ns)},
                     {"mean", rounded(point.mean_ns / unit.ns)},
                     {"kind", to_string(point.kind)},
                     {"tip", step_tip(point)}});
  }
  Json blocks = Json::array();
  for (const BlockSummary& block : data.blocks)
    blocks.push_back({{"start", axis_seconds(block.start_s)},
                      {"end", axis_seconds(block.end_s)},
                      {"kind", to_string(block.kind)},
                      {"tip", fmt::format("block {}, {}: {} steps", block.index, to_string(block.kind), block.steps)}});
  Json windows = Json::array();
  for (const FaultWindow& window : merged(data.windows)) {
    end_s = std::max(end_s, window.end_s);
    windows.push_back(
        {{"start", axis_seconds(window.start_s)}, {"end", axis_seconds(window.end_s)}, {"tip", window_tip(window)}});
  }
  if (std::any_of(data.windows.begin(), data.windows.end(), [](const auto& w) { return is_link_test(w.kind); }))
    plot.note += fmt::format("{}Where the fault is in force and no step is drawn, the link test ran.",
                             plot.note.empty() ? "" : " ");
  set_signal(spec, "x_domain", Json{0.0, std::max(end_s, 1e-3)});
  set_data(spec, "steps", std::move(steps));
  set_data(spec, "blocks", std::move(blocks));
  set_data(spec, "windows", std::move(windows));
  plot.spec = std::move(spec);
}

Plot steps_plot(const RunData& data) {
  Plot plot{
      "plot-steps", "Step time over the run",
      "Each bar is one step, from its start to its end, at the height of its duration on the slowest rank; thin grey: "
      "the mean over ranks. The strip below shows the blocks."};
  plot.legend_html = swatch("baseline", "baseline block") + swatch("fault", "fault block") +
                     swatch("muted", "warm-up, and mean over ranks") + swatch("window", "fault in force");
  if (data.steps.empty()) {
    plot.missing = "No step was recorded: the run ended before the first step was over, or its records were lost.";
    return plot;
  }
  add_steps_spec(plot, data);
  return plot;
}

/// Those of blocks with steps.
std::vector<FaultWindow> windows_with_steps(const RunData& data) {
  std::vector<FaultWindow> windows;
  for (const FaultWindow& window : data.windows)
    if (!is_link_test(window.kind)) windows.push_back(window);
  return windows;
}

/// Fault onset by block: the first fault that the kernel confirmed.
std::map<int, double> onsets(const RunData& data) {
  std::map<int, double> first_s;
  for (const FaultWindow& window : windows_with_steps(data)) {
    const auto [found, is_new] = first_s.try_emplace(window.block, window.start_s);
    if (!is_new) found->second = std::min(found->second, window.start_s);
  }
  return first_s;
}

/// The middle 90 % of the measured baseline steps.
void set_band(Json& spec, const RunData& data, const TimeUnit& unit) {
  std::vector<double> values_ns;
  for (const StepPoint& point : data.steps)
    if (point.kind == BlockKind::baseline && point.measured) values_ns.push_back(point.max_ns);
  if (values_ns.empty()) return;
  std::sort(values_ns.begin(), values_ns.end());
  const auto quantile = [&](double share) {
    return rounded(values_ns[static_cast<std::size_t>(share * static_cast<double>(values_ns.size() - 1))] / unit.ns);
  };
  set_signal(spec, "band_low", quantile(0.05));
  set_signal(spec, "band_median", quantile(0.5));
  set_signal(spec, "band_high", quantile(0.95));
}

void add_windows_spec(Plot& plot, const RunData& data, const std::map<int, double>& onset_s) {
  std::vector<StepPoint> inside;
  for (const StepPoint& point : data.steps)
    if (onset_s.contains(static_cast<int>(point.block))) inside.push_back(point);
  const std::vector<StepPoint> points = thin_out(inside, kMaxPlottedSteps);
  plot.note = thinned_note(points.size(), inside.size());
  Json spec = load_spec(assets::kWindowsSpec);
  std::vector<double> values_ns;
  for (const StepPoint& point : points) values_ns.push_back(point.max_ns);
  for (const StepPoint& point : data.steps)
    if (point.kind == BlockKind::baseline && point.measured) values_ns.push_back(point.max_ns);
  const TimeUnit unit = set_time_axis(spec, "step time", values_ns);
  Json steps = Json::array();
  double low_s = 0, high_s = 0;
  for (const StepPoint& point : points) {
    const double zero_s = onset_s.at(static_cast<int>(point.block));
    low_s = std::min(low_s, point.start_s - zero_s);
    high_s = std::max(high_s, point.end_s - zero_s);
    steps.push_back({{"start", axis_seconds(point.start_s - zero_s)},
                     {"end", axis_seconds(point.end_s - zero_s)},
                     {"max", rounded(point.max_ns / unit.ns)},
                     {"tip", step_tip(point)}});
  }
  Json pulses = Json::array();
  const std::vector<FaultWindow> windows = merged(windows_with_steps(data));
  const double opacity = std::max(0.02, 0.24 / static_cast<double>(std::max<std::size_t>(windows.size(), 1)));
  for (const FaultWindow& window : windows) {
    const double zero_s = onset_s.at(window.block);
    pulses.push_back({{"start", axis_seconds(window.start_s - zero_s)},
                      {"end", axis_seconds(window.end_s - zero_s)},
                      {"opacity", opacity},
                      {"tip", window_tip(window)}});
  }
  set_signal(spec, "x_domain", Json{low_s, std::max(high_s, low_s + 1e-3)});
  set_band(spec, data, unit);
  set_data(spec, "steps", std::move(steps));
  set_data(spec, "pulses", std::move(pulses));
  plot.spec = std::move(spec);
}

Plot windows_plot(const RunData& data) {
  Plot plot{
      "plot-windows", "Fault windows, lined up",
      "All fault blocks laid over one another; zero is when the kernel confirmed the fault. The band holds the middle "
      "90 % of the baseline steps, the line in it their median."};
  plot.legend_html = swatch("fault", "steps of fault blocks") + swatch("band", "baseline steps") +
                     swatch("window", "fault in force (darker: in more blocks)");
  const std::map<int, double> onset_s = onsets(data);
  const bool any = std::any_of(data.steps.begin(), data.steps.end(),
                               [&](const StepPoint& point) { return onset_s.contains(static_cast<int>(point.block)); });
  if (onset_s.empty()) {
    plot.missing = "No fault was confirmed as applied in this run, so there is nothing to line up.";
  } else if (!any) {
    plot.missing = "A fault was applied, but no step of its block was recorded.";
  } else {
    add_windows_spec(plot, data, onset_s);
  }
  return plot;
}

std::string pair_tip(const PairPoint& pair) {
  return fmt::format("pair {}: baseline {}, fault {} ({})", pair.pair + 1, format_duration(pair.baseline_ns),
                     format_duration(pair.fault_ns), signed_percent(pair.effect(), Digits::tenths));
}

constexpr std::string_view kNoPairs =
    "No pair of a baseline and a fault block was measured completely, so there is no effect to show.";

Plot pairs_plot(const RunData& data) {
  Plot plot{
      "plot-pairs", "The pairs",
      fmt::format("Time per step ({} over the block's steps, after settling) with and without the fault; a line for "
                  "each pair.",
                  data.statistic)};
  plot.legend_html = swatch("baseline", "baseline block") + swatch("fault", "fault block");
  if (data.pairs.empty()) {
    plot.missing = kNoPairs;
    return plot;
  }
  Json spec = load_spec(assets::kPairsSpec);
  std::vector<double> values_ns;
  for (const PairPoint& pair : data.pairs) values_ns.insert(values_ns.end(), {pair.baseline_ns, pair.fault_ns});
  const TimeUnit unit = set_time_axis(spec, "time per step", values_ns);
  Json rows = Json::array();
  for (const PairPoint& pair : data.pairs)
    rows.push_back({{"baseline", rounded(pair.baseline_ns / unit.ns)},
                    {"fault", rounded(pair.fault_ns / unit.ns)},
                    {"tip", pair_tip(pair)}});
  set_data(spec, "pairs", std::move(rows));
  plot.spec = std::move(spec);
  return plot;
}

void set_bounds(Json& spec, const Expectation& expect, double& low, double& high) {
  Json bounds = Json::array();
  const auto add = [&](double fraction, const std::string& text) {
    bounds.push_back({{"value", fraction * 100}, {"tip", text}});
    low = std::min(low, fraction * 100);
    high = std::max(high, fraction * 100);
  };
  if (expect.slowdown_at_least)
    add(*expect.slowdown_at_least, "expected: at least " + signed_percent(*expect.slowdown_at_least, Digits::tenths));
  if (expect.slowdown_at_most) {
    add(*expect.slowdown_at_most, "expected: at most " + signed_percent(*expect.slowdown_at_most, Digits::tenths));
    add(-*expect.slowdown_at_most, "and not below " + signed_percent(-*expect.slowdown_at_most, Digits::tenths));
  }
  set_data(spec, "bounds", std::move(bounds));
}

Plot effects_plot(const ReportInput& input, const RunData& data) {
  Plot plot{
      "plot-effects", "The effect",
      "Change of the time per step in every pair, and the estimate over all pairs with its confidence interval. Blue "
      "line: no change; dashed: what the scenario expects."};
  plot.legend_html = swatch("fault", "one pair, and the confidence interval (shaded)") + swatch("text", "estimate");
  if (data.pairs.empty()) {
    plot.missing = kNoPairs;
    return plot;
  }
  Json spec = load_spec(assets::kEffectsSpec);
  Json points = Json::array(), rows = Json::array(), estimate = Json::array();
  double low = 0, high = 0;
  const auto include = [&](double percent) { low = std::min(low, percent), high = std::max(high, percent); };
  for (const PairPoint& pair : data.pairs) {
    const std::string row = fmt::format("pair {}", pair.pair + 1);
    rows.push_back(row);
    include(pair.effect() * 100);
    points.push_back({{"effect", rounded(pair.effect() * 100)}, {"row", row}, {"tip", pair_tip(pair)}});
  }
  if (input.verdict.effect && input.verdict.effect->pairs != static_cast<int>(data.pairs.size()))
    plot.note = fmt::format("The estimate is of {} of these {} pairs: the others lack evidence of the fault.",
                            input.verdict.effect->pairs, data.pairs.size());
  if (const auto& effect = input.verdict.effect) {
    rows.push_back("estimate");
    for (const double end : {effect->ci_low, effect->ci_high})
      if (std::isfinite(end)) include(end * 100);
    estimate.push_back({{"value", rounded(effect->estimate * 100)},
                        {"low", std::isfinite(effect->ci_low) ? rounded(effect->ci_low * 100) : low},
                        {"high", std::isfinite(effect->ci_high) ? rounded(effect->ci_high * 100) : high},
                        {"row", "estimate"},
                        {"tip", fmt::format("estimate {}, 95 % confidence interval {} to {}",
                                            signed_percent(effect->estimate, Digits::tenths),
                                            signed_percent(effect->ci_low, Digits::tenths),
                                            signed_percent(effect->ci_high, Digits::tenths))}});
  }
  set_bounds(spec, input.plan.expect, low, high);
  const double margin = std::max((high - low) * 0.06, 0.05);
  set_signal(spec, "x_domain", Json{low - margin, high + margin});
  spec["height"] = std::max<std::size_t>(280, 22 * rows.size() + 60);
  set_signal(spec, "rows", std::move(rows));
  set_data(spec, "pairs", std::move(points));
  set_data(spec, "estimate", std::move(estimate));
  plot.spec = std::move(spec);
  return plot;
}

/// Phases in which a rank works by itself; what is left is waiting for others.
double own_work_ns(const PhaseRow& row) { return row.total_ns() - row.mean_ns[3]; }

void add_phases_spec(Plot& plot, const ReportInput& input, const RunData& data) {
  const std::set<std::uint32_t> ranks = most_changed_ranks(data.phases, kMaxPlottedRanks);
  if (static_cast<int>(ranks.size()) < data.ranks)
    plot.note = fmt::format("{} of {} ranks are drawn: those whose own work changed most.", ranks.size(), data.ranks);
  double longest_ns = 1;
  for (const PhaseRow& row : data.phases) longest_ns = std::max(longest_ns, row.total_ns());
  const TimeUnit unit = unit_for(longest_ns);
  Json parts = Json::array(), totals = Json::array(), labels = Json::array();
  for (const PhaseRow& row : data.phases) {
    if (!ranks.contains(row.rank)) continue;
    const std::string label = fmt::format("rank {} · {}", row.rank, node_name(input.plan, static_cast<int>(row.node)));
    if (labels.empty() || labels.back() != label) labels.push_back(label);
    double from_ns = 0;
    for (std::size_t i = 0; i < kPhaseNames.size(); ++i) {
      if (row.mean_ns[i] <= 0) continue;
      parts.push_back({{"rank", label},
                       {"kind", to_string(row.kind)},
                       {"phase", kPhaseNames[i]},
                       {"from", rounded(from_ns / unit.ns)},
                       {"to", rounded((from_ns + row.mean_ns[i]) / unit.ns)},
                       {"tip", fmt::format("{}, {}: {} {}", label, to_string(row.kind), kPhaseNames[i],
                                           format_duration(row.mean_ns[i]))}});
      from_ns += row.mean_ns[i];
    }
    totals.push_back({{"rank", label},
                      {"kind", to_string(row.kind)},
                      {"total", rounded(from_ns / unit.ns)},
                      {"label", fmt::format("{} {}", to_string(row.kind), format_duration(from_ns))}});
  }
  Json spec = load_spec(assets::kPhasesSpec);
  spec["height"] = 46 * labels.size() + 50;
  set_signal(spec, "x_domain", Json{0.0, longest_ns * 1.3 / unit.ns});  // room for the totals
  set_signal(spec, "x_title", fmt::format("mean time per step ({})", unit.name));
  set_signal(spec, "ranks", std::move(labels));
  set_signal(spec, "phases", Json(kPhaseNames));
  set_data(spec, "parts", std::move(parts));
  set_data(spec, "totals", std::move(totals));
  plot.spec = std::move(spec);
}

Plot phases_plot(const ReportInput& input, const RunData& data) {
  Plot plot{"plot-phases", "Where the time goes, by rank",
            "Mean time per step in each phase; for every rank the baseline above, the fault blocks below. A rank that "
            "is slow "
            "itself grows in its own phases; its peers grow in exposed communication, waiting for it."};
  plot.legend_html = phase_legend();
  if (data.phases.empty()) {
    plot.missing = "No step was recorded after settling, so there are no phases to show.";
    return plot;
  }
  add_phases_spec(plot, input, data);
  return plot;
}

}  // namespace

std::set<std::uint32_t> most_changed_ranks(const std::vector<PhaseRow>& rows, std::size_t limit) {
  std::map<std::uint32_t, double> change_ns;
  for (const PhaseRow& row : rows)
    change_ns[row.rank] += row.kind == BlockKind::fault ? own_work_ns(row) : -own_work_ns(row);
  std::vector<std::pair<double, std::uint32_t>> order;
  for (const auto& [rank, change] : change_ns) order.emplace_back(-std::abs(change), rank);
  std::sort(order.begin(), order.end());
  if (order.size() > limit) order.resize(limit);
  std::set<std::uint32_t> ranks;
  for (const auto& [change, rank] : order) ranks.insert(rank);
  return ranks;
}

Result<std::vector<Plot>> make_plots(const ReportInput& input, const RunData& data) {
  try {
    return std::vector<Plot>{steps_plot(data), windows_plot(data), pairs_plot(data), effects_plot(input, data),
                             phases_plot(input, data)};
  } catch (const std::exception& error) {  // nlohmann::json's, or an allocation that failed
    return internal_error(std::string("cannot make the report's plots: ") + error.what());
  }
}

}  // namespace grit
