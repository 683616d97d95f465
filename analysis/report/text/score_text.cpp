#include "analysis/report/text/score_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "analysis/facts/wording.hpp"
#include "analysis/report/tables/score_words.hpp"
#include "analysis/report/text/line.hpp"

namespace grit {
namespace {

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

/// Of one kind: by the checks that are credited for it, or by any when none is.
struct Noticed {
  std::size_t cell = 0;
  int count = 0, of = 0;
  Interval interval{};
  bool credited = false;
  [[nodiscard]] double share() const { return static_cast<double>(count) / of; }
};

Noticed noticed_of(const Scorecard& card, std::size_t cell) {
  const CellSummary& summary = card.cells[cell];
  if (summary.credited.empty()) return {cell, summary.noticed, summary.injections, summary.noticed_interval, false};
  return {cell, summary.found, summary.injections, summary.interval, true};
}

/// No kind of the fault has a check that is credited for it.
std::string uncredited_text(const std::vector<Noticed>& kinds) {
  int count = 0, of = 0;
  double high = 0;
  for (const Noticed& kind : kinds) {
    count += kind.count, of += kind.of;
    high = std::max(high, kind.interval.high);
  }
  return fmt::format("no check credited: noticed {} of {} injections (at most {:.0f} %{})", count, of, 100 * high,
                     kinds.size() > 1 ? " of a kind" : "");
}

/// From how much to how much is found, by whom, and what is known of the kind that is found least.
std::string credited_text(const ScoreInput& input, const Scorecard& card, const std::vector<Noticed>& kinds) {
  std::set<int> credited;
  int injections = 0;
  for (const Noticed& kind : kinds) {
    const std::vector<int>& of_kind = card.cells[kind.cell].credited;
    credited.insert(of_kind.begin(), of_kind.end());
    injections += kind.of;
  }
  std::vector<std::string> checks;
  for (const int check : credited) checks.push_back(input.checks[static_cast<std::size_t>(check)].name);
  const auto [worst, best] = std::minmax_element(kinds.begin(), kinds.end(), [](const Noticed& a, const Noticed& b) {
    return std::pair(a.share(), a.interval.low) < std::pair(b.share(), b.interval.low);
  });
  const std::string interval = fmt::format("{:.0f} .. {:.0f} %", 100 * worst->interval.low, 100 * worst->interval.high);
  const std::string by = fmt::format("by {}", fmt::join(checks, ", "));
  if (kinds.size() == 1)
    return fmt::format("{:.0f} % of {} injections ({}), {}", 100 * worst->share(), injections, interval, by);
  const std::string range = worst->share() < best->share() ? fmt::format("{:.0f} % to {:.0f} % by kind,",
                                                                         100 * worst->share(), 100 * best->share())
                                                           : fmt::format("{:.0f} %", 100 * worst->share());
  return fmt::format("{} of {} injections, {}; the worst kind, {}: {} {} of {} ({}){}", range, injections, by,
                     damage_name(input.cells[worst->cell]), worst->credited ? "found" : "noticed", worst->count,
                     worst->of, interval, worst->credited ? "" : ", no check credited");
}

std::string fault_lines(const ScoreInput& input, const Scorecard& card) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<Noticed>> faults;
  for (std::size_t i = 0; i < input.cells.size(); ++i) {
    if (card.cells[i].injections == 0) continue;
    const auto [found, is_new] = faults.try_emplace(input.cells[i].fault);
    if (is_new) order.push_back(input.cells[i].fault);
    found->second.push_back(noticed_of(card, i));
  }
  std::string text;
  for (const std::string& name : order) {
    const std::vector<Noticed>& kinds = faults[name];
    const bool credited = std::any_of(kinds.begin(), kinds.end(), [](const Noticed& kind) { return kind.credited; });
    text += line(credited ? "found" : "not shown",
                 name + ": " + (credited ? credited_text(input, card, kinds) : uncredited_text(kinds)));
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
    if (const std::string odd = odd_check_text(input, card, check); !odd.empty() && card.was_read(check))
      by_what[odd].push_back(input.checks[check].name);
  std::string text;
  for (const auto& [what, checks] : by_what) text += line("odd", fmt::format("{}: {}", what, fmt::join(checks, ", ")));
  for (const std::string& one : unread_texts(input, card)) text += line("odd", "could not look here: " + one);
  return text;
}

/// Damage of which no injection is proven.
std::string unproven_lines(const ScoreInput& input, const Scorecard& card) {
  std::string text;
  for (std::size_t i = 0; i < input.cells.size(); ++i)
    if (const CellSummary& summary = card.cells[i]; summary.injections == 0 && !summary.unproven.empty())
      text += line("unproven", fmt::format("{}: {}", damage_name(input.cells[i]), unproven_text(summary)));
  return text;
}

}  // namespace

std::string score_text(const ScoreInput& input, const Scorecard& card, const std::optional<DemandResult>& demand,
                       const std::filesystem::path& page) {
  std::string text = score_sentence(card) + "\n";
  if (demand) text += demand_line(*demand);
  text += missed_lines(input, card) + fault_lines(input, card) + unproven_lines(input, card) +
          cover_line(input, card.cover) + odd_lines(input, card);
  for (const NotRun& one : input.not_run)
    text += line(one.what == "failed" ? "FAILED" : "not run", fmt::format("{}: {}", one.damage, one.reason));
  if (!page.empty()) text += line("page", page.string());
  return text;
}

}  // namespace grit
