#include "analysis/report/plots/plots_culprit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "analysis/blame/links.hpp"
#include "analysis/records/own_work.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/plots/plot_spec.hpp"
#include "analysis/report/tables/sections.hpp"
#include "analysis/stats/median.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

/// A column of the map: a step, or a block of many.
struct Column {
  std::uint32_t number = 0;
  bool fault = false;
  std::vector<double> own_ns{};  // by rank
};

/// One column a step, in order of time. What was not measured of all ranks is left out.
std::vector<Column> columns_of_steps(const ReportInput& input, std::size_t ranks) {
  std::map<std::uint32_t, Column> columns;
  for (const StepRecord& record : input.steps) {
    if (record.block >= input.plan.blocks.size() || record.rank >= ranks) continue;
    const Block& block = input.plan.blocks[record.block];
    const bool fault = block.kind == BlockKind::fault;
    if (block.pair < 0 || (!fault && block.kind != BlockKind::baseline)) continue;
    if (record.step_in_block < input.plan.design.settle_steps) continue;
    Column& column = columns[record.step];
    if (column.own_ns.empty()) column = {record.step, fault, std::vector<double>(ranks, std::nan(""))};
    column.own_ns[record.rank] = static_cast<double>(record.end_ns - record.start_ns - record.exposed_comm_ns);
  }
  std::vector<Column> result;
  for (auto& [step, column] : columns)
    if (std::none_of(column.own_ns.begin(), column.own_ns.end(), [](double own_ns) { return std::isnan(own_ns); }))
      result.push_back(std::move(column));
  return result;
}

/// One column a block, in order of time.
std::vector<Column> columns_of_blocks(const Plan& plan, const OwnWork& work) {
  std::vector<Column> result;
  for (const Block& block : plan.blocks) {
    if (!work.has(block.index)) continue;
    Column column{static_cast<std::uint32_t>(block.index), block.kind == BlockKind::fault, {}};
    for (std::size_t rank = 0; rank < work.ranks(); ++rank)
      column.own_ns.push_back(work.rank(block.index, rank).own_ns());
    result.push_back(std::move(column));
  }
  return result;
}

/// Baseline columns, then fault columns; of each what its ranks are above or below the median rank. On a mesh, where
/// ranks of other roles have other work, above or below what each has without the fault in the middle.
void arrange(std::vector<Column>& columns, bool is_one_group) {
  std::stable_sort(columns.begin(), columns.end(), [](const Column& a, const Column& b) { return a.fault < b.fault; });
  if (is_one_group) {
    for (Column& column : columns) {
      const double middle_ns = median(column.own_ns);
      for (double& own_ns : column.own_ns) own_ns -= middle_ns;
    }
    return;
  }
  for (std::size_t rank = 0; !columns.empty() && rank < columns.front().own_ns.size(); ++rank) {
    std::vector<double> usual_ns;
    for (const Column& column : columns)
      if (!column.fault) usual_ns.push_back(column.own_ns[rank]);
    const double middle_ns = median(std::move(usual_ns));
    for (Column& column : columns) column.own_ns[rank] -= middle_ns;
  }
}

/// In rank order: all, or those that are furthest from the median in fault blocks.
std::vector<std::size_t> ranks_to_draw(const std::vector<Column>& columns, std::size_t ranks) {
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    double sum_ns = 0;
    for (const Column& column : columns) sum_ns += column.fault ? std::abs(column.own_ns[rank]) : 0;
    order.emplace_back(-sum_ns, rank);
  }
  std::sort(order.begin(), order.end());
  if (order.size() > kMaxPlottedRanks) order.resize(kMaxPlottedRanks);
  std::set<std::size_t> drawn;
  for (const auto& [sum, rank] : order) drawn.insert(rank);
  return {drawn.begin(), drawn.end()};
}

int node_of_rank(const Plan& plan, std::size_t rank) {
  for (const Node& node : plan.topology.nodes)
    if (std::find(node.ranks.begin(), node.ranks.end(), static_cast<int>(rank)) != node.ranks.end()) return node.index;
  return -1;
}

