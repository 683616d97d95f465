#include <algorithm>
#include <functional>
#include <set>
#include <tuple>

#include "analysis/score/together.hpp"
#include "analysis/stats/proportions.hpp"

namespace grit {
namespace {

constexpr int kFewestRounds = 4;
constexpr double kHardlyMore = 0.01;

/// Some injections, each as heavy as makes all cells alike, and which credited checks found them.
class Universe {
 public:
  Universe(const ScoreInput& input, const Detections& detections, const std::vector<Recall>& recalls,
           const std::function<bool(const ScoreSlot&)>& chosen)
      : found_(input.checks.size()) {
    std::vector<int> in_cell(input.cells.size());
    std::vector<std::size_t> slots;
    for (std::size_t i = 0; i < input.slots.size(); ++i) {
      const ScoreSlot& slot = input.slots[i];
      if (slot.sham || !counts(slot) || !chosen(slot)) continue;
      slots.push_back(i);
      ++in_cell[static_cast<std::size_t>(slot.cell)];
    }
    const auto cells = std::count_if(in_cell.begin(), in_cell.end(), [](int number) { return number > 0; });
    for (const std::size_t i : slots)
      weights_.push_back(1.0 / static_cast<double>(cells) / in_cell[static_cast<std::size_t>(input.slots[i].cell)]);
    for (std::size_t check = 0; check < found_.size(); ++check)
      for (const std::size_t i : slots) {
        const auto cell = static_cast<std::size_t>(input.slots[i].cell);
        found_[check].push_back(recalls[check * input.cells.size() + cell].credited && detections[check][i].found);
      }
  }

  [[nodiscard]] std::size_t size() const { return weights_.size(); }
  [[nodiscard]] bool found(std::size_t check, std::size_t injection) const { return found_[check][injection]; }
  [[nodiscard]] double weight(std::size_t injection) const { return weights_[injection]; }

 private:
  std::vector<double> weights_{};
  std::vector<std::vector<bool>> found_;
};

/// Smaller is better, of checks that find as much.
std::tuple<double, double, double, std::string> price(const ScoreInput& input,
                                                      const std::vector<FalseAlarms>& false_alarms, std::size_t check) {
  const FalseAlarms& alarms = false_alarms[check];
  const ScoredCheck& info = input.checks[check];
  return {alarms.on_share, alarms.per_hour, cpu_s_per_hour(info), info.name};
}

/// Checks in the order in which they were chosen, with the share found so far.
std::vector<std::pair<int, double>> choose(const ScoreInput& input, const Universe& universe,
                                           const std::vector<FalseAlarms>& false_alarms) {
  std::vector<std::pair<int, double>> chosen;
  std::vector<bool> covered(universe.size());
  double recall = 0;
  constexpr double kNothing = 1e-12;
  while (true) {
    std::optional<std::size_t> best;
    double most = 0;
    for (std::size_t check = 0; check < input.checks.size(); ++check) {
      double adds = 0;
      for (std::size_t i = 0; i < universe.size(); ++i)
        if (!covered[i] && universe.found(check, i)) adds += universe.weight(i);
      if (adds <= kNothing) continue;
      const bool as_much = best && adds > most - kNothing && adds < most + kNothing;
      if (!best || (as_much ? price(input, false_alarms, check) < price(input, false_alarms, *best) : adds > most))
        best = check, most = adds;
    }
    if (!best) return chosen;
    for (std::size_t i = 0; i < universe.size(); ++i)
      if (universe.found(*best, i)) covered[i] = true;
    chosen.emplace_back(static_cast<int>(*best), recall += most);
  }
}

std::optional<HeldOut> held_out(const ScoreInput& input, const Detections& detections,
                                const std::vector<Recall>& recalls, const std::vector<FalseAlarms>& false_alarms) {
  std::set<int> rounds;
  for (const ScoreSlot& slot : input.slots)
    if (!slot.sham && counts(slot)) rounds.insert(slot.round);
  if (rounds.size() < kFewestRounds) return std::nullopt;
  HeldOut result;
  for (const int half : {1, 0}) {
    const Universe seen(input, detections, recalls, [&](const ScoreSlot& slot) { return slot.round % 2 == half; });
    const Universe unseen(input, detections, recalls, [&](const ScoreSlot& slot) { return slot.round % 2 != half; });
    std::vector<int> set;
    for (const auto& [check, recall] : choose(input, seen, false_alarms)) set.push_back(check);
    for (std::size_t i = 0; i < unseen.size(); ++i)
      result.found += std::any_of(set.begin(), set.end(),
                                  [&](int check) { return unseen.found(static_cast<std::size_t>(check), i); })
                          ? 1
                          : 0;
    result.of += static_cast<int>(unseen.size());
    std::sort(set.begin(), set.end());
    if (result.sets.empty() || result.sets.front() != set) result.sets.push_back(std::move(set));
  }
  result.interval = clopper_pearson(result.found, result.of);
  return result;
}

}  // namespace

Cover greedy_cover(const ScoreInput& input, const Alarms& alarms, const Detections& detections,
                   const std::vector<Recall>& recalls, const std::vector<FalseAlarms>& false_alarms) {
  const Universe all(input, detections, recalls, [](const ScoreSlot&) { return true; });
  Cover cover;
  std::vector<int> set;
  double cpu = 0, before = 0;
  for (const auto& [check, recall] : choose(input, all, false_alarms)) {
    set.push_back(check);
    cpu += cpu_s_per_hour(input.checks[static_cast<std::size_t>(check)]);
    cover.steps.push_back({check, recall, false_alarms_of_any(input, alarms, set), cpu});
    if (recall - before >= kHardlyMore) cover.enough = cover.steps.size();
    before = recall;
  }
  cover.held_out = held_out(input, detections, recalls, false_alarms);
  return cover;
}

}  // namespace grit
