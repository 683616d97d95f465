#include "analysis/report/tables/score_matrix.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "analysis/facts/wording.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/tables/score_words.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

constexpr int kFewInjections = 5;

/// The checks in the order of the columns: grit's own, a gap, those of the site; without those that could not look.
std::vector<std::optional<std::size_t>> columns_of(const ScoreInput& input, const Scorecard& card) {
  std::vector<std::optional<std::size_t>> columns, of_site;
  for (std::size_t check = 0; check < input.checks.size(); ++check)
    if (card.was_read(check)) (input.checks[check].kind == "built-in" ? columns : of_site).emplace_back(check);
  if (!columns.empty() && !of_site.empty()) columns.emplace_back();
  columns.insert(columns.end(), of_site.begin(), of_site.end());
  return columns;
}

constexpr std::string_view kGap = "<td class=\"gap\"></td>";

std::string cell_html(std::string_view css_class, const std::string& text, const std::string& tip) {
  return fmt::format("<td class=\"{}\" title=\"{}\">{}</td>", css_class, escape_html(tip), text);
}

/// "r0" .. "r10", light to dark.
std::string ramp_class(int count, int of) { return fmt::format("r{}", of > 0 ? (10 * count + of / 2) / of : 0); }

int per_cent(int count, int of) { return of > 0 ? (100 * count + of / 2) / of : 0; }

std::string interval_words(int count, int of, const Interval& interval) {
  return fmt::format("{} of {} ({:.0f} .. {:.0f} %)", count, of, 100 * interval.low, 100 * interval.high);
}

std::string recall_tip(const ScoreInput& input, const Scorecard& card, const Recall& one) {
  const DamageCell& cell = input.cells[static_cast<std::size_t>(one.cell)];
  std::string tip =
      fmt::format("{} by {}: {}", damage_name(cell), input.checks[static_cast<std::size_t>(one.check)].name,
                  interval_words(one.found, one.of, one.interval));
  if (one.found > 0 && !one.credited)
    tip += fmt::format(", which may be chance: {} of {} shams", one.shams_fired, one.shams);
  const auto add = [&](int count, std::string_view words) {
    if (count > 0) tip += fmt::format("; {} in {}", words, count);
  };
  add(one.on_at_onset, "on before");
  add(one.unreadable, "not readable");
  add(one.elsewhere, "only on another node");
  add(one.late, "only later");
  if (card.alarm == AlarmFrom::critical) add(one.warned, "at least a warning");
  if (one.found > 0) tip += fmt::format("; right node {} of {}", one.node_right, one.found);
  if (const std::string time = detection_time_text(one); !time.empty()) tip += "; after " + time;
  return tip;
}

std::string recall_cell(const ScoreInput& input, const Scorecard& card, const Recall& one) {
  const std::string tip = recall_tip(input, card, one);
  const std::string few = one.of < kFewInjections ? " few" : "";
  if (one.of == 0) return cell_html("none", "", tip);
  if (one.found == 0 && 2 * one.unreadable > one.of) return cell_html("odd" + few, "?", tip);
  if (one.found == 0 && 2 * one.on_at_onset > one.of) return cell_html("odd" + few, "!", tip);
  if (one.found == 0 && !input.checks[static_cast<std::size_t>(one.check)].unproven.empty())
    return cell_html("none" + few, "\u2013", tip);
  if (one.found == 0) return cell_html("none" + few, "\u00b7", tip);
  return cell_html((one.credited ? ramp_class(one.found, one.of) : "chance") + few,
                   std::to_string(per_cent(one.found, one.of)), tip);
}

std::string any_cell(const CellSummary& summary) {
  if (!summary.credited.empty())
    return cell_html(
        "any " + ramp_class(summary.found, summary.injections),
        std::to_string(per_cent(summary.found, summary.injections)),
        "by any check that is credited: " + interval_words(summary.found, summary.injections, summary.interval));
  const std::string tip = "no check is credited; noticed by any: " +
                          interval_words(summary.noticed, summary.injections, summary.noticed_interval);
  if (summary.injections == 0) return cell_html("any none", "", tip);
  return cell_html(summary.missed()      ? "any lost"
                   : summary.noticed > 0 ? "any chance"
                                         : "any none",
                   std::to_string(per_cent(summary.noticed, summary.injections)), tip);
}

