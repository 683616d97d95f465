#include "analysis/report/tables/score_words.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/facts/wording.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/stats/median.hpp"
#include "harness/base/units.hpp"

namespace grit {

int harmful_cells(const Scorecard& card) {
  return static_cast<int>(
      std::count_if(card.cells.begin(), card.cells.end(), [](const CellSummary& cell) { return cell.harmful; }));
}

int noticed_cells(const Scorecard& card) {
  return static_cast<int>(std::count_if(card.cells.begin(), card.cells.end(), [](const CellSummary& cell) {
    return cell.harmful && !cell.credited.empty();
  }));
}

std::string score_sentence(const Scorecard& card) {
  const int harmful = harmful_cells(card), noticed = noticed_cells(card);
  if (harmful == 0) return "No damage was shown to make steps longer: what follows says only what was noticed.";
  const auto missed = static_cast<int>(card.missed.size());
  std::string text =
      fmt::format("Of {} {} of damage that made steps longer, {} {} noticed by some check and {} missed", harmful,
                  harmful == 1 ? "kind" : "kinds", noticed, noticed == 1 ? "was" : "were", missed);
  if (const int untold = harmful - noticed - missed; untold > 0)
    text += fmt::format("; of {} there were too few injections to say so", untold);
  return text + ".";
}

std::string harm_text(const CellSummary& summary) {
  if (!summary.harm) return "too few pairs";
  if (!summary.harmful) return "no harm shown";
  return fmt::format("{} ({} .. {})", signed_percent(summary.harm->estimate, Digits::tenths),
                     signed_percent(summary.harm->ci_low, Digits::tenths),
                     signed_percent(summary.harm->ci_high, Digits::tenths));
}

std::string series_name(const DoseSeries& series) {
  return series.besides.empty() ? series.fault : fmt::format("{} ({})", series.fault, series.besides);
}

std::string dose_text(const ScoreInput& input, const DoseSeries& series, double dose) {
  for (const int cell : series.cells)
    if (const DamageCell& damage = input.cells[static_cast<std::size_t>(cell)]; damage.dose == dose)
      return damage.magnitude.empty() ? fmt::format("{:.3g} {}", dose, series.unit) : damage.magnitude;
  if (series.unit == "s") return format_duration(dose * 1e9);
  if (series.unit == "share") return percent(dose, Digits::tenths);
  return fmt::format("{:.3g}{}{}", dose, series.unit.empty() ? "" : " ", series.unit);
}

std::string harm_threshold_text(const ScoreInput& input, const DoseSeries& series) {
  if (!series.hurts_from) return "not known";
  const std::string_view may_be_before = series.scale.harm_grows ? ", or less" : ", or more";
  return dose_text(input, series, *series.hurts_from) + std::string(series.hurts_at_least ? may_be_before : "");
}

std::string figure_text(double per_hour) {
  return per_hour < 99.5 ? fmt::format("{:.2g}", per_hour) : fmt::format("{:.0f}", per_hour);
}

std::string false_alarm_text(const FalseAlarms& alarms) {
  if (alarms.readable_h <= 0) return "cannot be read";
  if (alarms.always_on()) return "always on";
  if (std::isinf(alarms.interval.high)) return "no healthy time";
  return fmt::format("{} ({} .. {})", figure_text(alarms.per_hour), figure_text(alarms.interval.low),
                     figure_text(alarms.interval.high));
}

std::string detection_time_text(const Recall& recall) {
  const auto& [median, interval] = recall.to_detection;
  if (!median && !interval) return "";
  if (!median) return "more than " + format_duration(interval->low);
  std::string text = format_duration(*median);
  if (!interval) return text;
  return text + (std::isinf(interval->high)
                     ? fmt::format(" (from {} on)", format_duration(interval->low))
                     : fmt::format(" ({} .. {})", format_duration(interval->low), format_duration(interval->high)));
}

std::string unproven_text(const CellSummary& summary) {
  std::string text;
  for (const auto& [why, count] : summary.unproven)
    text += fmt::format("{}{} ({})", text.empty() ? "" : "; ", why, plural(count, "injection"));
  return text;
}

std::vector<std::string> unread_texts(const ScoreInput& input, const Scorecard& card) {
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const int index : card.unread) {
    const ScoredCheck& check = input.checks[static_cast<std::size_t>(index)];
    by_reason[check.unknown.empty() ? "no reading" : check.unknown].push_back(check.name);
  }
  std::vector<std::string> all;
  for (const auto& [reason, checks] : by_reason) all.push_back(fmt::format("{} ({})", fmt::join(checks, ", "), reason));
  return all;
}

std::string odd_check_text(const ScoreInput& input, const Scorecard& card, std::size_t check) {
  if (!card.was_read(check)) return "could not look here";
  int found = 0, of = 0, unreadable = 0;
  for (std::size_t cell = 0; cell < input.cells.size(); ++cell) {
    const Recall& recall = card.recall(check, cell);
    if (recall.credited) return "";
    found += recall.found, of += recall.of, unreadable += recall.unreadable;
  }
  if (of > 0 && unreadable == of) return "cannot be read";
  if (card.false_alarms[check].always_on()) return "always on";
  if (found == 0 && card.false_alarms[check].episodes == 0) return "never fired";
  return "not shown to be more than chance";
}

std::optional<double> usual_detection_ns(const Scorecard& card, std::size_t check) {
  std::vector<double> medians_ns;
  for (std::size_t cell = 0; cell < card.cells.size(); ++cell) {
    const Recall& recall = card.recall(check, cell);
    if (recall.credited && recall.to_detection.median) medians_ns.push_back(*recall.to_detection.median);
  }
  if (medians_ns.empty()) return std::nullopt;
  return median(std::move(medians_ns));
}

}  // namespace grit
