#include "analysis/score/scorecard.hpp"

#include <algorithm>
#include <set>

#include "analysis/stats/proportions.hpp"

namespace grit {
namespace {

std::optional<Effect> harm_of(const DamageCell& cell) {
  const std::vector<Effect> effects = paired_effects(cell.step_times);
  if (effects.empty()) return std::nullopt;
  return effects.front();  // the mean: what a job pays
}

bool is_quiet(const FalseAlarms& alarms) {
  return alarms.shams > 0 && alarms.shams_fired <= kQuietShamShare * alarms.shams;
}

CellSummary summary_of(const ScoreInput& input, const Scorecard& card, const Detections& detections, std::size_t cell) {
  CellSummary summary;
  summary.harm = harm_of(input.cells[cell]);
  summary.harmful = summary.harm && summary.harm->ci_low > 0;
  const std::size_t cells = input.cells.size();
  for (std::size_t check = 0; check < input.checks.size(); ++check) {
    const Recall& recall = card.recalls[check * cells + cell];
    if (recall.credited)
      summary.credited.push_back(static_cast<int>(check));
    else if (recall.found > 0)
      summary.by_chance.push_back(static_cast<int>(check));
  }
  for (std::size_t i = 0; i < input.slots.size(); ++i) {
    const ScoreSlot& slot = input.slots[i];
    if (slot.sham || static_cast<std::size_t>(slot.cell) != cell) continue;
    if (!slot.unproven.empty()) {
      ++summary.unproven[slot.unproven];
      continue;
    }
    ++summary.injections;
    bool found = false, noticed = false;
    for (std::size_t check = 0; check < input.checks.size(); ++check) {
      if (!detections[check][i].found) continue;
      const Recall& recall = card.recalls[check * cells + cell];
      found |= recall.credited;
      noticed |= is_quiet(card.false_alarms[check]) || recall.p_alone <= kCreditAlpha;
    }
    summary.found += found ? 1 : 0;
    summary.noticed += noticed ? 1 : 0;
  }
  summary.interval = clopper_pearson(summary.found, summary.injections);
  summary.noticed_interval = clopper_pearson(summary.noticed, summary.injections);
  return summary;
}

void count_slots(Scorecard& card, const ScoreInput& input) {
  std::set<int> rounds;
  for (const ScoreSlot& slot : input.slots) {
    rounds.insert(slot.round);
    (slot.sham ? card.shams : card.injections) += counts(slot) ? 1 : 0;
  }
  card.rounds = static_cast<int>(rounds.size());
  if (input.slots.empty()) return;
  std::int64_t from_ns = input.slots.front().begin_ns, until_ns = input.slots.front().until_ns;
  for (const ScoreSlot& slot : input.slots) {
    from_ns = std::min(from_ns, slot.begin_ns);
    until_ns = std::max(until_ns, slot.until_ns);
  }
  card.seconds = static_cast<double>(until_ns - from_ns) / 1e9;
}

std::vector<int> unread_checks(const ScoreInput& input, const Alarms& alarms) {
  std::vector<int> unread;
  for (std::size_t check = 0; check < input.checks.size(); ++check) {
    bool was_read = false;
    for (std::size_t node = 0; node < alarms.nodes(); ++node) was_read |= alarms.of(check, node).ever_readable();
    if (!was_read) unread.push_back(static_cast<int>(check));
  }
  return unread;
}

}  // namespace

Scorecard score(const ScoreInput& input, AlarmFrom alarm) {
  const Alarms alarms(input, alarm), warnings(input, AlarmFrom::warning);
  const Detections detections = detect(input, alarms, warnings);
  Scorecard card;
  card.alarm = alarm;
  count_slots(card, input);
  card.unread = unread_checks(input, alarms);
  card.recalls = recalls(input, detections);
  card.false_alarms = false_alarms(input, alarms, detections);
  for (std::size_t cell = 0; cell < input.cells.size(); ++cell)
    card.cells.push_back(summary_of(input, card, detections, cell));
  card.series = dose_series(input);
  card.visibilities = visibilities(input, card.series, card.recalls);
  card.co_firing = co_firing(input, detections);
  card.cover = greedy_cover(input, alarms, detections, card.recalls, card.false_alarms);
  for (std::size_t cell = 0; cell < card.cells.size(); ++cell)
    if (card.cells[cell].missed()) card.missed.push_back(static_cast<int>(cell));
  std::stable_sort(card.missed.begin(), card.missed.end(), [&](int a, int b) {
    return card.cells[static_cast<std::size_t>(a)].harm->estimate >
           card.cells[static_cast<std::size_t>(b)].harm->estimate;
  });
  return card;
}

}  // namespace grit