std::string matrix_row(const ScoreInput& input, const Scorecard& card, std::size_t cell) {
  const CellSummary& summary = card.cells[cell];
  const std::string name = escape_html(damage_name(input.cells[cell])), unproven = escape_html(unproven_text(summary));
  const auto columns = columns_of(input, card);
  if (summary.injections == 0 && !unproven.empty())  // across all columns: steps, the checks, the gap, any check
    return fmt::format("<tr><th scope=\"row\">{}</th><td class=\"unproven\" colspan=\"{}\">{}</td></tr>\n", name,
                       columns.size() + 3, unproven);
  const std::string tip = unproven.empty() ? "" : fmt::format(" title=\"{}\"", unproven),
                    others = unproven.empty() ? "" : fmt::format(", {} not proven", unproven_count(summary));
  std::string html = fmt::format("<tr><th scope=\"row\">{} <span class=\"soft\"{}>of {}{}</span></th>", name, tip,
                                 summary.injections, others);
  html +=
      cell_html(summary.harmful ? "cost" : "cost soft",
                summary.harmful ? escape_html(signed_percent(summary.harm->estimate, Digits::tenths)) : "none shown",
                harm_text(summary));
  for (const auto& check : columns)
    html += check ? recall_cell(input, card, card.recall(*check, cell)) : std::string(kGap);
  return html + "<td class=\"gap\"></td>" + any_cell(summary) + "</tr>\n";
}

std::string head_row(const ScoreInput& input, const Scorecard& card) {
  std::string html = "<thead><tr><th scope=\"col\">damage</th><th scope=\"col\">steps</th>";
  for (const auto& check : columns_of(input, card))
    html += check ? fmt::format("<th scope=\"col\"><div>{}</div></th>", escape_html(input.checks[*check].name))
                  : std::string("<th class=\"gap\"></th>");
  return html + "<th class=\"gap\"></th><th class=\"any\" scope=\"col\"><div>any check</div></th></tr></thead>";
}

std::string false_alarm_cell(const ScoredCheck& check, const FalseAlarms& alarms) {
  const std::string tip =
      fmt::format("{}: {} a healthy node-hour; {} episodes in {:.2g} node-hours; on in {} of it; {} of {} shams{}",
                  check.name, false_alarm_text(alarms), alarms.episodes, alarms.exposure_h,
                  percent(alarms.on_share, Digits::tenths), alarms.shams_fired, alarms.shams,
                  alarms.bursts ? "; they come in bursts, so that the interval is too narrow" : "");
  if (alarms.readable_h <= 0) return cell_html("none", "?", tip);
  if (alarms.always_on()) return cell_html("bad", "always", tip);
  return cell_html(alarms.episodes > 0 ? "" : "none", alarms.episodes > 0 ? figure_text(alarms.per_hour) : "0", tip);
}

std::string foot_row(std::string_view name, std::string_view unit, const std::string& cells) {
  return fmt::format(
      "<tr><th scope=\"row\">{}</th><td class=\"cost\">{}</td>{}<td class=\"gap\"></td><td class=\"any\"></td></tr>",
      name, unit, cells);
}

std::string foot_rows(const ScoreInput& input, const Scorecard& card) {
  std::string alarms, times, costs;
  for (const auto& column : columns_of(input, card)) {
    if (!column) {
      alarms += kGap, times += kGap, costs += kGap;
      continue;
    }
    const std::size_t check = *column;
    const ScoredCheck& info = input.checks[check];
    alarms += false_alarm_cell(info, card.false_alarms[check]);
    const auto usual_ns = usual_detection_ns(card, check);
    const std::string period = format_duration(static_cast<double>(info.period_ns));
    times += cell_html(usual_ns ? "" : "none", usual_ns ? fmt::format("{:.1f}", *usual_ns / 1e9) : "\u2013",
                       info.name + ": the median over the kinds of damage it is credited for; read every " + period);
    costs += cell_html("", fmt::format("{:.2g}", info.cpu_s_per_reading * 1e3),
                       fmt::format("{}: {:.3g} s of CPU a node and hour", info.name, cpu_s_per_hour(info)));
  }
  return "<tfoot>" + foot_row("false alarms", "a node-hour", alarms) + foot_row("time to notice", "s", times) +
         foot_row("cost of a reading", "ms of CPU", costs) + "</tfoot>";
}

