// What a scorecard is made from: the damage that was done, the shams beside it, and what checks said meanwhile.
//
// All times are of one clock, in nanoseconds. A slot is one injection or one sham with what surrounds it:
//
//   begin | quiet | lead-in | fault or nothing | grace | guard | until
//                           ^ onset            ^ end
//
// What is detected is the injection, never a reading: readings within one hang together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/stats/effect.hpp"

namespace grit {

/// What a reading says of one subject; the numbers are the exit codes of monitoring plug-ins.
enum class CheckStatus : std::uint8_t { ok = 0, warning = 1, critical = 2, unknown = 3 };

/// From which status on it is an alarm. Unknown never is.
enum class AlarmFrom { warning, critical };

struct ScoredCheck {
  std::string name;
  std::string kind{};          // "built-in", "command", "openmetrics"
  std::int64_t period_ns = 0;  // from one reading to the next
  /// How long after the damage's end an alarm is still one of it: two readings and the time limit of one, at least.
  std::int64_t grace_ns = 0;
  std::int64_t limit_ns = 0;     // of a reading
  double cpu_s_per_reading = 0;  // a mean
  bool of_machine = false;       // what it reads is the machine's: its alarms tell no node of a local cluster
  std::string unproven{};        // why no damage here can trip it; empty: some can
  std::string unknown{};         // what its first reading that told nothing said; empty: there is none
};

/// What the check's readings cost a node.
inline double cpu_s_per_hour(const ScoredCheck& check) {
  return check.period_ns > 0 ? check.cpu_s_per_reading * 3600e9 / static_cast<double>(check.period_ns) : 0;
}

/// One kind of damage: a fault at a magnitude by a mechanism.
struct DamageCell {
  std::string fault;
  std::string magnitude{};  // as people write it: "2 s"; it tells two kinds of damage by one fault apart
  std::string mechanism{};
  std::string unit{};            // of the dose: "s", "bit/s", "bytes", "share", ""
  std::optional<double> dose{};  // in that; empty: the fault has no dose
  bool harm_grows = true;        // with the dose
  /// What scenarios call it, by their option `damage`: what was not done is called likewise. Several may do the same;
  /// a scenario without that option has no name for it.
  std::vector<std::string> damages{};
  /// What the magnitude says besides the dose: "direction in". Only cells that are alike in it are of one dose series.
  std::string besides{};
  /// The step times of its injections, each beside those of its twin sham ("baseline").
  std::vector<PairTimes> step_times{};
};

/// "link_down 2 s".
inline std::string damage_name(const DamageCell& cell) {
  return cell.magnitude.empty() ? cell.fault : cell.fault + " " + cell.magnitude;
}

struct ScoredNode {
  std::string name;
  std::int64_t from_ns = 0, until_ns = 0;  // in which its checks were read
};

struct ScoreSlot {
  int cell = 0;  // of a sham: that of its twin, as long as which it is
  bool sham = false;
  int round = 0;
  int node = 0;
  std::int64_t begin_ns = 0;
  std::int64_t touched_ns = 0;  // when it was begun to be applied: from here on nothing is healthy
  std::int64_t onset_ns = 0;    // when it was seen to be applied
  std::int64_t end_ns = 0;
  std::int64_t until_ns = 0;
  /// Why nobody can say that it was applied and acted: "never acted", "not applied: no such device". Empty: that is
  /// proven; always so of a sham.
  std::string unproven{};
  std::vector<std::string> subjects{};  // that are right: the NIC, the rank; "" is the node
};

/// A reading said of a subject what the last one did not say. Of each check on each node the first reading is there,
/// too. A subject that is not named any more is `ok`.
struct StatusChange {
  int check = 0;
  int node = 0;
  std::string subject{};  // empty: the node; unknown of it: the reading could not be made
  std::int64_t t_ns = 0;  // end of the reading
  CheckStatus status = CheckStatus::ok;
};

/// A kind of damage that was asked for and of which there are no injections: nothing is said of it.
struct NotRun {
  std::string damage;  // as the scenario calls it
  std::string what;    // "not run here", "not run yet", "failed"
  std::string reason;
};

/// Where the scorecard is from; for people only.
struct ScoreOrigin {
  std::string scenario{};
  std::string started_utc{};  // "2026-11-30 08:15 UTC"
  std::uint64_t seed = 0;
  std::string command{};  // that makes it again
};

struct ScoreInput {
  ScoreOrigin origin{};
  std::vector<ScoredCheck> checks{};
  std::vector<DamageCell> cells{};
  std::vector<ScoredNode> nodes{};  // of every run: nothing is compared across runs
  std::size_t cluster_nodes = 0;    // of the run that has the most
  std::vector<ScoreSlot> slots{};
  std::vector<StatusChange> changes{};
  std::vector<NotRun> not_run{};
};

}  // namespace grit
