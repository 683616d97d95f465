#include "analysis/report/tables/burnin_tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "analysis/facts/wording.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/plots/burnin_plots.hpp"
#include "analysis/report/tables/burnin_words.hpp"
#include "harness/base/units.hpp"
#include "harness/model/burnin_measures.hpp"

namespace grit {
namespace {

/// Above, a box has no room for the node's name.
constexpr std::size_t kMostNamedBoxes = 256;
/// Of one state, before the rest is folded away.
constexpr std::size_t kMostReasons = 30;
constexpr std::size_t kMostLostCells = 50;
constexpr std::size_t kWorstLinks = 64;

std::string seconds_text(std::int64_t ns) {
  const double seconds = static_cast<double>(ns) / 1e9;
  return seconds < 120 ? fmt::format("{:.0f} s", seconds) : length_text(seconds);
}

std::string count_figure(std::string_view name, int count, std::string_view note) {
  return fmt::format("<div class=\"figure\"><dt>{}</dt><dd><b>{}</b><span>{}</span></dd></div>\n", name, count,
                     escape_html(note));
}

std::string against_text(const BurninFinding& finding) {
  if (finding.of_reference) return "its own past";
  return finding.peers > 0 ? fmt::format("{} peers", finding.peers) : "";
}

std::string badge_of(const BurninReport& report) {
  const BurninCounts counts = counts_of(report);
  if (exit_code(report) == 0) return element("span", "all good", "badge good");
  std::string text = burnin_rest(report);
  if (!report.complete) text = "not at its end" + (text.empty() ? "" : ": " + text);
  return element("span", text, counts.bad + counts.bad_links + counts.bad_groups > 0 ? "badge bad" : "badge unknown");
}

/// Nodes of one state, or none; the first are shown, and of many the rest is folded away.
std::string node_reasons(const BurninReport& report, std::string_view words, std::string_view caption) {
  const bool has_groups = std::any_of(report.nodes.begin(), report.nodes.end(),
                                      [](const BurninNodeReport& node) { return !node.group.empty(); });
  std::vector<std::string> headers{"node", "why"};
  if (has_groups) headers.insert(headers.begin() + 1, "group");
  HtmlTable first(std::string(caption), headers), rest("", headers);
  for (const BurninNodeReport& node : report.nodes) {
    if (state_words(node.state) != words) continue;
    std::vector<Cell> cells{node.host, node.reason.empty() ? "no reason was given" : node.reason};
    if (has_groups) cells.insert(cells.begin() + 1, node.group);
    (first.rows() < kMostReasons ? first : rest).row(cells);
  }
  if (first.rows() == 0) return "";
  return first.html() + (rest.rows() == 0 ? "" : details(fmt::format("{} more", rest.rows()), rest.html()));
}

std::string between_reasons(const std::vector<BurninFinding>& findings, std::string_view words,
                            std::string_view caption) {
  HtmlTable table(std::string(caption), {"where", "why"});
  for (const BurninFinding& finding : findings)
    if (finding.status != BurninStatus::clear && status_words(finding.status) == words)
      table.row({place_of(finding), finding_text(finding)});
  return table.rows() == 0 ? "" : table.html();
}

/// Nodes and links that were set apart: a row a finding; of many the rest is folded away.
std::string apart_reasons(const BurninReport& report) {
  const std::vector<std::string> headers{"where", "in what", "worse by", "against", "why"};
  HtmlTable first("The intervals hold in 95 %", headers), rest("", headers);
  const auto add = [&](const std::vector<Cell>& cells) { (first.rows() < kMostReasons ? first : rest).row(cells); };
  const auto add_findings = [&](const std::vector<BurninFinding>& findings) {
    for (const BurninFinding& finding : findings)
      if (finding.status == BurninStatus::apart)
        add({place_of(finding), accusation(finding.measure), Cell(worse_text(finding), "number"),
             Cell(against_text(finding), "number"), finding_text(finding)});
  };
  for (const BurninNodeReport& node : report.nodes) {
    if (node.state != BurninNodeState::apart) continue;
    add_findings(node.findings);
    if (is_apart_by_group(node)) add({node.host, "its group", Cell("", "number"), Cell("", "number"), node.reason});
  }
  add_findings(report.links);
  if (first.rows() == 0) return "";
  return element("p", apart_advice(report)) + first.html() +
         (rest.rows() == 0 ? "" : details(fmt::format("{} more", rest.rows()), rest.html()));
}

/// It blames nobody, and yet not all is shown to be well.
std::string slower_fleet(const BurninReport& report) {
  std::string texts;
  for (const BurninFinding& finding : report.fleet)
    if (is_slower_fleet(finding)) texts += element("li", finding_text(finding)) + "\n";
  if (texts.empty()) return "";
  return "<div class=\"not-clear\"><h2>The whole fleet is slower than its reference</h2>\n<ul>\n" + texts +
         "</ul></div>\n";
}

/// Of a state: its box in the grid, its cell in a table, and its place there, the gravest having the largest.
struct StateLook {
  std::string_view css_class, sign;
  const char* cell_class;
  int rank;
};
StateLook look_of(BurninNodeState state) {
  switch (state) {
    case BurninNodeState::good:
      return {"good", "✓", "good", 0};
    case BurninNodeState::bad:
      return {"bad", "✗", "bad", 4};
    case BurninNodeState::apart:
      return {"apart", "≠", "apart", 3};
    case BurninNodeState::suspect:
      return {"unclear", "?", "unknown", 2};
    case BurninNodeState::untested:
    case BurninNodeState::testing:
    case BurninNodeState::not_tested:
      break;
  }
  return {"untested", "–", "unknown", 1};
}

std::string box(const BurninNodeReport& node, bool named) {
  const StateLook look = look_of(node.state);
  const std::string tip =
      fmt::format("{}: {}{}{}", node.host, state_words(node.state), node.reason.empty() ? "" : ", ", node.reason);
  return fmt::format("<li class=\"{}\" title=\"{}\">{}</li>\n", look.css_class, escape_html(tip),
                     named ? fmt::format("<b>{}</b>{}", look.sign, escape_html(node.host)) : std::string(look.sign));
}

Cell outcome_cell(BurninStatus status) {
  constexpr std::array kClasses{"good", "good", "unknown", "apart", "unknown", "bad"};  // by gravity
  return {std::string(status_words(status)), kClasses.at(static_cast<std::size_t>(gravity(status)))};
}

std::string accused_table(const std::vector<const BurninFinding*>& findings) {
  HtmlTable table("Of a pair: from the sender to the receiver. The intervals hold in 95 %",
                  {"where", "what", "outcome", "worse by", "against", "visits", "p: within the tolerance",
                   "p: a peer as far off", "in words"});
  for (const BurninFinding* finding : findings) {
    if (table.full()) {
      table.leave_out();
      continue;
    }
    const BurninMeasure* measure = find_burnin_measure(finding->measure);
    const bool by_figures = measure != nullptr && measure->better != BurninBetter::counted;
    table.row({Cell(place_of(*finding), "number"), accusation(finding->measure), outcome_cell(finding->status),
               Cell(worse_text(*finding), "number"), Cell(against_text(*finding), "number"),
               Cell(finding->visits > 0 ? std::to_string(finding->visits) : "", "number"),
               Cell(by_figures && finding->visits > 0 ? fmt::format("{:.2g}", finding->p_noise) : "", "number"),
               Cell(by_figures && finding->peers > 0 ? fmt::format("{:.2g}", finding->p_peers) : "", "number"),
               finding_text(*finding)});
  }
  return table.html();
}

std::vector<const BurninFinding*> all_findings(const BurninReport& report) {
  std::vector<const BurninFinding*> all;
  const auto add = [&](const std::vector<BurninFinding>& findings) {
    for (const BurninFinding& finding : findings)
      if (finding.status != BurninStatus::clear) all.push_back(&finding);
  };
  for (const BurninNodeReport& node : report.nodes) add(node.findings);
  add(report.links);
  add(report.groups);
  std::stable_sort(all.begin(), all.end(), [](const BurninFinding* a, const BurninFinding* b) {
    return gravity(a->status) > gravity(b->status);
  });
  return all;
}

std::string shared_list(const std::vector<SharedText>& texts, std::size_t nodes) {
  std::string html = "<ul>\n";
  for (std::size_t i = 0; i < texts.size() && i < HtmlTable::kMostRows; ++i)
    html += "<li>" + escape_html(texts[i].text) +
            element("span", fmt::format(" ({})", hosts_text(texts[i].hosts, nodes)), "note") + "</li>\n";
  return html + "</ul>\n";
}

std::string lost_cell(const BurninCellResult& lost) {
  std::string ended(to_string(lost.end));
  std::replace(ended.begin(), ended.end(), '_', ' ');
  std::string html = element("p", fmt::format("On {}; status {}.", fmt::join(lost.cell.hosts, ", "), lost.status));
  for (const auto& [host, error] : lost.errors) html += element("p", host + ": " + error);
  if (!lost.words.empty()) html += "<p class=\"note\">Said last:</p>" + element("pre", lost.words, "said");
  for (const auto& [host, lines] : lost.kernel_lines)
    html += element("p", "Last lines of the kernel of " + host + ":", "note") +
            element("pre", fmt::format("{}", fmt::join(lines, "\n")), "said");
  if (!lost.command.empty())
    html += "<p class=\"note\">Command:</p>" + element("pre", fmt::format("{}", fmt::join(lost.command, " ")), "said");
  return details(fmt::format("{}: {} after {}", lost.cell.id, ended, seconds_text(lost.took_ns)), html);
}

std::string nodes_table(const BurninReport& report) {
  std::set<std::string_view> measured;
  for (const BurninNodeReport& node : report.nodes)
    for (const auto& [measure, value] : node.figures) measured.insert(measure);
  std::vector<std::string> headers{"node", "state", "group", "class"};
  for (const BurninMeasure& measure : kBurninMeasures)
    if (measured.contains(measure.name)) headers.emplace_back(measure.what);
  std::vector<const BurninNodeReport*> nodes;
  for (const BurninNodeReport& node : report.nodes) nodes.push_back(&node);
  std::stable_sort(nodes.begin(), nodes.end(), [](const BurninNodeReport* a, const BurninNodeReport* b) {
    return look_of(a->state).rank > look_of(b->state).rank;
  });
  HtmlTable table("The middle over visits; of links also over partners and both directions", headers);
  for (const BurninNodeReport* node : nodes) {
    if (table.full()) {
      table.leave_out();
      continue;
    }
    std::vector<Cell> cells{node->host, Cell(std::string(state_words(node->state)), look_of(node->state).cell_class),
                            node->group, node->machine_class};
    for (const BurninMeasure& measure : kBurninMeasures) {
      if (!measured.contains(measure.name)) continue;
      const auto found = node->figures.find(std::string(measure.name));
      cells.emplace_back(found == node->figures.end() ? "" : burnin_figure(measure.name, found->second), "number");
    }
    table.row(cells);
  }
  return table.html();
}

std::string rounds_table(const BurninReport& report) {
  HtmlTable table("", {"round", "what", "visits", "each for", "a cell at most", "took"});
  for (const BurninRound& round : report.config.rounds) {
    const auto took = report.round_took_ns.find(round.name);
    table.row({round.name, round.scenario.empty() ? fmt::format("{}", fmt::join(round.kinds, ", ")) : round.scenario,
               Cell(std::to_string(round.visits), "number"),
               Cell(round.length_ns > 0 ? format_duration(static_cast<double>(round.length_ns)) : "", "number"),
               Cell(round.limit_ns > 0 ? seconds_text(round.limit_ns) : "", "number"),
               Cell(took == report.round_took_ns.end() ? "" : seconds_text(took->second), "number")});
  }
  return table.html();
}

std::string tolerances_table(const BurninReport& report) {
  HtmlTable table("Only what is worse by more than the tolerance is called bad, however sure it is",
                  {"measure", "tolerance", "at least", "at most"});
  for (const BurninMeasure& measure : kBurninMeasures) {
    const auto limits = report.config.limits.find(std::string(measure.name));
    const auto limit = [&](const std::optional<double> BurninLimits::*member) {
      if (limits == report.config.limits.end() || !(limits->second.*member)) return Cell("");
      return Cell(burnin_figure(measure.name, *(limits->second.*member)), "number");
    };
    const bool allows_some = limits != report.config.limits.end() && limits->second.at_most;
    std::string tolerance = level_text(tolerance_of(report.config, measure.name));
    if (measure.better == BurninBetter::none_at_all || measure.better == BurninBetter::counted)
      tolerance = allows_some ? "" : "none at all";
    table.row({std::string(measure.what), Cell(tolerance), limit(&BurninLimits::at_least),
               limit(&BurninLimits::at_most)});
  }
  return table.html();
}

constexpr std::string_view kHowToReadBurnin =
    "<ul>\n<li>Good: it came to the end of all rounds, and is within the tolerance, or no further from its peers than "
    "the slowest of so many ordinary ones would be.</li>\n<li>Bad: worse than its peers of the same class of machines "
    "by more than the tolerance, in fresh measurements made after it was suspected, beside nodes that are known good, "
    "and further from them than even an uneven fleet reaches. Or: a check, a fact that must match, a wrong result, an "
    "absolute limit of the config, a start anew while the burn-in went on.</li>\n<li>Set apart: worse by more than the "
    "tolerance for sure, and further out "
    "than so many ordinary peers reach; but not told from the slow end of an uneven fleet. Or: good by itself, in a "
    "group that is bad. It does not go live unless somebody decides so, and is in slow_hosts.</li>\n<li>Not clear: "
    "suspected, and not told from what is tolerated "
    "after the last look. It is not among the good ones.</li>\n<li>Not tested: it did not answer, could not be "
    "measured, or the time was over.</li>\n<li>Cleared: it was suspected, and is good by fresh "
    "measurements.</li>\n<li>p: how often chance alone would give such a figure. It is compared with the "
    "error rate of the whole burn-in, shared out over nodes, measures and rounds.</li>\n</ul>\n";

}  // namespace

std::string burnin_headline(const BurninReport& report) {
  const BurninCounts counts = counts_of(report);
  std::string sentence = burnin_sentence(report);
  sentence.pop_back();  // a headline has no full stop
  std::string html = fmt::format("<h1>{} {}</h1>\n", escape_html(sentence), badge_of(report));
  html += element("p",
                  fmt::format("Burn-in {}{}{}; {}; {}{}", report.config.name, report.config.summary.empty() ? "" : ": ",
                              report.config.summary, report.launcher, seconds_text(report.took_ns),
                              report.started_utc.empty() ? "" : "; begun " + report.started_utc),
                  "summary");
  html += "<dl class=\"figures\">\n" + count_figure("good", counts.good, "may go live") +
          count_figure("bad", counts.bad, "keep them out") +
          count_figure("set apart", counts.apart, "slower for sure, cause not known") +
          count_figure("not clear", counts.unclear, "measure them longer") +
          count_figure("not tested", counts.not_tested, "nothing is known of them") +
          count_figure("bad links", counts.bad_links, "between two good nodes") + "</dl>\n";
  html += element("p", burnin_claim(report));
  if (const std::string tolerances = burnin_tolerances(report); !tolerances.empty())
    html += element("p", "Good may be worse than its peers by up to: " + tolerances + ".");
  const std::vector<SharedText> skipped = skipped_in(report);
  std::vector<std::string> texts;
  for (const SharedText& one : skipped)
    texts.push_back(fmt::format("{} ({})", one.text, hosts_text(one.hosts, report.nodes.size())));
  constexpr std::size_t kMost = 6;
  if (texts.size() > kMost) {
    const std::size_t more = texts.size() - kMost;
    texts.resize(kMost);
    texts.push_back(fmt::format("and {} more, below", more));
  }
  if (!texts.empty()) html += element("p", fmt::format("Not measured: {}.", fmt::join(texts, "; ")), "emulated");
  return html;
}

std::string kept_out_section(const BurninReport& report) {
  const std::string bad = node_reasons(report, "bad", "") +
                          between_reasons(report.links, "bad", "Bad links: no job should cross them") +
                          between_reasons(report.groups, "bad", "Bad groups");
  const std::string apart = apart_reasons(report);
  const std::string unclear =
      node_reasons(report, "not clear", "Not clear: suspected, not told from what is tolerated") +
      node_reasons(report, "not tested", "Not tested") +
      between_reasons(report.links, "not clear", "Links that are not clear");
  std::string html;
  if (!bad.empty()) html += "<div class=\"kept-out\"><h2>Keep out</h2>\n" + bad + "</div>\n";
  if (!apart.empty())
    html += "<div class=\"set-apart\"><h2>Set apart: slower for sure, cause not known</h2>\n" + apart + "</div>\n";
  if (!unclear.empty()) html += "<div class=\"not-clear\"><h2>Not known to be good</h2>\n" + unclear + "</div>\n";
  html += slower_fleet(report);
  if (html.empty() && !report.nodes.empty()) html = element("p", "Nothing speaks against any node.", "nothing");
  return html;
}

std::string node_grid(const BurninReport& report) {
  if (report.nodes.empty()) return "";
  const bool named = report.nodes.size() <= kMostNamedBoxes;
  std::vector<std::string> order;
  std::map<std::string, std::string> boxes;
  for (const BurninNodeReport& node : report.nodes) {
    const auto [place, is_new] = boxes.try_emplace(node.group);
    if (is_new) order.push_back(node.group);
    place->second += box(node, named);
  }
  std::string html =
      "<h2>All nodes</h2>\n<p class=\"legend\"><span class=\"key\">✓ good</span> <span class=\"key\">✗ bad</span> "
      "<span class=\"key\">≠ set apart</span> <span class=\"key\">? not clear</span> "
      "<span class=\"key\">– not tested</span></p>\n";
  html += named ? "<div class=\"by-group\">\n" : "<div class=\"dense\">\n";
  for (const std::string& group : order) {
    html += "<div class=\"group\">" + (group.empty() ? "" : element("p", group, "group-name"));
    html += "<ul class=\"nodes\">\n" + boxes[group] + "</ul></div>\n";
  }
  return html + "</div>\n";
}

std::string accused_section(const BurninReport& report) {
  const std::vector<const BurninFinding*> findings = all_findings(report);
  if (findings.empty()) return "";
  return "<h2>What was suspected, and what became of it</h2>\n" + accused_table(findings);
}

std::string skipped_section(const BurninReport& report) {
  const std::vector<SharedText> skipped = skipped_in(report), remarks = remarks_in(report);
  std::string html;
  std::string of_fleet;
  for (const BurninFinding& finding : report.fleet)
    if (!is_slower_fleet(finding)) of_fleet += element("li", finding_text(finding));
  if (!of_fleet.empty()) html += "<h2>The fleet</h2>\n<ul>\n" + of_fleet + "</ul>\n";
  if (!skipped.empty()) html += "<h2>Not measured</h2>\n" + shared_list(skipped, report.nodes.size());
  if (!remarks.empty())
    html += "<h2>Odd, and no reason to keep a node out</h2>\n" + shared_list(remarks, report.nodes.size());
  return html;
}

std::string lost_section(const BurninReport& report) {
  if (report.lost.empty()) return "";
  std::string html = element("h2", fmt::format("Cells that did not complete ({})", report.lost.size())) + "\n";
  for (std::size_t i = 0; i < report.lost.size() && i < kMostLostCells; ++i) html += lost_cell(report.lost[i]);
  if (report.lost.size() > kMostLostCells)
    html += element("p", fmt::format("The first {}; burnin.json has all.", kMostLostCells), "note");
  return html;
}

std::string worst_links(const BurninReport& report) {
  if (report.nodes.size() <= kMostMatrixNodes) return "";
  std::string html;
  for (const BurninMeasure& measure : kBurninMeasures) {
    std::vector<BurninLinkFigure> links = link_figures(report, measure.name);
    if (links.empty()) continue;
    const std::size_t all = links.size(), most = std::min(kWorstLinks, all);
    std::partial_sort(links.begin(), links.begin() + static_cast<std::ptrdiff_t>(most), links.end(),
                      [](const BurninLinkFigure& a, const BurninLinkFigure& b) { return a.worse > b.worse; });
    HtmlTable table(fmt::format("The worst {} of {} links", most, all),
                    {"from", "to", std::string(measure.what), "worse"});
    for (std::size_t i = 0; i < most; ++i)
      table.row({links[i].host, links[i].peer, Cell(burnin_figure(measure.name, links[i].value), "number"),
                 Cell(measure.better == BurninBetter::rarer ? "" : signed_percent(links[i].worse), "number")});
    html += details(measure.what, table.html());
  }
  return html.empty() ? "" : "<h2>Links</h2>\n" + html;
}

std::string burnin_numbers(const BurninReport& report) {
  return "<h2>Figures</h2>\n" + details("Every node", nodes_table(report)) + details("Rounds", rounds_table(report)) +
         details("Tolerances and limits", tolerances_table(report)) +
         details("How to read this page", std::string(kHowToReadBurnin));
}

}  // namespace grit
