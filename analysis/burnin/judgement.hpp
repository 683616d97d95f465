// Which node is worse than its peers, by more than chance, by more than peers differ, and by more than matters?
//
// Real nodes of one class differ for good (silicon, cooling, place), so to be slow for sure is no fault. Three things
// must hold before a node is called bad by a measure; all are on the logarithm of the figure, w > 0 being worse.
//  1. Matters: the lower end of its interval lies above the measure's tolerance.
//  2. No chance of measurement: that interval is of *fresh* measurements, made after the node was suspected, each
//     beside nodes known good (paired differences, limited as in noise_floor.hpp): Student's t, its variance
//     moderated by that of all nodes of the class (G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 3, 2004, art. 3). Since
//     the data that raised the suspicion are not used again (D. R. Cox, Biometrika 62, 1975), only suspects are
//     counted: at false_bad / 2 / (suspects so far in this round) / rounds / looks (O. J. Dunn, JASA 56, 1961).
//  3. No peer is as far from the others: p of w under Student's t about the peers' middle, with their robust scale
//     freed of the within-node variance and moderated by the config's `spread`, and tails as heavy as the peers' own
//     (on the better side, where no fault is), at false_bad / 2 / (nodes × measures): the outlier identifier of L.
//     Davies and U. Gather, JASA 88 (1993). A permanent difference repeats in fresh data, so here all nodes count.
// With a reference the same is done with each node's change since then, less the fleet's; both families share the
// level. Counts: the lower Clopper-Pearson end of fresh counts against the share that is allowed, at the level of 2, in
// the cells of two partners at least. What must never be (wrong results): seen again in fresh measurement. What these
// claim against what they do: tests/bench/burnin_calibration.cpp. What is assumed: of fewer than 30 nodes, that they
// differ by about the `spread`; of fewer than 200, tails no heavier than those of Student's t with 8 degrees of
// freedom, since they cannot be seen. Where more than a twentieth of a class (and more than one node) is as far as the
// suspect, nobody is called bad: they may be of another kind, and stay unclear.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/burnin.hpp"

namespace grit {

/// A burn-in of before, to hold this one against: by class and measure the fleet's middle, by node its own.
struct BurninReference {
  std::map<std::string, std::map<std::string, double>> classes{};  // class -> measure -> middle
  std::map<std::string, std::map<std::string, double>> nodes{};    // host -> measure -> middle
};

/// All that is known so far. Pointers to what the caller keeps.
struct BurninEvidence {
  const BurninConfig* config = nullptr;
  const std::map<std::string, std::string>* machine_class = nullptr;  // by host
  const std::map<std::string, std::string>* group = nullptr;          // by host; may be empty
  const std::vector<BurninObservation>* observations = nullptr;       // of all rounds
  const BurninReference* reference = nullptr;                         // null: none
  std::string round{};                                                // whose measures are judged now; empty: all
  std::map<std::string, int> looks{};  // by BurninFinding key (finding_key()): looks so far at fresh measurements,
                                       // the one that is made now among them
};

std::string finding_key(const BurninFinding& finding);  // "compute n07", "link_rate n01>n02"

/// Every node and, of links, every pair, that is not clear; those that were suspected stay in the list as cleared,
/// shown or unclear. A link is accused where both ends are clear with others. Same evidence, same findings, whatever
/// the order of observations. Time grows as n log n with their number.
std::vector<BurninFinding> judge_burnin(const BurninEvidence& evidence);

/// The fleet's middles against the reference's: shift with its interval (analysis/stats/median_interval.hpp).
std::vector<BurninFinding> fleet_shift(const BurninEvidence& evidence);

/// By host and measure: the middle of its visits, for tables; of a link measure that of its links, sent and received.
std::map<std::string, std::map<std::string, double>> node_figures(const BurninEvidence& evidence);

/// Facts in which nodes are unlike most of their class. `must_match` ones are shown, others only remarks (clear).
/// No majority: a remark on all. Up to three nodes without a GPU are held against those with the same CPU, of which
/// they are no class any more.
std::vector<BurninFinding> odd_facts(const BurninConfig& config,
                                     const std::map<std::string, std::string>& machine_class,
                                     const std::map<std::string, std::map<std::string, std::string>>& facts);

/// "cpu_model, GPU model": not what may itself be broken (memory, NICs).
std::string machine_class_of(const std::map<std::string, std::string>& facts);

Json to_json(const BurninReference& reference);
Result<BurninReference> reference_from_json(const Json& json);
BurninReference reference_of(const BurninReport& report);  // of nodes that are good

}  // namespace grit
