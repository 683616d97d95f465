#include "analysis/report/tables/score_sections.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "analysis/facts/wording.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/tables/score_words.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

std::string names(const ScoreInput& input, const std::vector<int>& checks) {
  std::vector<std::string> all;
  for (const int check : checks) all.push_back(input.checks[static_cast<std::size_t>(check)].name);
  return fmt::format("{}", fmt::join(all, ", "));
}

std::string by_chance_text(const ScoreInput& input, const Scorecard& card, std::size_t cell) {
  std::vector<std::string> all;
  for (const int check : card.cells[cell].by_chance) {
    const Recall& recall = card.recall(static_cast<std::size_t>(check), cell);
    all.push_back(fmt::format("{} ({} of {}; {} of {} shams)", input.checks[static_cast<std::size_t>(check)].name,
                              recall.found, recall.of, recall.shams_fired, recall.shams));
  }
  return fmt::format("{}", fmt::join(all, ", "));
}

std::string missed_table(const ScoreInput& input, const Scorecard& card) {
  HtmlTable table("", {"damage", "steps longer by", "noticed", "may be chance"});
  for (const int index : card.missed) {
    const auto cell = static_cast<std::size_t>(index);
    const CellSummary& summary = card.cells[cell];
    table.row({Cell(damage_name(input.cells[cell]), "number"), Cell(harm_text(summary), "number"),
               Cell(fmt::format("{} of {} (at most {:.0f} %)", summary.noticed, summary.injections,
                                100 * summary.noticed_interval.high),
                    "number"),
               by_chance_text(input, card, cell)});
  }
  return table.html();
}

/// Found by somebody, but not so that it helps.
std::vector<std::string> poorly_found(const ScoreInput& input, const Scorecard& card) {
  std::vector<std::string> all;
  for (std::size_t cell = 0; cell < card.cells.size(); ++cell) {
    const CellSummary& summary = card.cells[cell];
    const std::string name = damage_name(input.cells[cell]);
    int node_right = 0, found = 0, late = 0, elsewhere = 0, of = 0;
    for (std::size_t check = 0; check < input.checks.size(); ++check) {
      const Recall& recall = card.recall(check, cell);
      if (!recall.credited) {
        if (recall.late > late || recall.elsewhere > elsewhere) of = recall.of;
        late = std::max(late, recall.late), elsewhere = std::max(elsewhere, recall.elsewhere);
        continue;
      }
      if (found == 0 || recall.node_right * found > node_right * recall.found)
        node_right = recall.node_right, found = recall.found;
    }
    if (found > 0 && 2 * node_right < found)
      all.push_back(fmt::format("{}: the right node in {} of {} at best ({})", name, node_right, found,
                                names(input, summary.credited)));
    if (summary.credited.empty() && 2 * late > of && of > 0)
      all.push_back(
          fmt::format("{}: an alarm in {} of {}, but only after the time in which it counts", name, late, of));
    if (summary.credited.empty() && 2 * elsewhere > of && of > 0)
      all.push_back(fmt::format("{}: an alarm in {} of {}, but on other nodes only", name, elsewhere, of));
  }
  return all;
}

std::string results_table(const ScoreInput& input, const Scorecard& card) {
  HtmlTable table("Each interval alone holds in 95 %; what is credited is corrected over all rows",
                  {"check", "damage", "found", "95 %", "credited", "p", "shams", "time to detection", "right subject",
                   "right node", "on before", "unreadable", "late", "elsewhere"});
  for (const Recall& one : card.recalls) {
    if (!card.was_read(static_cast<std::size_t>(one.check))) continue;
    if (table.full()) {
      table.leave_out();
      continue;
    }
    const auto number = [](int count) { return Cell(count > 0 ? std::to_string(count) : "", "number"); };
    table.row({input.checks[static_cast<std::size_t>(one.check)].name,
               damage_name(input.cells[static_cast<std::size_t>(one.cell)]),
               Cell(fmt::format("{} of {}", one.found, one.of), "number"),
               Cell(fmt::format("{:.0f} .. {:.0f} %", 100 * one.interval.low, 100 * one.interval.high), "number"),
               one.credited ? Cell("yes", "good") : Cell(""), Cell(fmt::format("{:.2g}", one.p), "number"),
               Cell(fmt::format("{} of {}", one.shams_fired, one.shams), "number"),
               Cell(detection_time_text(one), "number"), number(one.subject_right), number(one.node_right),
               number(one.on_at_onset), number(one.unreadable), number(one.late), number(one.elsewhere)});
  }
  return table.html();
}

