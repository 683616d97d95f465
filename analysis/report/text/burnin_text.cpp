#include "analysis/report/text/burnin_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/facts/wording.hpp"
#include "analysis/report/tables/burnin_words.hpp"
#include "analysis/report/text/line.hpp"
#include "harness/base/printable.hpp"

namespace grit {
namespace {

/// Of one kind: what follows is in the files.
constexpr std::size_t kMostBurninLines = 20;

std::string burnin_line(std::string_view label, const std::string& text) { return line(label, text, 10); }

/// The first lines of one kind.
std::string lines(std::string_view label, const std::vector<std::string>& texts, std::string_view rest_is_in) {
  std::string out;
  for (std::size_t i = 0; i < texts.size() && i < kMostBurninLines; ++i) out += burnin_line(label, texts[i]);
  if (texts.size() > kMostBurninLines)
    out += burnin_line("", fmt::format("and {} more, see {}", texts.size() - kMostBurninLines, rest_is_in));
  return out;
}

std::string node_lines(const BurninReport& report, std::string_view label, std::string_view words) {
  std::vector<std::string> texts;
  for (const BurninNodeReport& node : report.nodes)
    if (state_words(node.state) == words)
      texts.push_back(node.reason.empty() ? node.host : node.host + ": " + node.reason);
  return lines(label, texts, "nodes.csv");
}

std::string finding_lines(const std::vector<BurninFinding>& findings, std::string_view label,
                          std::initializer_list<BurninStatus> statuses) {
  std::vector<std::string> texts;
  for (const BurninFinding& finding : findings)
    if (std::find(statuses.begin(), statuses.end(), finding.status) != statuses.end())
      texts.push_back(place_of(finding) + ": " + finding_text(finding));
  return lines(label, texts, "burnin.html");
}

std::string cleared_lines(const BurninReport& report) {
  std::vector<BurninFinding> findings;
  for (const BurninNodeReport& node : report.nodes)
    if (node.state == BurninNodeState::good)
      findings.insert(findings.end(), node.findings.begin(), node.findings.end());
  findings.insert(findings.end(), report.links.begin(), report.links.end());
  return finding_lines(findings, "cleared", {BurninStatus::cleared});
}

std::string shared_lines(std::string_view label, const std::vector<SharedText>& shared, std::size_t nodes) {
  std::vector<std::string> texts;
  for (const SharedText& one : shared) texts.push_back(fmt::format("{} ({})", one.text, hosts_text(one.hosts, nodes)));
  return lines(label, texts, "burnin.html");
}

/// At most `width` characters; never a part of one.
std::string cut(const std::string& text, std::size_t width) {
  std::size_t characters = 0, bytes = 0;
  while (bytes < text.size()) {
    const bool begins = (static_cast<unsigned char>(text[bytes]) & 0xc0) != 0x80;
    if (begins && characters++ == width) break;
    ++bytes;
  }
  return text.substr(0, bytes);
}

}  // namespace

std::string burnin_progress_line(const BurninProgress& progress, std::size_t width) {
  std::string states;
  using State = BurninNodeState;
  for (const State state :
       {State::good, State::testing, State::suspect, State::apart, State::bad, State::not_tested, State::untested}) {
    const auto count = progress.nodes.find(std::string(to_string(state)));
    if (count == progress.nodes.end() || count->second == 0) continue;
    std::string words(state == State::apart ? state_words(state) : to_string(state));
    std::replace(words.begin(), words.end(), '_', ' ');
    states += fmt::format("{}{} {}", states.empty() ? ", " : " ", count->second, words);
  }
  const std::string cells =
      printable(fmt::format("{} {} of {} cells", progress.round.empty() ? "begins:" : progress.round,
                            progress.cells_done, progress.cells_planned));
  const std::string left =
      progress.left_ns < 0 ? "" : fmt::format(", {} left", length_text(static_cast<double>(progress.left_ns) / 1e9));
  for (const std::string& whole : {cells + states + left, cells + left})
    if (cut(whole, width) == whole) return whole;
  return cut(cells, width);
}

std::string burnin_text(const BurninReport& report, const std::filesystem::path& directory) {
  std::string text = printable(burnin_sentence(report)) + "\n";
  if (const std::string rest = burnin_rest(report); !rest.empty()) text += burnin_line("others", rest);
  text += node_lines(report, "BAD", "bad") + node_lines(report, "SET APART", "set apart") +
          node_lines(report, "NOT CLEAR", "not clear") + node_lines(report, "NOT TESTED", "not tested");
  text += finding_lines(report.links, "BAD LINK", {BurninStatus::shown}) +
          finding_lines(report.groups, "BAD GROUP", {BurninStatus::shown}) +
          finding_lines(report.links, "SET APART", {BurninStatus::apart}) +
          finding_lines(report.links, "NOT CLEAR", {BurninStatus::suspect, BurninStatus::unclear});
  if (const std::string advice = apart_advice(report); !advice.empty()) text += burnin_line("what now", advice);
  text += cleared_lines(report);
  std::vector<std::string> slower, fleet;
  for (const BurninFinding& finding : report.fleet)
    (is_slower_fleet(finding) ? slower : fleet).push_back(finding_text(finding));
  text += lines("SLOWER", slower, "burnin.html") + lines("fleet", fleet, "burnin.html");
  const std::vector<std::string> drift = drift_texts(report);
  const std::string claim = drift_claim(report);
  text += lines("drift", drift, "burnin.html");
  text += shared_lines("odd", remarks_in(report), report.nodes.size());
  text += shared_lines("skipped", skipped_in(report), report.nodes.size());
  if (!report.lost.empty())
    text += burnin_line("lost", fmt::format("{} of the cells did not complete", report.lost.size()));
  text +=
      burnin_line("error rate", burnin_claim(report) + (drift.empty() || claim.empty() ? "" : " Of drift: " + claim));
  text += burnin_line("took", fmt::format("{}, config {}, {}", length_text(static_cast<double>(report.took_ns) / 1e9),
                                          report.config.name, report.launcher));
  text += burnin_line("page", (directory / "burnin.html").string());
  return text +
         burnin_line("files",
                     "beside it: good_hosts, slow_hosts, good_nodelist, drain.sh, nodes.csv, junit.xml, metrics.prom, "
                     "burnin.json");
}

}  // namespace grit
