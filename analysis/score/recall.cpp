#include "analysis/score/recall.hpp"

#include <algorithm>

#include "analysis/stats/median.hpp"
#include "analysis/stats/proportions.hpp"

namespace grit {
namespace {

// Proven onsets make windows that are as long by plan differ by milliseconds.
constexpr double kAsLong = 0.9, kLongestSham = 2;

/// Counts of one cell's injections, and how long each was watched.
Recall count(const ScoreInput& input, const std::vector<Detection>& detections, int check, int cell) {
  Recall recall;
  recall.check = check, recall.cell = cell;
  std::vector<Waited> waited;
  std::vector<double> found_after;
  for (std::size_t i = 0; i < input.slots.size(); ++i) {
    const ScoreSlot& slot = input.slots[i];
    if (slot.sham || slot.cell != cell || !counts(slot)) continue;
    const Detection& one = detections[i];
    ++recall.of;
    recall.found += one.found ? 1 : 0;
    recall.warned += one.warned ? 1 : 0;
    recall.on_at_onset += one.on_at_onset ? 1 : 0;
    recall.unreadable += one.unreadable ? 1 : 0;
    recall.elsewhere += one.elsewhere ? 1 : 0;
    recall.late += one.late ? 1 : 0;
    recall.subject_right += one.subject_right ? 1 : 0;
    recall.node_right += one.node_right ? 1 : 0;
    waited.push_back({static_cast<double>(one.found ? one.after_ns : one.watched_ns), one.found});
    if (one.found) found_after.push_back(static_cast<double>(one.after_ns));
  }
  recall.interval = clopper_pearson(recall.found, recall.of);
  recall.to_detection = waited_median(std::move(waited));
  if (!found_after.empty()) recall.median_of_found_ns = median(std::move(found_after));
  return recall;
}

/// How long the check's window is in this cell.
double usual_length_ns(const ScoreInput& input, const std::vector<Detection>& detections, int cell) {
  std::vector<double> lengths_ns;
  for (std::size_t i = 0; i < input.slots.size(); ++i)
    if (!input.slots[i].sham && input.slots[i].cell == cell && counts(input.slots[i]))
      lengths_ns.push_back(static_cast<double>(detections[i].watched_ns));
  return median(std::move(lengths_ns));
}

/// Shams that were watched for less are put together, in the order of their slots, until they make up as much: one
/// sham, which fired when any of them did. False alarms that hang together would fire more seldom in one stretch as
/// long.
void count_shams(Recall& recall, const ScoreInput& input, const std::vector<Detection>& detections) {
  const double usual_ns = usual_length_ns(input, detections, recall.cell);
  double together_ns = 0;
  bool fired = false;
  for (std::size_t i = 0; i < input.slots.size(); ++i) {
    const auto length_ns = static_cast<double>(detections[i].watched_ns);
    if (!input.slots[i].sham || length_ns <= 0 || length_ns > kLongestSham * usual_ns) continue;
    const bool alone = length_ns >= kAsLong * usual_ns;
    if (!alone) {
      together_ns += length_ns;
      fired |= detections[i].found;
      if (together_ns < usual_ns) continue;
    }
    ++recall.shams;
    recall.shams_fired += (alone ? detections[i].found : fired) ? 1 : 0;
    if (!alone) together_ns = 0, fired = false;
  }
}

}  // namespace

std::vector<Recall> recalls(const ScoreInput& input, const Detections& detections) {
  std::vector<Recall> all;
  std::vector<double> p;
  for (std::size_t check = 0; check < input.checks.size(); ++check)
    for (std::size_t cell = 0; cell < input.cells.size(); ++cell) {
      Recall recall = count(input, detections[check], static_cast<int>(check), static_cast<int>(cell));
      count_shams(recall, input, detections[check]);
      p.push_back(recall.shams > 0 ? fisher_more(recall.found, recall.of, recall.shams_fired, recall.shams) : 1);
      all.push_back(std::move(recall));
    }
  const std::vector<double> corrected = holm(p);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].p = corrected[i], all[i].p_alone = p[i];
    all[i].credited = corrected[i] <= kCreditAlpha;
  }
  return all;
}

}  // namespace grit
