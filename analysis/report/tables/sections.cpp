#include "analysis/report/tables/sections.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "analysis/facts/wording.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/verdict/restarts.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

std::string capitalized(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

/// "compute (timer-driven accelerator)" -> "compute was emulated (timer-driven accelerator)".
std::string was_emulated(const std::string& part) {
  const auto bracket = part.find(" (");
  if (bracket == std::string::npos) return part + " was emulated";
  return part.substr(0, bracket) + " was emulated" + part.substr(bracket);
}

std::string_view badge_text(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::reproduced:
      return "reproduced";
    case VerdictKind::not_reproduced:
      return "not reproduced";
    case VerdictKind::inconclusive:
      return "inconclusive";
  }
  return "inconclusive";
}

std::string_view badge_class(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::reproduced:
      return "badge good";
    case VerdictKind::not_reproduced:
      return "badge bad";
    case VerdictKind::inconclusive:
      return "badge unknown";
  }
  return "badge unknown";
}

std::string outcome_text(const std::string& outcome) {
  if (outcome == "interrupted") return "The run was interrupted before it was complete.";
  if (outcome == "hang") return "The job hung: no step ended for too long.";
  if (outcome == "rank_death") return "A rank died during the run.";
  if (outcome == "node_loss") return "A node was lost during the run.";
  if (outcome == "corruption") return "Reduced values were wrong: data was corrupted on its way.";
  if (outcome == "failed") return "The run failed before it was complete.";
  return "The run ended as: " + outcome + ".";
}

}  // namespace

std::string figure(std::string_view value, std::string_view name, std::string_view remark) {
  return fmt::format("<div class=\"figure\"><dt>{}</dt><dd><b>{}</b><span>{}</span></dd></div>\n", escape_html(name),
                     escape_html(value), escape_html(remark));
}

namespace {

std::string format_p(double p) { return p < 0.001 ? fmt::format("{:.1e}", p) : fmt::format("{:.2g}", p); }

std::string planned_pairs(const ReportInput& input) {
  const std::vector<int> looks = looks_of(input.plan.design);
  if (looks.size() == 1) return fmt::format("of {} planned", looks.front());
  return fmt::format("look {} of {}, at {} pairs at most", input.verdict.look, looks.size(), looks.back());
}

/// What sham and recovery blocks showed.
std::string extra_figures(const Verdict& verdict) {
  std::string html;
  if (const auto& sham = verdict.sham)
    html +=
        figure(signed_percent(sham->estimate, Digits::tenths), "step time in sham blocks",
               fmt::format("all but the fault itself; 95 % CI {} to {}", signed_percent(sham->ci_low, Digits::tenths),
                           signed_percent(sham->ci_high, Digits::tenths)));
  if (const auto& recovery = verdict.recovery)
    html += figure(recovery->p50_ns ? format_duration(*recovery->p50_ns) : "never", "until steps are as before",
                   fmt::format("after the fault's end{}; in {} of {} blocks", recovery_interval_text(*recovery),
                               recovery->recovered, recovery->blocks));
  return html;
}

}  // namespace

std::string emulation_sentence(const Plan& plan, const Verdict& verdict) {
  const std::vector<std::string>& parts = verdict.emulated.empty() ? plan.emulated : verdict.emulated;
  std::string sentence;
  for (std::size_t i = 0; i < parts.size(); ++i)
    sentence += (i == 0 ? "" : i + 1 == parts.size() ? " and " : ", ") + was_emulated(parts[i]);
  sentence = parts.empty() ? "Nothing was emulated: compute, network and faults are real."
                           : capitalized(sentence) + (is_all_emulated(parts) ? "." : "; everything else is real.");
  if (plan.topology.local_cluster)
    sentence += fmt::format(" The {} nodes are namespaces of one machine.", plan.topology.nodes.size());
  return sentence;
}

