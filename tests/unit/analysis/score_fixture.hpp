// Scorecards that are made by hand: times in seconds, one slot after the other.
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "analysis/score/scorecard.hpp"

namespace grit::testing {

inline std::int64_t ns(double seconds) { return static_cast<std::int64_t>(std::llround(seconds * 1e9)); }

/// Checks read once a second with a grace of 3 s. A slot takes 20 s: its damage begins after 4 s and lasts 2 s.
class ScoreMaker {
 public:
  static constexpr double kSlot = 20, kOnset = 4, kLength = 2, kGrace = 3;

  explicit ScoreMaker(std::vector<std::string> checks, std::vector<std::string> faults, int nodes = 2) {
    for (std::string& name : checks) {
      ScoredCheck& check = input_.checks.emplace_back();
      check.name = std::move(name);
      check.period_ns = ns(1), check.grace_ns = ns(kGrace), check.limit_ns = ns(1);
    }
    for (std::string& fault : faults) input_.cells.emplace_back().fault = std::move(fault);
    input_.cluster_nodes = static_cast<std::size_t>(nodes);
    for (int node = 0; node < nodes; ++node) input_.nodes.push_back({"node" + std::to_string(node), 0, 0});
  }

  /// Its onset, in seconds.
  double slot(int cell, bool sham = false, int node = 0, int round = 0) {
    ScoreSlot& slot = input_.slots.emplace_back();
    slot.cell = cell, slot.sham = sham, slot.node = node, slot.round = round;
    slot.begin_ns = ns(end_), slot.touched_ns = slot.onset_ns = ns(end_ + kOnset);
    slot.end_ns = ns(end_ + kOnset + kLength);
    slot.subjects = {"eth0"};
    end_ += kSlot;
    slot.until_ns = ns(end_);
    return end_ - kSlot + kOnset;
  }

  ScoreMaker& says(double t_s, CheckStatus status, int check = 0, int node = 0, const std::string& subject = "eth0") {
    input_.changes.push_back({check, node, subject, ns(t_s), status});
    return *this;
  }
  /// An alarm from here to there.
  ScoreMaker& alarms(double from_s, double until_s, int check = 0, int node = 0, const std::string& subject = "eth0") {
    return says(from_s, CheckStatus::critical, check, node, subject)
        .says(until_s, CheckStatus::ok, check, node, subject);
  }
  /// The first reading of all checks on all nodes, well.
  ScoreMaker& begins_well(double t_s = 0.5) {
    for (std::size_t check = 0; check < input_.checks.size(); ++check)
      for (std::size_t node = 0; node < input_.nodes.size(); ++node)
        says(t_s, CheckStatus::ok, static_cast<int>(check), static_cast<int>(node));
    return *this;
  }

  /// The checks of a node end before the last slot does.
  ScoreMaker& node_ends(int node, double t_s) {
    lost_.emplace_back(node, ns(t_s));
    return *this;
  }

  ScoreInput& input() {
    for (ScoredNode& node : input_.nodes) node.until_ns = ns(end_);
    for (const auto& [node, t_ns] : lost_) input_.nodes[static_cast<std::size_t>(node)].until_ns = t_ns;
    return input_;
  }

 private:
  ScoreInput input_{};
  std::vector<std::pair<int, std::int64_t>> lost_{};
  double end_ = 0;
};

/// Six pairs of step times, longer by this fraction under the damage.
inline std::vector<PairTimes> slower_by(double fraction, int pairs = 8) {
  std::vector<PairTimes> times;
  for (int pair = 0; pair < pairs; ++pair) {
    PairTimes one;
    one.pair = pair;
    one.baseline_mean_ns = one.baseline_median_ns = 1e8 + 1e5 * pair;
    one.fault_mean_ns = one.fault_median_ns = one.baseline_mean_ns * (1 + fraction + 0.001 * (pair % 3));
    times.push_back(one);
  }
  return times;
}

}  // namespace grit::testing