/// So that one stall does not make all the rest pale.
double color_limit_ns(const std::vector<Column>& columns) {
  std::vector<double> sizes;
  for (const Column& column : columns)
    for (const double own_ns : column.own_ns) sizes.push_back(std::abs(own_ns));
  std::sort(sizes.begin(), sizes.end());
  return std::max(sizes[static_cast<std::size_t>(0.98 * static_cast<double>(sizes.size() - 1))], 1e3);
}

void add_own_work_spec(Plot& plot, const ReportInput& input, const std::vector<Column>& columns, std::size_t ranks,
                       bool by_block) {
  const auto drawn = ranks_to_draw(columns, ranks);
  if (drawn.size() < ranks) plot.note = fmt::format("{} of {} ranks are drawn.", drawn.size(), ranks);
  const double limit_ns = color_limit_ns(columns);
  plot.note += fmt::format("{}Full colour: {} and more.", plot.note.empty() ? "" : " ", format_duration(limit_ns));
  const TimeUnit unit = unit_for(limit_ns);
  Json spec = load_spec(assets::kOwnWorkSpec);
  Json labels = Json::array(), cells = Json::array();
  for (const std::size_t rank : drawn)
    labels.push_back(fmt::format("rank {} · {}", rank, node_name(input.plan, node_of_rank(input.plan, rank))));
  std::size_t first_fault = 0;
  for (std::size_t x = 0; x < columns.size(); ++x) {
    if (!columns[x].fault) first_fault = x + 1;
    for (std::size_t y = 0; y < drawn.size(); ++y)
      cells.push_back({{"x", x},
                       {"y", y},
                       {"s", columns[x].number},
                       {"v", std::round(columns[x].own_ns[drawn[y]] / unit.ns * 1000) / 1000}});
  }
  const std::string name = by_block ? "block" : "step";
  spec["height"] = std::max<std::size_t>(18 * labels.size(), 60) + 30;
  set_signal(spec, "columns", columns.size());
  set_signal(spec, "first_fault", first_fault);
  set_signal(spec, "limit", rounded(limit_ns / unit.ns));
  set_signal(spec, "unit", unit.name);
  set_signal(spec, "column_name", name);
  set_signal(spec, "ranks", std::move(labels));
  set_signal(spec, "halves",
             Json{fmt::format("{} baseline {}s", first_fault, name),
                  fmt::format("{} {}s with the fault", columns.size() - first_fault, name)});
  set_data(spec, "cells", std::move(cells));
  plot.spec = std::move(spec);
}

/// Has the run more steps than can be drawn one by one?
bool has_too_many_steps(const ReportInput& input, std::size_t ranks) {
  std::set<std::uint32_t> steps;
  for (const StepRecord& record : input.steps) {
    steps.insert(record.step);
    if (steps.size() * std::min(ranks, kMaxPlottedRanks) > kMaxCells) return true;
  }
  return false;
}

Plot own_work_plot(const ReportInput& input, const OwnWork& work) {
  const std::size_t ranks = work.ranks();
  const bool by_block = has_too_many_steps(input, ranks);
  const std::string column = by_block ? "block" : "step";
  Plot plot{
      "plot-own-work", "Own work, rank by rank",
      fmt::format(
          "Each column is one {}, each row a rank. Orange: it worked longer by itself than {}; blue: shorter. A "
          "culprit's row is orange to the right of the line and not to its left; a slow network shows in no "
          "row.",
          column,
          work.is_one_group() ? "the median rank of that " + column : "it does without the fault, in the middle")};
  plot.legend_html =
      swatch("fault", work.is_one_group() ? "longer than the median rank" : "longer than without the fault") +
      swatch("baseline", "shorter");
  auto columns = by_block ? columns_of_blocks(input.plan, work) : columns_of_steps(input, ranks);
  arrange(columns, work.is_one_group());
  if (columns.empty())
    plot.missing = "No step has records of all ranks, so their work cannot be compared.";
  else
    add_own_work_spec(plot, input, columns, ranks, by_block);
  return plot;
}