std::string verdict_section(const ReportInput& input, const RunData& data) {
  const Verdict& verdict = input.verdict;
  const std::string name = input.plan.scenario_name.empty() ? "Unnamed scenario" : input.plan.scenario_name;
  std::string html = fmt::format("<h1>{} {}</h1>\n", escape_html(name),
                                 element("span", badge_text(verdict.kind), badge_class(verdict.kind)));
  if (!input.plan.summary.empty()) html += element("p", input.plan.summary, "summary");
  html +=
      element("p",
              verdict.sentence.empty() ? "There is no effect to state: the run did not get far enough to measure one."
                                       : verdict.sentence,
              "sentence");
  if (verdict.outcome != "completed" && !verdict.outcome.empty()) {
    const std::string how_far = input.plan.blocks.empty()
                                    ? fmt::format(" {} steps were recorded.", data.steps.size())
                                    : fmt::format(" {} of {} planned blocks left records, {} steps in all.",
                                                  data.blocks.size(), input.plan.blocks.size(), data.steps.size());
    html += element("p", outcome_text(verdict.outcome) + how_far, "partial");
  }
  if (!verdict.reasons.empty()) {
    html += "<ul class=\"reasons\">";
    for (const std::string& reason : verdict.reasons) html += element("li", reason);
    html += "</ul>\n";
  }
  return html;
}

std::string figures_section(const ReportInput& input, const RunData& data) {
  const Verdict& verdict = input.verdict;
  std::string html = "<dl class=\"figures\">\n";
  if (const auto& effect = verdict.effect) {
    html += figure(signed_percent(effect->estimate, Digits::tenths), "step time under fault",
                   fmt::format("95 % CI {} to {}", signed_percent(effect->ci_low, Digits::tenths),
                               signed_percent(effect->ci_high, Digits::tenths)));
    html += figure(format_p(effect->p), "p value", "exact sign-flip test over the pairs");
    html += figure(
        std::to_string(effect->pairs), "pairs",
        fmt::format("{}; {} step time", planned_pairs(input), effect->statistic.empty() ? "mean" : effect->statistic));
    html += figure(effect->minimum_detectable > 0 ? percent(effect->minimum_detectable, Digits::tenths) : "not known",
                   "minimum detectable effect", "shown by this design with 80 % power");
  } else {
    html += figure("none", "step time under fault", "no effect was estimated");
    html += figure(std::to_string(data.pairs.size()), "pairs measured", planned_pairs(input));
  }
  html += figure(verdict.baseline_step_ns > 0 ? format_duration(verdict.baseline_step_ns) : "not known",
                 "baseline step time", "median over the baseline blocks");
  html += extra_figures(verdict);
  html += figure(std::to_string(data.steps.size()), "steps",
                 fmt::format("{} ranks on {} nodes", data.ranks, input.plan.topology.nodes.size()));
  return html + "</dl>\n";
}

std::string restarts_section(const Verdict& verdict) {
  if (!verdict.restarts) return "";
  const Restarts& restarts = *verdict.restarts;
  const auto time = [](const std::optional<std::int64_t>& ns) {
    return Cell(ns ? format_duration(static_cast<double>(*ns)) : "not known", "number");
  };
  HtmlTable table("Each time from the end of the one before",
                  {"restart", "because", "went on with step", "lost steps", "end ordered", "ended", "next step began",
                   "lost steps complete again", "all together"});
  for (std::size_t i = 0; i < restarts.each.size(); ++i) {
    const Restart& restart = restarts.each[i];
    table.row({fmt::format("{} of at most {}", i + 1, restarts.most), restart.why,
               Cell(std::to_string(restart.first_step), "number"), Cell(std::to_string(restart.lost_steps), "number"),
               time(restart.detect_ns), time(restart.end_ns), time(restart.restart_ns), time(restart.recompute_ns),
               time(restart.back_ns())});
  }
  const std::string goodput = goodput_text(restarts, verdict.baseline_step_ns);
  return "<section aria-labelledby=\"restarts-title\">\n<h2 id=\"restarts-title\">How the job came back</h2>\n" +
         element("p", goodput.empty() ? "The goodput is not known." : capitalized(goodput) + ".") +
         (restarts.each.empty() ? element("p", "It never had to.") : table.html()) + "</section>\n";
}

std::string expectations_section(const Verdict& verdict) {
  std::string html = "<h2>What was expected</h2>\n";
  if (verdict.expectations.empty()) return html + element("p", "The scenario states no expectation.", "missing");
  html += "<ul class=\"expectations\">\n";
  for (const ExpectationResult& expectation : verdict.expectations) {
    const std::string_view word = !expectation.met ? "cannot tell" : *expectation.met ? "met" : "not met";
    const std::string_view css = !expectation.met ? "mark unknown" : *expectation.met ? "mark good" : "mark bad";
    html += fmt::format("<li>{} {}</li>\n", element("span", word, css), escape_html(expectation.text));
  }
  return html + "</ul>\n";
}

