// Scorecards whose truth is known in closed form: checks that follow laws, read once a second on four nodes, while six
// kinds of damage are done twenty times each, with as many shams.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "analysis/score/score_input.hpp"

namespace grit::testing {

enum class CheckLaw { perfect, coin, by_dose, always_on, never, random, hangs, crashes, slow_and_sticky, bursts };

struct LawTruth {
  CheckLaw law;
  std::string name;
  std::optional<double> false_alarms_per_hour;  // while none is on; empty: there is no such rate
  std::optional<double> median_s;               // to detection, of the cell that is looked at
  bool chance_only;                             // it knows nothing of damage
  bool in_bursts = false;  // its false alarms hang together, so that the interval of their rate is too narrow
};

constexpr int kLawCells = 6;         // two faults at three doses
constexpr std::size_t kLawCell = 1;  // the one whose statements are counted, chosen before
constexpr double kReadings = 10;     // in a window: one a second

inline std::vector<LawTruth> law_truths() {
  return {{CheckLaw::perfect, "sees all after 0.3 s", 0, 0.8, false},
          {CheckLaw::coin, "sees each with 50 %", 0, {}, false},
          {CheckLaw::by_dose, "sees the larger ones", 0, {}, false},
          {CheckLaw::always_on, "always alarms", {}, {}, true},
          {CheckLaw::never, "never alarms", 0, {}, true},
          {CheckLaw::random, "alarms in 5 % of readings", 0.05 * 3600, {}, true},
          {CheckLaw::hangs, "hangs, or crashes each time", {}, {}, true},
          {CheckLaw::crashes, "crashes every other time", 0, {}, true},
          {CheckLaw::slow_and_sticky, "sees all after 8 s, and stays on", 0, 8.5, false},
          {CheckLaw::bursts, "false alarms in bursts", 5 * 3600 / 1830.0, {}, true, true}};
}

inline double law_dose(int cell) { return std::pow(4.0, cell % 3); }

/// The chance that an alarm begins in a window.
inline double law_recall(CheckLaw law, int cell) {
  switch (law) {
    case CheckLaw::perfect:
    case CheckLaw::slow_and_sticky:
      return 1;
    case CheckLaw::coin:
      return 0.5;
    case CheckLaw::by_dose:
      return 1 / (1 + std::exp(-1.5 * std::log(law_dose(cell) / 4)));
    case CheckLaw::random: {
      // Of the readings in the window and the one before it, no alarm follows on a good one: first some alarms, then
      // none. The sum over where they end.
      constexpr double p = 0.05, q = 1 - p;
      return 1 - (std::pow(q, kReadings + 2) - std::pow(p, kReadings + 2)) / (q - p);
    }
    default:
      return 0;
  }
}

class ScorecardSimulator {
 public:
  explicit ScorecardSimulator(std::uint64_t seed, int rounds = 20) : random_(seed), rounds_(rounds) {}

  ScoreInput make() {
    input_ = {};
    const auto truths = law_truths();
    for (const LawTruth& truth : truths) {
      ScoredCheck& check = input_.checks.emplace_back();
      check.name = truth.name, check.kind = "simulated";
      check.period_ns = kSecond, check.grace_ns = 3 * kSecond, check.limit_ns = kSecond;
      check.cpu_s_per_reading = 0.001;
    }
    for (int cell = 0; cell < kLawCells; ++cell) {
      DamageCell& damage = input_.cells.emplace_back();
      damage.fault = cell < 3 ? "link_loss" : "link_delay";
      damage.mechanism = "netem", damage.unit = "1", damage.dose = law_dose(cell);
    }
    on_.assign(truths.size(), std::vector<std::vector<Span>>(kNodes));
    make_slots(truths);
    for (int node = 0; node < kNodes; ++node) input_.nodes.push_back({"node" + std::to_string(node), 0, ns(end_)});
    for (std::size_t check = 0; check < truths.size(); ++check)
      for (int node = 0; node < kNodes; ++node) read(truths[check].law, static_cast<int>(check), node);
    return std::move(input_);
  }

 private:
  static constexpr int kNodes = 4;
  static constexpr std::int64_t kSecond = 1'000'000'000;
  static constexpr double kLength = 7, kSlot = 16, kSticks = 20;

  struct Span {
    double from = 0, until = 0;
  };

  static std::int64_t ns(double seconds) { return static_cast<std::int64_t>(std::llround(seconds * 1e9)); }
  double uniform() { return std::uniform_real_distribution<double>(0, 1)(random_); }