struct ArrivalSum {
  double last = 0, by_ns = 0;
};

Plot arrivals_plot(const ReportInput& input, const OwnWork& work) {
  Plot plot{
      "plot-arrivals", "Who came last",
      "In how many steps a node was the last to enter the first collective, and by how much it was behind the next "
      "node; for every node the baseline above, the fault blocks below. A step in which two were closer than their "
      "clocks can tell has no last."};
  plot.legend_html = swatch("baseline", "baseline blocks") + swatch("fault", "fault blocks");
  std::map<bool, double> steps;
  std::map<std::pair<std::size_t, bool>, ArrivalSum> sums;
  for (const Block& block : input.plan.blocks) {
    if (!work.has(block.index)) continue;
    const bool fault = block.kind == BlockKind::fault;
    steps[fault] += static_cast<double>(work.block(block.index).steps);
    for (std::size_t node = 0; node < work.nodes(); ++node) {
      const NodeArrivals& arrivals = work.arrivals(block.index, node);
      sums[{node, fault}].last += arrivals.last;
      sums[{node, fault}].by_ns += arrivals.by_ns;
    }
  }
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t node = 0; node < work.nodes(); ++node) order.emplace_back(-sums[{node, true}].last, node);
  std::sort(order.begin(), order.end());
  if (order.size() > kMaxPlottedRanks) {
    order.resize(kMaxPlottedRanks);
    plot.note = fmt::format("{} of {} nodes are drawn: those that were last most often.", order.size(), work.nodes());
  }
  Json bars = Json::array(), labels = Json::array();
  bool any = false;
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  for (const auto& [last, node] : order) {
    const std::string name = node_name(input.plan, input.plan.topology.nodes[node].index);
    labels.push_back(name);
    for (const bool fault : {false, true}) {
      const ArrivalSum& sum = sums[{node, fault}];
      const double share = steps[fault] > 0 ? 100 * sum.last / steps[fault] : 0;
      const std::string by = sum.last > 0 ? fmt::format(", by {}", format_duration(sum.by_ns / sum.last)) : "";
      any = any || sum.last > 0;
      bars.push_back({{"node", name},
                      {"kind", fault ? "fault" : "baseline"},
                      {"share", rounded(share)},
                      {"label", fmt::format("{:.0f} %{}", share, by)},
                      {"tip", fmt::format("{}, {}: last in {:.0f} of {:.0f} steps{}", name,
                                          fault ? "fault" : "baseline", sum.last, steps[fault], by)}});
    }
  }
  if (!any) {
    plot.missing = "No arrival can be told apart from the others: the nodes' clocks are not known well enough.";
    return plot;
  }
  Json spec = load_spec(assets::kArrivalsSpec);
  spec["height"] = 40 * labels.size() + 50;
  set_signal(spec, "nodes", std::move(labels));
  set_data(spec, "bars", std::move(bars));
  plot.spec = std::move(spec);
  return plot;
}

std::string link_tip(const ReportInput& input, const LinkChange& link) {
  const auto rate = [](double bits_per_s) { return fmt::format("{:.3g} Gbit/s", bits_per_s / 1e9); };
  return fmt::format(
      "{} – {}: round trip {} → {}, longest {} → {}, transfers {} → {}, sent again by TCP in a block {:.3g} → {:.3g}",
      node_name(input.plan, link.a), node_name(input.plan, link.b), format_duration(link.baseline_latency_ns),
      format_duration(link.fault_latency_ns), format_duration(link.baseline_worst_ns),
      format_duration(link.fault_worst_ns), rate(link.baseline_bits_per_s), rate(link.fault_bits_per_s),
      link.baseline_retransmits, link.fault_retransmits);
}