std::string plot_section(const Plot& plot) {
  std::string html =
      fmt::format("<section class=\"plot\" aria-labelledby=\"{0}-title\">\n<h2 id=\"{0}-title\">{1}</h2>\n", plot.id,
                  escape_html(plot.title));
  if (!plot.spec) {
    return html + fmt::format("<div id=\"{}\">{}</div>\n</section>\n", plot.id, element("p", plot.missing, "missing"));
  }
  html += fmt::format(
      "<figure><div id=\"{0}\" class=\"canvas\"></div>\n<div class=\"legend\">{1}</div>\n<figcaption>{2}</figcaption>"
      "</figure>\n",
      plot.id, plot.legend_html, escape_html(plot.note.empty() ? plot.caption : plot.caption + " " + plot.note));
  return html + "</section>\n";
}

namespace {

std::string block_table(const RunData& data) {
  HtmlTable table("Blocks (mean and median over the measured steps, of the mean over ranks)",
                  {"block", "pair", "kind", "from (s)", "to (s)", "steps", "measured", "mean", "median", "slowest"});
  for (const BlockSummary& block : data.blocks) {
    const auto duration = [](double ns) { return Cell(ns > 0 ? format_duration(ns) : "", "number"); };
    table.row({std::to_string(block.index), block.pair < 0 ? "" : std::to_string(block.pair + 1),
               std::string(to_string(block.kind)), Cell(fmt::format("{:.2f}", block.start_s), "number"),
               Cell(fmt::format("{:.2f}", block.end_s), "number"), Cell(std::to_string(block.steps), "number"),
               Cell(std::to_string(block.measured), "number"), duration(block.mean_ns), duration(block.median_ns),
               duration(block.max_ns)});
  }
  return table.html();
}

std::string pair_table(const RunData& data) {
  HtmlTable table(fmt::format("Pairs ({} time per step)", data.statistic), {"pair", "baseline", "fault", "change"});
  for (const PairPoint& pair : data.pairs)
    table.row({std::to_string(pair.pair + 1), Cell(format_duration(pair.baseline_ns), "number"),
               Cell(format_duration(pair.fault_ns), "number"),
               Cell(signed_percent(pair.effect(), Digits::tenths), "number")});
  return table.html();
}

/// A page of tens of thousands of rows is for no one.
constexpr std::size_t kMaxListedRanks = 128;

std::string phase_table(const ReportInput& input, const RunData& data) {
  std::vector<std::string> headers{"rank", "node", "blocks", "steps"};
  headers.insert(headers.end(), kPhaseNames.begin(), kPhaseNames.end());
  HtmlTable table("Mean phase durations by rank", headers);
  const std::set<std::uint32_t> shown = most_changed_ranks(data.phases, kMaxListedRanks);
  for (const PhaseRow& row : data.phases) {
    if (!shown.contains(row.rank)) continue;
    std::vector<Cell> cells{std::to_string(row.rank), node_name(input.plan, static_cast<int>(row.node)),
                            std::string(to_string(row.kind)), Cell(std::to_string(row.steps), "number")};
    for (const double value_ns : row.mean_ns)
      cells.emplace_back(value_ns > 0 ? format_duration(value_ns) : "0", "number");
    table.row(cells);
  }
  if (shown.size() >= static_cast<std::size_t>(data.ranks)) return table.html();
  return table.html() + element("p",
                                fmt::format("The {} of {} ranks whose own work changed most; grit report RUN --csv "
                                            "writes all.",
                                            shown.size(), data.ranks),
                                "note");
}

}  // namespace

std::string numbers_section(const ReportInput& input, const RunData& data) {
  if (data.steps.empty()) return "";
  std::string html = "<h2>The same in numbers</h2>\n";
  if (!data.pairs.empty()) html += details(plural(data.pairs.size(), "pair"), pair_table(data));
  html += details(plural(data.blocks.size(), "block"), block_table(data));
  if (!data.phases.empty()) html += details("Phases by rank", phase_table(input, data));
  if (!data.operations.empty()) html += details("Operations", operation_table(data.operations));
  return html;
}

}  // namespace grit
