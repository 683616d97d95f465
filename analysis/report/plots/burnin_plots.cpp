#include "analysis/report/plots/burnin_plots.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "analysis/facts/wording.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/plots/plot_spec.hpp"
#include "analysis/report/tables/burnin_words.hpp"
#include "analysis/stats/median.hpp"
#include "harness/model/burnin_measures.hpp"

namespace grit {
namespace {

constexpr std::size_t kBins = 48;
constexpr std::size_t kMostClasses = 3;

/// A node beside its peers in one measure.
struct Standing {
  const BurninNodeReport* node = nullptr;
  const BurninFinding* finding = nullptr;  // null: nobody suspected it
  double value = 0, worse = 0;
};

/// Zero where the middle is, and more the worse it is; a share stays what it is.
double worse_than(const BurninMeasure& measure, double middle, double value) {
  if (measure.better == BurninBetter::rarer) return value;
  return (measure.better == BurninBetter::higher ? middle - value : value - middle) / middle;
}

const BurninFinding* finding_of(const BurninNodeReport& node, std::string_view measure) {
  const auto found = std::find_if(node.findings.begin(), node.findings.end(), [&](const BurninFinding& finding) {
    return finding.measure == measure && finding.status != BurninStatus::clear;
  });
  return found == node.findings.end() ? nullptr : &*found;
}

/// The nodes of a class with a figure of the measure; none when there is no middle to hold them against.
std::pair<double, std::vector<Standing>> standings_of(const BurninReport& report, const BurninMeasure& measure,
                                                      std::string_view machine_class) {
  std::vector<Standing> all;
  std::vector<double> values;
  for (const BurninNodeReport& node : report.nodes) {
    const auto figure = node.figures.find(std::string(measure.name));
    if (node.machine_class != machine_class || figure == node.figures.end() || !std::isfinite(figure->second)) continue;
    all.push_back({&node, finding_of(node, measure.name), figure->second, 0});
    values.push_back(figure->second);
  }
  if (all.size() < 2) return {};
  const double middle = median(values);
  if (middle <= 0 && measure.better != BurninBetter::rarer) return {};
  for (Standing& one : all) one.worse = worse_than(measure, middle, one.value);
  std::stable_sort(all.begin(), all.end(), [](const Standing& a, const Standing& b) { return a.worse < b.worse; });
  return {middle, all};
}

/// From the best node to the worst, but no further than a few times what most nodes differ by.
std::pair<double, double> domain_of(const std::vector<Standing>& sorted, double tolerance) {
  const auto at = [&](double share) {
    return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))].worse;
  };
  const double most = std::max({6 * (at(0.9) - at(0.5)), 6 * (at(0.5) - at(0.1)), 3 * tolerance, 1e-6});
  const double low = std::max(sorted.front().worse, -most), high = std::min(sorted.back().worse, most);
  const double margin = 0.03 * (std::max(high, tolerance) - std::min(low, 0.0)) + 1e-9;
  return {std::min(low, 0.0) - margin, std::max(high, tolerance) + margin};
}

Json bars_of(const std::vector<Standing>& sorted, double low, double high) {
  std::vector<int> counts(kBins, 0);
  const double width = (high - low) / static_cast<double>(kBins);
  for (const Standing& one : sorted) {
    if (one.finding != nullptr) continue;
    const double bin = std::clamp((one.worse - low) / width, 0.0, static_cast<double>(kBins - 1));
    ++counts[static_cast<std::size_t>(bin)];
  }
  Json bars = Json::array();
  for (std::size_t i = 0; i < kBins; ++i) {
    if (counts[i] == 0) continue;
    const double from = low + width * static_cast<double>(i);
    bars.push_back({{"from", rounded(from)},
                    {"to", rounded(from + width)},
                    {"count", counts[i]},
                    {"tip", fmt::format("{} node{} between {} and {}", counts[i], counts[i] == 1 ? "" : "s",
                                        signed_percent(from), signed_percent(from + width))}});
  }
  return bars;
}