std::string checks_table(const ScoreInput& input, const Scorecard& card) {
  HtmlTable table("False alarms: episodes that began in healthy time, a node-hour in which one could begin",
                  {"check", "", "kind", "every", "false alarms an hour", "episodes", "node-hours", "on in healthy time",
                   "shams that tripped it", "CPU a reading", "CPU a node and hour", ""});
  for (std::size_t i = 0; i < input.checks.size(); ++i) {
    const ScoredCheck& check = input.checks[i];
    const FalseAlarms& alarms = card.false_alarms[i];
    table.row({check.name, odd_check_text(input, card, i), check.kind,
               Cell(format_duration(static_cast<double>(check.period_ns)), "number"),
               Cell(false_alarm_text(alarms), "number"), Cell(std::to_string(alarms.episodes), "number"),
               Cell(fmt::format("{:.2g}", alarms.exposure_h), "number"),
               Cell(alarms.readable_h > 0 ? percent(alarms.on_share, Digits::tenths) : "", "number"),
               Cell(fmt::format("{} of {} ({:.0f} .. {:.0f} %)", alarms.shams_fired, alarms.shams,
                                100 * alarms.sham_interval.low, 100 * alarms.sham_interval.high),
                    "number"),
               Cell(format_duration(check.cpu_s_per_reading * 1e9), "number"),
               Cell(figure_text(cpu_s_per_hour(check)) + " s", "number"),
               alarms.bursts ? fmt::format("in bursts: the interval is too narrow; in {} of {} slots of a node",
                                           alarms.slots_alarmed, alarms.slots)
                             : ""});
  }
  return table.html();
}

constexpr std::string_view kHowToReadScore =
    "<ul>\n<li>Unit is the injection: one fault at one magnitude on one node, begun at a random time, proven to be "
    "applied and "
    "to act. It is found when an alarm begins between its onset and its end plus the check's grace. An alarm that was "
    "on "
    "before has found nothing.</li>\n<li>Credited is a check that finds injections more often than shams, in which "
    "nothing was "
    "done, beyond chance. With all checks and kinds of damage together, a scorecard credits anything wrongly in at "
    "most 5 % of "
    "cases.</li>\n<li>Missed is damage that was proven, that made steps longer (the whole 95 % interval), that no "
    "check is "
    "credited for, and of which at most half was noticed (the upper end of the 95 % interval: none of 6 injections is "
    "the least that shows it).</li>\n<li>Harm is judged of each kind of damage alone: of one that does none it is said "
    "in at most 2.5 % of scorecards. With 10 such kinds, up to 22 % of scorecards say it of some.</li>\n<li>False "
    "alarms begin while nothing is wrong anywhere, and long enough after "
    "anything was. A "
    "rate "
    "counts the time in which one could begin: what is always on has hardly any.</li>\n<li>Time to detection counts "
    "injections that were missed. A check that is read every second finds nothing sooner than its next "
    "reading.</li>\n</ul>\n";

}  // namespace

std::string score_headline(const ScoreInput& input, const Scorecard& card, const std::optional<DemandResult>& demand) {
  const int harmful = harmful_cells(card), noticed = noticed_cells(card);
  const auto missed = static_cast<int>(card.missed.size());
  std::string_view badge = "badge unknown";
  std::string text = "no harm was shown";
  if (demand) {
    badge = demand->decision == DemandDecision::met       ? "badge good"
            : demand->decision == DemandDecision::not_met ? "badge bad"
                                                          : "badge unknown";
    text = demand->decision == DemandDecision::met       ? "as asked"
           : demand->decision == DemandDecision::not_met ? "not as asked"
                                                         : "cannot tell";
  } else if (harmful > 0) {
    badge = missed > 0 ? "badge bad" : noticed == harmful ? "badge good" : "badge unknown";
    text = missed > 0           ? fmt::format("{} of {} missed", missed, harmful)
           : noticed == harmful ? "nothing missed"
                                : "too few injections";
  }
  std::string html = fmt::format("<h1>Do the health checks catch it? {}</h1>\n", element("span", text, badge));
  html +=
      element("p",
              fmt::format("{}{} nodes, {} checks{}, {} kinds of damage, {} injections in {} rounds and {} shams, {}{}",
                          input.origin.scenario.empty() ? "" : input.origin.scenario + ": ", input.cluster_nodes,
                          input.checks.size(),
                          card.unread.empty() ? "" : fmt::format(" ({} could not look here)", card.unread.size()),
                          input.cells.size(), card.injections, card.rounds, card.shams, length_text(card.seconds),
                          input.origin.started_utc.empty() ? "" : ", " + input.origin.started_utc),
              "summary");
  html += element("p", score_sentence(card), "sentence");
  if (demand) html += element("p", demand->text, "partial");
  return html;
}

std::string missed_section(const ScoreInput& input, const Scorecard& card) {
  std::string html;
  if (!card.missed.empty())
    html += "<div class=\"missed\">" +
            element("h2", fmt::format("Missed: it made training slower, and no check is credited for it ({} of {})",
                                      card.missed.size(), harmful_cells(card))) +
            missed_table(input, card) + "</div>\n";
  else if (harmful_cells(card) > 0 && noticed_cells(card) == harmful_cells(card))
    html += element("p", "Nothing that made training slower went unnoticed.", "nothing");
  const std::vector<std::string> poorly = poorly_found(input, card);
  if (!poorly.empty()) {
    html += "<h2>Found, but too late or somewhere else</h2>\n<ul class=\"reasons\">";
    for (const std::string& one : poorly) html += element("li", one);
    html += "</ul>\n";
  }
  return html;
}

