#include "analysis/report/text/score_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "analysis/facts/wording.hpp"
#include "analysis/report/tables/score_words.hpp"
#include "harness/base/printable.hpp"

namespace grit {
namespace {

std::string line(std::string_view label, const std::string& text) {
  return fmt::format("  {:<9} {}\n", label, printable(text));
}

std::string demand_line(const DemandResult& demand) {
  const std::string_view answer = demand.decision == DemandDecision::met       ? "as asked"
                                  : demand.decision == DemandDecision::not_met ? "not as asked"
                                                                               : "cannot tell";
  return line("asked", fmt::format("{}: {}", answer, demand.text));
}

std::string missed_lines(const ScoreInput& input, const Scorecard& card) {
  std::string text;
  for (const int index : card.missed) {
    const auto cell = static_cast<std::size_t>(index);
    const CellSummary& summary = card.cells[cell];
    text += line("MISSED", fmt::format("{}: steps {}, noticed {} of {} (at most {:.0f} %)",
                                       damage_name(input.cells[cell]), harm_text(summary), summary.noticed,
                                       summary.injections, 100 * summary.noticed_interval.high));
  }
  return text;
}

/// Of one fault over all its kinds: from how much to how much is found, and by whom.
struct FaultLine {
  double least = 1, most = 0;
  int injections = 0;
  std::set<int> checks{};
};

std::string fault_lines(const ScoreInput& input, const Scorecard& card) {
  std::vector<std::string> order;
  std::map<std::string, FaultLine> faults;
  for (std::size_t i = 0; i < input.cells.size(); ++i) {
    const CellSummary& summary = card.cells[i];
    if (summary.injections == 0) continue;
    const auto [found, is_new] = faults.try_emplace(input.cells[i].fault);
    if (is_new) order.push_back(input.cells[i].fault);
    FaultLine& fault = found->second;
    const double share = static_cast<double>(summary.found) / summary.injections;
    fault.least = std::min(fault.least, share), fault.most = std::max(fault.most, share);
    fault.injections += summary.injections;
    fault.checks.insert(summary.credited.begin(), summary.credited.end());
  }
  std::string text;
  for (const std::string& name : order) {
    const FaultLine& fault = faults[name];
    std::vector<std::string> checks;
    for (const int check : fault.checks) checks.push_back(input.checks[static_cast<std::size_t>(check)].name);
    const std::string share = fault.least < fault.most
                                  ? fmt::format("{:.0f} .. {:.0f} %", 100 * fault.least, 100 * fault.most)
                                  : fmt::format("{:.0f} %", 100 * fault.least);
    text += line(checks.empty() ? "unnoticed" : "found",
                 fmt::format("{}: {} of {} injections{}{}", name, share, fault.injections,
                             checks.empty() ? "" : ", by ", fmt::join(checks, ", ")));
  }
  return text;
}

std::string cover_line(const ScoreInput& input, const Cover& cover) {
  if (cover.steps.empty()) return "";
  std::string text;
  for (std::size_t i = 0; i < cover.enough; ++i)
    text +=
        fmt::format("{}{} {}", i == 0 ? "" : " + ", input.checks[static_cast<std::size_t>(cover.steps[i].check)].name,
                    percent(cover.steps[i].recall, Digits::tenths));
  if (cover.held_out && cover.held_out->of > 0)
    text += fmt::format("; on rounds that had no part in choosing {:.0f} % ({:.0f} .. {:.0f})",
                        100.0 * cover.held_out->found / cover.held_out->of, 100 * cover.held_out->interval.low,
                        100 * cover.held_out->interval.high);
  return line("set", text);
}

std::string odd_lines(const ScoreInput& input, const Scorecard& card) {
  std::map<std::string, std::vector<std::string>> by_what;
  for (std::size_t check = 0; check < input.checks.size(); ++check)
    if (const std::string odd = odd_check_text(input, card, check); !odd.empty())
      by_what[odd].push_back(input.checks[check].name);
  std::string text;
  for (const auto& [what, checks] : by_what) text += line("odd", fmt::format("{}: {}", what, fmt::join(checks, ", ")));
  return text;
}

}  // namespace

std::string score_text(const ScoreInput& input, const Scorecard& card, const std::optional<DemandResult>& demand,
                       const std::filesystem::path& page) {
  std::string text = score_sentence(card) + "\n";
  if (demand) text += demand_line(*demand);
  text += missed_lines(input, card) + fault_lines(input, card) + cover_line(input, card.cover) + odd_lines(input, card);
  for (const NotRun& one : input.not_run)
    text += line(one.what == "failed" ? "FAILED" : "not run", fmt::format("{}: {}", one.damage, one.reason));
  if (!page.empty()) text += line("page", page.string());
  return text;
}

}  // namespace grit