  /// The next slot begins to wait for its onset when the sticky check is off again.
  void make_slots(const std::vector<LawTruth>& truths) {
    double settled = 0;
    end_ = 5;
    for (int round = 0; round < rounds_; ++round) {
      std::vector<int> order;
      for (int i = 0; i < 2 * kLawCells; ++i) order.push_back(i);
      std::shuffle(order.begin(), order.end(), random_);
      for (const int which : order) {
        const double onset = std::max(end_, settled) + 1 + uniform();
        ScoreSlot& slot = input_.slots.emplace_back();
        slot.cell = which % kLawCells, slot.sham = which >= kLawCells, slot.round = round;
        slot.node = std::uniform_int_distribution<int>(0, kNodes - 1)(random_);
        slot.begin_ns = ns(end_), slot.touched_ns = slot.onset_ns = ns(onset), slot.end_ns = ns(onset + kLength);
        end_ = std::max(end_, settled) + kSlot;
        slot.until_ns = ns(end_);
        if (slot.sham) continue;
        for (std::size_t check = 0; check < truths.size(); ++check) strike(truths[check].law, check, slot, onset);
        settled = onset + kLength + kSticks + 1;
      }
    }
  }

  /// What the damage does to a check.
  void strike(CheckLaw law, std::size_t check, const ScoreSlot& slot, double onset) {
    auto& on = on_[check][static_cast<std::size_t>(slot.node)];
    if (law == CheckLaw::perfect) on.push_back({onset + 0.3, onset + kLength});
    if (law == CheckLaw::slow_and_sticky) on.push_back({onset + 8, onset + kLength + kSticks});
    if ((law == CheckLaw::coin || law == CheckLaw::by_dose) && uniform() < law_recall(law, slot.cell))
      on.push_back({onset + 0.3, onset + kLength});
  }

  void say(int check, int node, double t, CheckStatus status) {
    input_.changes.push_back({check, node, "", ns(t), status});
  }

  void read(CheckLaw law, int check, int node) {
    if (law == CheckLaw::crashes) return crash_every_other_time(check, node);
    const double phase = uniform();
    if (law == CheckLaw::hangs) return say(check, node, phase, CheckStatus::unknown);
    if (law == CheckLaw::always_on) return say(check, node, phase, CheckStatus::critical);
    say(check, node, phase, CheckStatus::ok);
    if (law == CheckLaw::random) return read_at_random(check, node, phase);
    auto& on = on_[static_cast<std::size_t>(check)][static_cast<std::size_t>(node)];
    if (law == CheckLaw::bursts) add_bursts(on);
    std::int64_t last_off = -1;
    for (const Span& span : on) {
      const auto first = static_cast<std::int64_t>(std::ceil(span.from - phase)),
                 off = static_cast<std::int64_t>(std::ceil(span.until - phase));
      if (off <= first || first <= last_off) continue;  // between two readings, or no good one since the last
      say(check, node, static_cast<double>(first) + phase, CheckStatus::critical);
      say(check, node, static_cast<double>(off) + phase, CheckStatus::ok);
      last_off = off;
    }
  }

  void read_at_random(int check, int node, double phase) {
    bool on = false;
    for (double t = phase + 1; t < end_; t += 1) {
      const bool alarm = uniform() < 0.05;
      if (alarm != on) say(check, node, t, alarm ? CheckStatus::critical : CheckStatus::ok);
      on = alarm;
    }
  }

  void crash_every_other_time(int check, int node) {
    bool crashes = false;
    for (double t = 0.5; t < end_; t += 1, crashes = !crashes)
      say(check, node, t, crashes ? CheckStatus::unknown : CheckStatus::ok);
  }

  /// Clusters of five alarms of 2 s, 40 s and then 1800 s on average from one to the next: 10 s of 1840 s it is on.
  void add_bursts(std::vector<Span>& on) {
    std::exponential_distribution<double> apart(1.0 / 1800);
    for (double t = apart(random_); t < end_; t += 40 + apart(random_))
      for (int i = 0; i < 5; ++i) on.push_back({t + 4 * i, t + 4 * i + 2});
  }

  std::mt19937_64 random_;
  int rounds_;
  ScoreInput input_{};
  double end_ = 0;
  std::vector<std::vector<std::vector<Span>>> on_{};  // when a check is right to alarm, by check and node
};

}  // namespace grit::testing