std::string cover_section(const ScoreInput& input, const Scorecard& card) {
  const Cover& cover = card.cover;
  std::string html = "<h2>The smallest set that finds what all of them find</h2>\n";
  if (cover.steps.empty()) return html + element("p", "No check is credited for anything.", "missing");
  HtmlTable table("Each adds most to those above it; every kind of damage counts alike, also what nobody finds",
                  {"check", "found so far", "false alarms a node-hour so far", "CPU a node and hour so far"});
  for (std::size_t i = 0; i < cover.steps.size(); ++i) {
    const CoverStep& step = cover.steps[i];
    table.row({Cell((i == 0 ? "" : "+ ") + input.checks[static_cast<std::size_t>(step.check)].name,
                    i < cover.enough ? "" : "none"),
               Cell(percent(step.recall, Digits::tenths), "number"),
               Cell(false_alarm_text(step.false_alarms), "number"),
               Cell(figure_text(step.cpu_s_per_hour) + " s", "number")});
  }
  html += table.html();
  if (cover.enough < cover.steps.size())
    html += element("p", fmt::format("After the first {}, each adds less than 1 %.", cover.enough), "note");
  if (!cover.held_out)
    return html +
           element("p", "How well this set does on other injections is not known: fewer than four rounds.", "note");
  const HeldOut& held = *cover.held_out;
  html += element(
      "p", fmt::format("Chosen on every other round and counted on the rest, the set finds {} of {} injections: "
                       "{:.0f} % ({:.0f} .. {:.0f}).",
                       held.found, held.of, held.of > 0 ? 100.0 * held.found / held.of : 0.0, 100 * held.interval.low,
                       100 * held.interval.high));
  if (held.sets.size() > 1)
    html += element("p",
                    fmt::format("The two halves chose differently: {}; and {}.", names(input, held.sets[0]),
                                names(input, held.sets[1])),
                    "note");
  return html;
}

std::string visibility_table(const ScoreInput& input, const Scorecard& card) {
  if (card.visibilities.empty()) return "";
  HtmlTable table("Shown: in 90 % or more, with 95 % confidence. The curve's figure has its own 95 % bound in brackets",
                  {"fault", "check", "shown to be found from", "shown to be missed up to", "curve: 90 % at",
                   "steps 5 % longer from", "found before it hurts"});
  for (const Visibility& one : card.visibilities) {
    const DoseSeries& series = card.series[static_cast<std::size_t>(one.series)];
    const auto text = [&](const std::optional<double>& dose, std::string_view otherwise) {
      return dose ? dose_text(input, series, *dose) : std::string(otherwise);
    };
    const DoseHits& largest = one.demonstrated.at_largest;
    const std::string not_shown =
        fmt::format("not shown: {} of {} at {}, {:.0f} % or more", largest.found, largest.of,
                    dose_text(input, series, largest.dose), 100 * one.demonstrated.at_largest_low);
    table.row({series_name(series), input.checks[static_cast<std::size_t>(one.check)].name,
               text(one.demonstrated.found_from, not_shown), text(one.demonstrated.missed_up_to, ""),
               one.curve.why_not.empty()
                   ? fmt::format("{} ({})", text(one.curve.a90, ""), text(one.curve.a90_high, "beyond what was tried"))
                   : one.curve.why_not,
               harm_threshold_text(input, series),
               !one.before_it_hurts   ? Cell("not shown")
               : *one.before_it_hurts ? Cell("yes", "good")
                                      : Cell("no", "bad")});
  }
  return table.html();
}

std::string unproven_section(const ScoreInput& input, const Scorecard& card) {
  std::string items;
  for (std::size_t i = 0; i < input.checks.size(); ++i) {
    const ScoredCheck& check = input.checks[i];
    const std::string odd = odd_check_text(input, card, i);
    if ((check.unproven.empty() && odd.empty()) || !card.was_read(i)) continue;  // these stand below the matrix
    std::string why = odd;
    if (!check.unproven.empty()) why += (why.empty() ? "" : ": ") + check.unproven;
    items += fmt::format("<li><b>{}</b>: {}</li>\n", escape_html(check.name), escape_html(why));
  }
  if (items.empty()) return "";
  return "<h2>Checks that say nothing here</h2>\n<ul class=\"reasons\">" + items + "</ul>\n";
}

std::string not_run_section(const ScoreInput& input) {
  if (input.not_run.empty()) return "";
  std::string items;
  for (const NotRun& one : input.not_run)
    items += fmt::format("<li><b>{}</b>: {}: {}</li>\n", escape_html(one.damage), escape_html(one.what),
                         escape_html(one.reason));
  return "<h2>Damage that was not done</h2>\n<ul class=\"reasons\">" + items + "</ul>\n";
}

std::string score_numbers(const ScoreInput& input, const Scorecard& card) {
  std::string html = "<h2>In numbers</h2>\n" + details("How to read this", std::string(kHowToReadScore)) +
                     details("Every check: false alarms and cost", checks_table(input, card)) +
                     details("Every check and every kind of damage", results_table(input, card));
  if (!input.origin.command.empty()) html += "<h2>Again</h2>\n" + element("p", input.origin.command, "command");
  return html;
}

}  // namespace grit
