// What a run shows. verdict.json is this, and the report shows nothing that is not in it or in the run's records.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/base/json.hpp"

namespace grit {

enum class VerdictKind { reproduced, not_reproduced, inconclusive };
std::string_view to_string(VerdictKind kind);

/// Exit code of a verdict: 0, 1, 2.
int exit_code(VerdictKind kind);

/// Effects are fractions: 0.10 is 10 % slower.
struct Effect {
  double estimate = 0;
  double ci_low = 0;
  double ci_high = 0;
  double p = 1;
  int pairs = 0;
  double minimum_detectable = 0;
  std::string statistic{};  // what the figures are of: "mean", "median" or "p99" step time, or "throughput"
};

/// How late something happened, over `count` times. p50 and p99 are nearest-rank quantiles.
struct Lateness {
  std::int64_t p50_ns = 0;
  std::int64_t p99_ns = 0;
  std::int64_t max_ns = 0;
  int count = 0;
};

/// How far apart nodes started the same fault; each figure is right to within clock_bound_ns.
struct Skew {
  Lateness lateness{};
  std::int64_t clock_bound_ns = 0;  // by which two nodes' lined-up clocks may be apart; 0: they share one
};

/// How a node differs from what it was before the run.
struct Residue {
  std::string node{};
  std::vector<std::string> differences{};
};

/// Of a job, by a fault that comes and goes. 95 % interval.
struct TimeLost {
  double estimate_ns = 0;
  double low_ns = 0;
  double high_ns = 0;
};

struct FaultResult {
  std::string name;
  std::string node;  // the node's name
  std::string device{};
  std::string mechanism{};
  int windows = 0;                // fault blocks that ran
  int applied = 0;                // windows with proof from the kernel that it was in force
  int acting = 0;                 // windows in which the fault's own counter moved
  int reverted = 0;               // windows after which the kernel showed the state from before
  int unreverted = 0;             // windows after which it may still be in force: somebody must mend that node
  std::optional<bool> harmful{};  // the effect's CI lies above 0; empty: cannot tell, or not from that of other faults
  std::map<std::string, double> acted{};  // its counters' change over all windows; those that moved
  std::optional<Lateness> onset{};        // from when it was due to when it was in force
  std::optional<Lateness> end{};          // from the end of its pulse, or of its block, to when it was off
  int unread = 0;  // windows in which neither that it took effect nor the opposite could be read: it may have
};

/// Where the time of a slow step may have gone. Figures are of fault blocks against their baseline blocks.
struct Suspect {
  int node = -1;               // -1: none, or several
  int rank = -1;               // -1: all ranks of the node
  std::string node_name{};     // in words: "node1", "link node1–node3", "each node in turn"
  std::vector<int> nodes{};    // all of them: a link's two ends, those that are slow by turns; empty: no place is known
  std::string phase{};         // the phase that grew most: "forward", "exposed_comm" ...
  std::string resource{};      // one of kResources, or "unknown"
  double excess_ns = 0;        // by which its own work a step, or its links' time, grew more than its peers'
  double share_explained = 0;  // of the step's loss, when the suspect is put right in a replay of the steps; 0 .. 1
  std::string why{};           // the numbers behind it, in words
};

/// The answer to "who": ranked suspects, the first of which are named when they explain at least half of the loss.
struct Culprit {
  int named = 0;       // so many of the suspects, the first ones, are to blame
  std::string text{};  // "node1, network, explains 97 % of the loss", or "no single culprit: ..."
  std::vector<Suspect> suspects{};
};

/// What follows after a fault.
struct Recovery {
  int blocks = 0;                  // recovery blocks measured
  int recovered = 0;               // of these, step time came back within them
  std::optional<double> p50_ns{};  // median over blocks, from the fault's end to the first step as fast as before;
                                   // empty: in half of them there was none
  /// Within these lies that median, each end with 95 % certainty; infinite: longer than the recovery blocks. Empty: too
  /// few blocks.
  std::optional<std::pair<double, double>> p50_ci_ns{};
  std::optional<Effect> carry_over{};  // the rest of the recovery blocks against their pairs' baselines
};

/// Values that ranks received wrong, and who sent them (analysis/facts/wrong_values.hpp).
struct WrongData {
  std::uint64_t values = 0;     // found wrong, by all ranks together
  std::uint64_t outside = 0;    // of these, in blocks without a fault that does that
  int examples = 0;             // different ones that ranks told of
  std::vector<int> ranks{};     // who sent them, where that can be told
  std::vector<int> possible{};  // else: one of these did, if anybody
  double chance = 0;            // at most, that a rank is named that sent nothing wrong
  std::string text{};           // in words
};

/// The job started again after a death (Design::restarts). The times follow one another, all on node 0's clock, so that
/// their sum is from the death to where the job was back; empty: not known, or it did not come to that.
struct Restart {
  std::string why{};                           // how the attempt before it ended
  std::int64_t first_step = 0;                 // with which it went on: the one after its checkpoint's
  std::int64_t lost_steps = 0;                 // had been complete, and were computed again
  std::vector<std::string> passed_over{};      // newer checkpoints, and why they could not be used
  std::optional<std::int64_t> detect_ns{};     // from the death until the recorder ordered the end
  std::optional<std::int64_t> end_ns{};        // until the last node had taken its faults off and said goodbye
  std::optional<std::int64_t> restart_ns{};    // until the first step of the next attempt began
  std::optional<std::int64_t> recompute_ns{};  // until the lost steps were complete again
  [[nodiscard]] std::optional<std::int64_t> back_ns() const {
    if (!detect_ns || !end_ns || !restart_ns || !recompute_ns) return std::nullopt;
    return *detect_ns + *end_ns + *restart_ns + *recompute_ns;
  }
};

struct Restarts {
  std::int64_t most = 0;  // Design::restarts
  std::vector<Restart> each{};
  std::int64_t steps = 0;                 // of the job that are complete and were not lost
  std::optional<std::int64_t> wall_ns{};  // from the beginning of the first step to the end of the last one
  /// What these steps take at the baseline's step time, of that; empty: the run did not go to its end, or its clock or
  /// its baseline is not known. Checkpoints that the baseline writes are part of its step time.
  std::optional<double> goodput{};
};

struct ExpectationResult {
  std::string text;
  std::optional<bool> met{};  // empty: cannot tell
};

/// CheckResult::node of what is the machine's that the nodes of a local cluster have between them.
inline constexpr std::string_view kTheMachine = "the machine";

struct CheckResult {
  std::string name;
  std::string node;
  int baseline_runs = 0, baseline_failures = 0;
  int fault_runs = 0, fault_failures = 0;
  int not_made = 0;        // readings in which the check could not be made, which are none of the above
  std::string obstacle{};  // why, the first time
  bool not_here = false;   // and that was for want of anything of the kind on the node: no GPU
  std::int64_t cpu_ns = 0, longest_ns = 0;  // of all its readings, made or not: CPU time in all, the longest one's time
  std::optional<double> p{};  // that some check of the run fails as much more often under the fault by chance; empty:
                              // `pairs` are too few for any such p to be at most 0.05
  int pairs = 0, pairs_worse = 0;  // that count, in which it was read in both blocks and could fail more often under
                                   // the fault: not all readings without it had failed; of these, in which it did
  bool of_links = true;            // it looks at links: where the network is slow its failures tell where
  [[nodiscard]] bool fails_more() const { return p && *p <= 0.05; }  // under the fault than without
};

struct Verdict {
  std::string scenario{};  // Plan::scenario_name
  VerdictKind kind = VerdictKind::inconclusive;
  std::string outcome = "completed";   // completed | interrupted | rank_death | hang | node_loss | corruption | failed
  std::string sentence{};              // the one sentence a manager understands
  std::vector<std::string> reasons{};  // why inconclusive, what was odd
  std::vector<std::string> emulated{};
  std::optional<Effect> effect{};
  std::vector<Effect> effects{};          // all that were looked at: `effect` is one of the first
  std::optional<Effect> as_randomised{};  // `effect` of all complete pairs, whether or not their faults took effect;
                                          // empty: none was left out for that
  int look = 1, looks = 1;                // the look after which the run stopped, of how many planned (looks_of())
  std::optional<Effect> sham{};           // of sham blocks against baselines: what grit itself does to a step
  std::optional<Recovery> recovery{};
  std::optional<Restarts> restarts{};  // empty: the run has none (Design::restarts)
  std::optional<Culprit> culprit{};       // empty: nothing was slower, so nobody is to blame
  std::optional<WrongData> wrong_data{};  // empty: none was found
  std::vector<FaultResult> faults{};
  std::vector<ExpectationResult> expectations{};
  std::vector<CheckResult> checks{};
  std::vector<Residue> residue{};   // what was left behind: somebody must mend those nodes
  std::optional<Lateness> onset{};  // as in FaultResult, over all faults
  std::optional<Lateness> end{};
  std::optional<Skew> skew{};   // empty: no fault began on two nodes at once, or their clocks are not known
  bool comes_and_goes = false;  // some fault does: then a slowdown is that of this test's blocks, and of no other week
  std::optional<TimeLost> lost_each_time{};  // by the mean step time; empty: not shown, or of faults of several kinds
  double baseline_step_ns = 0;               // median over baseline blocks of the time per step
};

/// With these begin the reasons that somebody must act on; they are never left out, and said last on the terminal.
constexpr std::string_view kNotReverted = "NOT REVERTED";
constexpr std::string_view kLeftBehind = "LEFT BEHIND";

Json to_json(const Verdict& verdict);
Result<Verdict> verdict_from_json(const Json& json);

}  // namespace grit