std::string matrix_of(const ScoreInput& input, const Scorecard& card, const std::vector<std::size_t>& rows) {
  std::string html =
      "<div class=\"scroll\" tabindex=\"0\"><table class=\"grid\">" + head_row(input, card) + "<tbody>\n";
  for (const std::size_t cell : rows) html += matrix_row(input, card, cell);
  return html + "</tbody>" + foot_rows(input, card) + "</table></div>\n";
}

/// Of each fault the kind that is found least, of those that harm if there are any.
std::vector<std::size_t> worst_of_each_fault(const ScoreInput& input, const Scorecard& card) {
  std::vector<std::size_t> rows;
  std::map<std::string, std::size_t> place;
  const auto rank = [&](std::size_t cell) {
    const CellSummary& summary = card.cells[cell];
    return std::pair(summary.harmful ? 0 : 1, summary.injections > 0 ? summary.found * 1.0 / summary.injections : 2.0);
  };
  for (std::size_t cell = 0; cell < input.cells.size(); ++cell) {
    const auto [found, is_new] = place.try_emplace(input.cells[cell].fault, rows.size());
    if (is_new)
      rows.push_back(cell);
    else if (rank(cell) < rank(rows[found->second]))
      rows[found->second] = cell;
  }
  return rows;
}

constexpr std::string_view kLegend =
    "<p class=\"legend\">Numbers are per cent of the injections: <span class=\"box r2\">20</span><span class=\"box "
    "r5\">50</span><span class=\"box r8\">80</span><span class=\"box r10\">100</span> <span class=\"key\"><span "
    "class=\"box chance\">30</span> may be chance, by how often shams trip it</span> <span class=\"key\"><span "
    "class=\"box\">\u00b7</span> none</span> <span class=\"key\"><span class=\"box\">!</span> was on before</span> "
    "<span class=\"key\"><span class=\"box\">?</span> not readable</span> <span class=\"key\"><span "
    "class=\"box\">\u2013</span> unproven, see below</span> <span class=\"key\">pale: fewer than 5 "
    "injections</span></p>\n";

}  // namespace

std::string score_matrix(const ScoreInput& input, const Scorecard& card) {
  std::string below(kLegend);
  for (const std::string& one : unread_texts(input, card)) below += element("p", "could not look here: " + one, "note");
  std::vector<std::size_t> all;
  for (std::size_t cell = 0; cell < input.cells.size(); ++cell) all.push_back(cell);
  if (all.size() <= kMatrixRows) return matrix_of(input, card, all) + below;
  return matrix_of(input, card, worst_of_each_fault(input, card)) + below +
         element("p", "Of each fault the magnitude that is found least.", "note") +
         details(fmt::format("All {} kinds of damage", all.size()), matrix_of(input, card, all));
}

std::string co_firing_matrix(const ScoreInput& input, const Scorecard& card) {
  const CoFiring& co_firing = card.co_firing;
  std::vector<std::size_t> shown;
  for (const int check : co_firing.order)
    if (co_firing.pairs[static_cast<std::size_t>(check)][static_cast<std::size_t>(check)].of > 0)
      shown.push_back(static_cast<std::size_t>(check));
  if (shown.size() < 2) return "";
  std::string html =
      "<div class=\"scroll\" tabindex=\"0\"><table class=\"grid\"><thead><tr><th scope=\"col\">when this one "
      "fires</th>";
  for (const std::size_t column : shown)
    html += fmt::format("<th scope=\"col\"><div>{}</div></th>", escape_html(input.checks[column].name));
  html += "</tr></thead><tbody>\n";
  for (const std::size_t row : shown) {
    html += fmt::format("<tr><th scope=\"row\">{} <span class=\"soft\">{} times</span></th>",
                        escape_html(input.checks[row].name), co_firing.pairs[row][row].of);
    for (const std::size_t column : shown) {
      const Together& pair = co_firing.pairs[row][column];
      std::string tip = fmt::format("{} fires in {} of {} in which {} does", input.checks[column].name, pair.both,
                                    pair.of, input.checks[row].name);
      if (pair.lag_ns && row != column)
        tip += fmt::format(", {} {}", format_duration(std::abs(*pair.lag_ns)),
                           *pair.lag_ns < 0 ? "before it" : "after it");
      html += row == column    ? "<td class=\"none\">\u2013</td>"
              : pair.both == 0 ? cell_html("none", "\u00b7", tip)
                               : cell_html(ramp_class(pair.both, pair.of) + (pair.of < kFewInjections ? " few" : ""),
                                           std::to_string(per_cent(pair.both, pair.of)), tip);
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

}  // namespace grit
