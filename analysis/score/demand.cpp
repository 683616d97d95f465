#include "analysis/score/demand.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/stats/proportions.hpp"

namespace grit {
namespace {

constexpr double kAlpha = 0.05;
constexpr int kMissesShown = 5;
constexpr int kMostInjections = 2000;

/// Kinds of damage that harm, or that somebody finds; of one fault only if it is named.
std::vector<std::size_t> asked_about(const ScoreInput& input, const Scorecard& card, std::string_view fault) {
  std::vector<std::size_t> asked;
  for (std::size_t cell = 0; cell < card.cells.size(); ++cell) {
    const CellSummary& summary = card.cells[cell];
    if (!fault.empty() && input.cells[cell].fault != fault) continue;
    if (summary.harmful || !summary.credited.empty()) asked.push_back(cell);
  }
  return asked;
}

/// Kinds of damage no injection of which is proven to have been applied and to have acted.
std::ptrdiff_t unproven_kinds(const Scorecard& card) {
  return std::count_if(card.cells.begin(), card.cells.end(),
                       [](const CellSummary& cell) { return cell.injections == 0 && unproven_count(cell) > 0; });
}

/// The worst of several: one that fails decides, then one that is not known.
void take(DemandResult& worst, DemandDecision decision, const std::string& text) {
  const auto rank = [](DemandDecision one) {
    return one == DemandDecision::not_met ? 2 : one == DemandDecision::cannot_tell ? 1 : 0;
  };
  if (!worst.text.empty() && rank(decision) <= rank(worst.decision)) return;
  worst = {decision, text};
}

}  // namespace

DemandResult demand_recall(const ScoreInput& input, const Scorecard& card, double least, std::string_view fault) {
  const std::vector<std::size_t> asked = asked_about(input, card, fault);
  DemandResult worst;
  for (const std::size_t cell : asked) {
    const CellSummary& summary = card.cells[cell];
    // What is found at the most counts also those that some quiet check found without being credited.
    const double at_least = share_at_least(summary.found, summary.injections, kAlpha),
                 at_most = share_at_most(summary.noticed, summary.injections, kAlpha);
    const std::string name = damage_name(input.cells[cell]);
    if (at_most < least) {
      take(worst, DemandDecision::not_met,
           fmt::format("{}: noticed {} of {}, at most {:.0f} %; asked are {:.0f} %", name, summary.noticed,
                       summary.injections, 100 * at_most, 100 * least));
    } else if (at_least < least) {
      take(worst, DemandDecision::cannot_tell,
           fmt::format("{}: found {} of {}, which shows {:.0f} % only; {:.0f} % are shown by {}", name, summary.found,
                       summary.injections, 100 * at_least, 100 * least, shown_by(least)));
    } else {
      take(worst, DemandDecision::met,
           fmt::format("each kind of damage that harmed or was found ({} of them) is found in {:.0f} % or more, with "
                       "95 % confidence; kinds that were not done: {}, that never acted: {}",
                       asked.size(), 100 * least, input.not_run.size(), unproven_kinds(card)));
    }
  }
  if (worst.text.empty())
    worst.text = fault.empty() ? "no damage was proven to harm, and no check found any"
                               : fmt::format("no damage by {} was proven to harm, and no check found any", fault);
  return worst;
}

DemandResult demand_false_alarms(const ScoreInput& input, const Scorecard& card, double most_per_hour) {
  DemandResult worst;
  for (std::size_t check = 0; check < card.false_alarms.size(); ++check) {
    const FalseAlarms& alarms = card.false_alarms[check];
    const std::string& name = input.checks[check].name;
    if (alarms.readable_h <= 0) continue;  // it says nothing here, wrong or right
    if (alarms.always_on()) {
      take(worst, DemandDecision::not_met, fmt::format("{} is always on", name));
      continue;
    }
    const double low = mean_at_least(alarms.episodes, kAlpha) / alarms.exposure_h,
                 high = mean_at_most(alarms.episodes, kAlpha) / alarms.exposure_h;
    const std::string counts = fmt::format("{} in {:.3g} node-hours", alarms.episodes, alarms.exposure_h);
    if (low > most_per_hour) {
      take(worst, DemandDecision::not_met,
           fmt::format("{}: {}, at least {:.3g} an hour; allowed are {:.3g}", name, counts, low, most_per_hour));
    } else if (high > most_per_hour) {
      take(worst, DemandDecision::cannot_tell,
           fmt::format("{}: {} may be up to {:.3g} an hour; {:.3g} are shown by none in {:.3g} node-hours", name,
                       counts, high, most_per_hour, mean_at_most(0, kAlpha) / std::max(most_per_hour, 1e-9)));
    } else {
      take(worst, DemandDecision::met,
           fmt::format("each check alarms at most {:.3g} times a healthy node-hour, with 95 % confidence",
                       most_per_hour));
    }
  }
  if (worst.text.empty()) worst.text = "no check could be read";
  return worst;
}

std::string shown_by(double least) {
  std::string text;
  int of = 1;
  for (int missed = 0; missed < kMissesShown; ++missed) {
    while (of <= kMostInjections && share_at_least(of - missed, of, kAlpha) < least) ++of;
    if (of > kMostInjections) break;
    text += fmt::format("{}{} of {}", text.empty() ? "" : ", ", of - missed, of);
  }
  return text.empty() ? fmt::format("more than {} injections", kMostInjections) : text;
}

}  // namespace grit
