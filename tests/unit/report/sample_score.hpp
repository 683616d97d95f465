// A scorecard as one would be of a small cluster: some checks that see what they should, the usual odd ones, and damage
// that nobody notices.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/analysis/score_fixture.hpp"

namespace grit::test {
namespace sample_score_parts {

using grit::testing::ns;
using grit::testing::ScoreMaker;
using grit::testing::slower_by;

struct Kind {
  const char* fault;
  const char* magnitude;
  double dose;  // 0: none
  const char* unit;
  double harm;
};

inline const std::vector<Kind>& kinds() {
  static const std::vector<Kind> all{
      {"link_flap", "100 ms", 0.1, "s", 0.08},   {"link_flap", "1 s", 1, "s", 1.45},
      {"link_flap", "10 s", 10, "s", 5.2},       {"link_loss", "0.1 %", 0.001, "share", 0.03},
      {"link_loss", "1 %", 0.01, "share", 0.40}, {"link_loss", "5 %", 0.05, "share", 2.1},
      {"link_delay", "2 ms", 0.002, "s", 0.31},  {"link_mtu", "1400", 0, "", 0.02},
      {"cpu_contention", "1", 1, "", 0.22},      {"cpu_contention", "4", 4, "", 0.75},
      {"memory_pressure", "90 %", 0, "", 0.12},  {"clock_skew", "50 ms", 0, "", 0},
      {"rank_delay", "20 ms", 0, "", 0.12},      {"disk_slow", "10 MB/s", 0, "", 0.01}};
  return all;
}

/// The chance, in per cent, that a check sees a kind of damage, and after how long.
struct Sight {
  int per_cent = 0;
  double after_s = 0;
};

inline const std::vector<std::string>& names() {
  static const std::vector<std::string> all{"link_up",    "nic_errors",  "tcp_retransmissions",   "cpu_pressure",
                                            "cpu_clock",  "free_memory", "irq_misplacement",      "link_settings",
                                            "check_ping", "check_swap",  "node_exporter_carrier", "site_script",
                                            "gpu_ecc"};
  return all;
}

inline std::map<std::pair<int, int>, Sight> sights() {
  std::map<std::pair<int, int>, Sight> all;
  for (const int cell : {0, 1, 2}) all[{0, cell}] = all[{10, cell}] = {100, cell == 10 ? 1.9 : 0.6};
  all[{2, 0}] = {100, 1.2}, all[{2, 1}] = {100, 1.1}, all[{2, 2}] = {100, 0.9};
  all[{2, 3}] = {20, 1.8}, all[{2, 4}] = {90, 1.3}, all[{2, 5}] = {100, 0.8};
  all[{3, 8}] = {80, 2.5}, all[{3, 9}] = {100, 1.7}, all[{3, 10}] = {40, 2.9};
  all[{5, 10}] = {100, 0.7}, all[{7, 7}] = {100, 0.9};
  all[{8, 0}] = {20, 3.1}, all[{8, 1}] = {90, 2.8}, all[{8, 2}] = {100, 2.4}, all[{8, 4}] = {30, 3.4};
  all[{8, 5}] = {90, 2.9};
  return all;
}

/// A linear congruential generator: the same numbers everywhere.
class Dice {
 public:
  int below(int limit) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<int>((state_ >> 33) % static_cast<std::uint64_t>(limit));
  }

 private:
  std::uint64_t state_ = 2026;
};

inline void injection(ScoreMaker& maker, Dice& dice, int cell, int node, double onset) {
  for (const auto& [which, sight] : sights()) {
    if (which.second != cell || dice.below(100) >= sight.per_cent) continue;
    const double at = onset + sight.after_s + dice.below(1000) / 1000.0;
    // What presses on the machine's CPUs is seen on all nodes of a local cluster.
    for (int other = 0; other < 4; ++other)
      if (other == node || which.first == 3)
        maker.alarms(at - (other == 0 && which.first == 3 ? 1.5 : 0), onset + 5.5, which.first, other);
  }
}

}  // namespace sample_score_parts

/// The same at every call. `rounds`: injections of each kind.
inline ScoreInput sample_score(int rounds = 10) {
  using namespace sample_score_parts;
  ScoreMaker maker(names(), {}, 4);
  for (const Kind& kind : kinds()) {
    DamageCell& cell = maker.input().cells.emplace_back();
    cell.fault = kind.fault, cell.magnitude = kind.magnitude, cell.unit = kind.unit, cell.mechanism = "kernel";
    if (kind.dose > 0) cell.dose = kind.dose;
    cell.step_times = slower_by(kind.harm, rounds);
    if (kind.harm < 0.015)
      for (PairTimes& pair : cell.step_times)
        pair.fault_mean_ns = pair.baseline_mean_ns * (pair.pair % 2 == 0 ? 1.002 : 0.999);
  }
  auto& checks = maker.input().checks;
  const double cost_ms[] = {0.1, 0.1, 0.2, 0.05, 0.3, 0.1, 0.4, 0.2, 12, 3, 8, 40, 1.5};
  for (std::size_t i = 0; i < checks.size(); ++i) {
    checks[i].kind = i < 8 || i == 12 ? "built-in" : i == 10 ? "openmetrics" : "command";
    checks[i].cpu_s_per_reading = cost_ms[i] / 1e3;
  }
  checks[11].unknown = "exit code 127";
  checks[12].unknown = "no GPU on any node";
  checks[1].unproven = "no fault here makes a NIC count errors";
  for (int check = 0; check < 13; ++check)
    for (int node = 0; node < 4; ++node)
      maker.says(0.5,
                 check == 9    ? CheckStatus::critical
                 : check >= 11 ? CheckStatus::unknown
                               : CheckStatus::ok,
                 check, node, check >= 11 ? "" : "eth0");
  Dice dice;
  for (int round = 0; round < rounds; ++round)
    for (int cell = 0; cell < static_cast<int>(kinds().size()); ++cell) {
      const int node = dice.below(4), twin = dice.below(4);
      injection(maker, dice, cell, node, maker.slot(cell, false, node, round));
      const double sham = maker.slot(cell, true, twin, round);
      if (dice.below(25) == 0) maker.alarms(sham + 0.7, sham + 2, 3, twin);
      if (dice.below(60) == 0) maker.alarms(sham + 0.9, sham + 2, 2, twin);
      for (int other = 0; other < 4; ++other)
        if (dice.below(12) == 0) maker.alarms(sham - 19.5 + dice.below(3500) / 100.0, sham + 16, 6, other);
    }
  for (ScoreSlot& slot : maker.input().slots)
    if (slot.cell == 11 && slot.round < 2 && !slot.sham) slot.unproven = "never acted";
  ScoreInput input = maker.input();
  input.origin = {"scorecard", "2026-11-30 08:15 UTC", 7, "grit score scenarios/scorecard.lua --seed 7"};
  return input;
}

}  // namespace grit::test