/// Those that were suspected; the gravest have their names beside them.
Json names_of(const BurninMeasure& measure, const std::vector<Standing>& sorted, double low, double high,
              std::size_t& unnamed) {
  std::vector<const Standing*> suspects;
  for (const Standing& one : sorted)
    if (one.finding != nullptr) suspects.push_back(&one);
  std::stable_sort(suspects.begin(), suspects.end(), [](const Standing* a, const Standing* b) {
    return std::pair(gravity(a->finding->status), a->worse) > std::pair(gravity(b->finding->status), b->worse);
  });
  unnamed = suspects.size() - std::min(suspects.size(), kMostNamedNodes);
  Json names = Json::array();
  std::size_t row = 0;
  const bool is_share = measure.better == BurninBetter::rarer;
  for (const Standing* one : suspects) {
    const std::string place = is_share ? percent(one->worse) : signed_percent(one->worse);
    // Beside the name stands what the reason says, which is of the fresh figures alone.
    const double fresh = one->finding->worse;
    const std::string figure = is_share || fresh == 0 ? place : signed_percent(fresh);
    names.push_back(
        {{"x", rounded(std::clamp(one->worse, low, high))},
         {"row", std::min(row, kMostNamedNodes - 1)},  // none outside of the plot: it would shrink to hold it
         {"name", row < kMostNamedNodes ? one->node->host + " " + figure : ""},
         {"status", std::string(to_string(one->finding->status))},
         {"tip", fmt::format("{}: {}, {} over all visits ({})", one->node->host,
                             burnin_figure(measure.name, one->value), place, status_words(one->finding->status))}});
    ++row;
  }
  return names;
}

Plot figure_plot(const BurninReport& report, const BurninMeasure& measure, std::string_view machine_class,
                 std::size_t index, bool of_several) {
  Plot plot{fmt::format("plot-figure-{}-{}", measure.name, index), std::string(measure.what), ""};
  if (of_several) plot.title += fmt::format(" ({})", machine_class);
  const auto [middle, sorted] = standings_of(report, measure, machine_class);
  if (sorted.empty()) return plot;
  const double tolerance = tolerance_of(report.config, measure.name);
  const auto [low, high] = domain_of(sorted, tolerance);
  std::size_t unnamed = 0;
  const Json names = names_of(measure, sorted, low, high, unnamed);
  Json spec = load_spec(assets::kBurninFiguresSpec);
  const Json bars = bars_of(sorted, low, high);
  int most = 1;
  for (const Json& bar : bars) most = std::max(most, bar.at("count").get<int>());
  set_data(spec, "bars", bars);
  set_signal(spec, "most", most);
  set_data(spec, "names", names);
  set_signal(spec, "x_domain", Json{low, high});
  set_signal(spec, "tolerance", tolerance);
  const std::size_t label_rows = std::min(names.size(), kMostNamedNodes);  // a row each, so that no name hides another
  set_signal(spec, "label_rows", label_rows);
  spec["height"] = 130 + 14 * label_rows;
  const bool is_share = measure.better == BurninBetter::rarer;
  set_signal(spec, "x_format", is_share ? "~%" : "+~%");
  const std::string middle_text = burnin_figure(measure.name, middle);
  set_signal(
      spec, "x_title",
      is_share ? std::string(measure.what) + ", worse →" : fmt::format("worse than the middle, {} →", middle_text));
  plot.caption = fmt::format("{} nodes, middle {}; dashed: {}, from which on it matters.", sorted.size(), middle_text,
                             level_text(tolerance));
  if (unnamed > 0) plot.note = fmt::format("{} more suspects are not named here.", unnamed);
  plot.spec = std::move(spec);
  return plot;
}

/// The classes with most nodes.
std::vector<std::string_view> classes_of(const BurninReport& report) {
  std::map<std::string_view, std::size_t> counts;
  for (const BurninNodeReport& node : report.nodes)
    if (!node.figures.empty()) ++counts[node.machine_class];
  std::vector<std::pair<std::string_view, std::size_t>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string_view> classes;
  for (std::size_t i = 0; i < sorted.size() && i < kMostClasses; ++i) classes.push_back(sorted[i].first);
  return classes;
}

/// What became of a link between good nodes that was suspected by this measure.
BurninStatus status_of(const BurninReport& report, std::string_view measure, const BurninLinkFigure& link) {
  const auto found = std::find_if(report.links.begin(), report.links.end(), [&](const BurninFinding& finding) {
    return finding.measure == measure && finding.host == link.host && finding.peer == link.peer;
  });
  return found == report.links.end() ? BurninStatus::clear : found->status;
}