Plot links_plot(const ReportInput& input, const std::vector<LinkChange>& links) {
  Plot plot{
      "plot-links", "The links",
      "How many times slower the link test found each link with the fault than without, in transfers, round trips or "
      "the longest round trips, whichever changed most. A node with a slow NIC is a row and a column."};
  if (input.plan.topology.nodes.size() > kMaxMatrixNodes) {
    plot.missing = fmt::format("There are too many nodes ({}) for a matrix; links.jsonl has the figures.",
                               input.plan.topology.nodes.size());
    return plot;
  }
  Json nodes = Json::array(), cells = Json::array();
  for (const Node& node : input.plan.topology.nodes) nodes.push_back(node_name(input.plan, node.index));
  double most = std::log(1.5);
  for (const LinkChange& link : links) {
    const double slowdown = link.slowdown();
    most = std::max(most, std::log(slowdown));
    for (const bool mirrored : {false, true})
      cells.push_back({{"a", node_name(input.plan, mirrored ? link.b : link.a)},
                       {"b", node_name(input.plan, mirrored ? link.a : link.b)},
                       {"v", rounded(std::log(slowdown))},
                       {"label", slowdown < 10 ? fmt::format("{:.1f}×", slowdown) : fmt::format("{:.0f}×", slowdown)},
                       {"tip", link_tip(input, link)}});
  }
  Json spec = load_spec(assets::kLinksSpec);
  const std::size_t side = nodes.size() <= 12 ? 44 : 14;
  spec["height"] = side * nodes.size() + 40;
  set_signal(spec, "limit", rounded(most));
  set_signal(spec, "nodes", std::move(nodes));
  set_data(spec, "cells", std::move(cells));
  plot.spec = std::move(spec);
  return plot;
}

std::string place_of(const Suspect& suspect) {
  if (suspect.node_name.empty()) return suspect.resource == "network" ? "cannot be told" : "all nodes alike";
  return suspect.rank < 0 ? suspect.node_name : fmt::format("{}, rank {}", suspect.node_name, suspect.rank);
}

std::string suspects_table(const Culprit& culprit) {
  HtmlTable table("Suspects, by how much of the lost time goes away when they are put right in a replay of the steps",
                  {"who", "resource", "most in", "explains", "more a step", "why"});
  for (const Suspect& suspect : culprit.suspects)
    table.row({place_of(suspect), suspect.resource, suspect.phase,
               Cell(fmt::format("{:.0f} %", 100 * suspect.share_explained), "number"),
               Cell(format_duration(std::max(suspect.excess_ns, 0.0)), "number"), suspect.why});
  return table.html();
}

}  // namespace

Result<std::vector<Plot>> culprit_plots(const ReportInput& input) {
  try {
    std::vector<Plot> plots;
    if (input.verdict.culprit) {
      const OwnWork made = input.work ? OwnWork() : own_work(input.plan, input.steps, input.clock);
      const OwnWork& work = input.work ? *input.work : made;
      plots.push_back(own_work_plot(input, work));
      if (work.is_one_group()) plots.push_back(arrivals_plot(input, work));  // else not all come to the same collective
    }
    const auto links = input.links ? link_figures(*input.links).changes : std::vector<LinkChange>();
    if (!links.empty()) plots.push_back(links_plot(input, links));
    return plots;
  } catch (const std::exception& error) {  // nlohmann::json's, or an allocation that failed
    return internal_error(std::string("cannot make the report's plots of the culprit: ") + error.what());
  }
}

std::string culprit_section(const ReportInput& input, const std::vector<Plot>& plots) {
  if (!input.verdict.culprit && plots.empty()) return "";
  std::string html = "<section id=\"culprit\">\n<h2>Who was it</h2>\n";
  if (input.verdict.culprit) {
    html += element("p", input.verdict.culprit->text, "sentence");
    if (!input.verdict.culprit->suspects.empty()) html += suspects_table(*input.verdict.culprit);
  } else {
    html += element("p", "No slowdown was shown, so nobody is to blame.", "missing");
  }
  html += "</section>\n";
  for (const Plot& plot : plots) html += plot_section(plot);
  return html;
}

}  // namespace grit