Plot pair_plot(const BurninReport& report, const BurninMeasure& measure) {
  Plot plot{fmt::format("plot-pairs-{}", measure.name), std::string(measure.what), ""};
  const std::vector<BurninLinkFigure> links = link_figures(report, measure.name);
  if (links.empty()) return plot;
  const double tolerance = tolerance_of(report.config, measure.name);
  Json cells = Json::array(), nodes = Json::array();
  for (const BurninNodeReport& node : report.nodes) nodes.push_back(node.host);
  const bool is_share = measure.better == BurninBetter::rarer;
  for (const BurninLinkFigure& link : links) {
    const std::string worse = is_share ? percent(link.worse) : signed_percent(link.worse);
    cells.push_back(
        {{"from", link.host},
         {"to", link.peer},
         {"v", rounded(link.worse)},
         {"label", link.worse > tolerance / 2 ? worse : ""},
         {"frame", std::string(to_string(status_of(report, measure.name, link)))},
         {"tip", fmt::format("{} to {}: {}{}", link.host, link.peer, burnin_figure(measure.name, link.value),
                             is_share ? "" : ", " + worse + " worse")}});
  }
  Json spec = load_spec(assets::kBurninPairsSpec);
  set_data(spec, "cells", cells);
  set_signal(spec, "nodes", nodes);
  constexpr double kDarkestTolerances = 3;
  set_signal(spec, "limit", kDarkestTolerances * tolerance);
  spec["height"] = std::clamp<std::size_t>(80 + 30 * report.nodes.size(), 200, 900);
  plot.caption = fmt::format(
      "From the row's node to the column's; darkest: {} {}. Empty: not measured. Framed: a bad link between good "
      "nodes; dashed: one that was set apart.",
      level_text(kDarkestTolerances * tolerance), is_share ? "or more" : "worse than the middle of all, or more");
  plot.spec = std::move(spec);
  return plot;
}

}  // namespace

std::vector<BurninLinkFigure> link_figures(const BurninReport& report, std::string_view name) {
  const BurninMeasure* measure = find_burnin_measure(name);
  if (measure == nullptr || measure->scope != BurninScope::link) return {};
  std::map<std::pair<std::string_view, std::string_view>, std::vector<const BurninObservation*>> links;
  for (const BurninObservation& one : report.observations)
    if (one.measure == name && !one.peer.empty() && std::isfinite(one.value))
      links[{one.host, one.peer}].push_back(&one);
  std::vector<BurninLinkFigure> figures;
  std::vector<double> middles;
  for (const auto& [ends, visits] : links) {
    std::vector<double> values;
    double events = 0, trials = 0;
    for (const BurninObservation* visit : visits)
      values.push_back(visit->value), events += visit->value, trials += visit->exposure;
    if (measure->better == BurninBetter::rarer && trials <= 0) continue;
    const double value = measure->better == BurninBetter::rarer ? events / trials : median(values);
    figures.push_back({std::string(ends.first), std::string(ends.second), value, 0});
    middles.push_back(value);
  }
  if (figures.empty()) return {};
  const double middle = median(middles);
  if (middle <= 0 && measure->better != BurninBetter::rarer) return {};
  for (BurninLinkFigure& one : figures) one.worse = worse_than(*measure, middle, one.value);
  return figures;
}

std::vector<Plot> burnin_figure_plots(const BurninReport& report) {
  std::vector<Plot> plots, quiet;
  const std::vector<std::string_view> classes = classes_of(report);
  for (const BurninMeasure& measure : kBurninMeasures) {
    if (measure.better == BurninBetter::none_at_all) continue;
    for (std::size_t i = 0; i < classes.size(); ++i) {
      Plot plot = figure_plot(report, measure, classes[i], i, classes.size() > 1);
      if (!plot.spec) continue;
      const bool is_quiet = named(plot.spec->at("data"), "names").at("values").empty();
      (is_quiet ? quiet : plots).push_back(std::move(plot));
    }
  }
  plots.insert(plots.end(), std::make_move_iterator(quiet.begin()), std::make_move_iterator(quiet.end()));
  return plots;
}

std::vector<Plot> burnin_pair_plots(const BurninReport& report) {
  std::vector<Plot> plots;
  if (report.nodes.size() > kMostMatrixNodes) return plots;
  for (const BurninMeasure& measure : kBurninMeasures)
    if (Plot plot = pair_plot(report, measure); plot.spec) plots.push_back(std::move(plot));
  return plots;
}

}  // namespace grit
