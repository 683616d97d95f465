// Which node is worse than its peers, by more than chance, by more than peers differ, and by more than matters?
//
// Nodes of one class differ for good (silicon, cooling, place), so to be slower is no fault by itself, and two
// questions are asked of each node: is it slower than is tolerated, for sure; and might a healthy peer be as slow? All
// figures are logarithms, w > 0 being worse.
//
//  good       w's upper end is within the measure's tolerance, or no further from the peers' middle than the slowest of
//             so many peers would be if they differed as a normal distribution does: N P(T > w / s) > 0.05, s being the
//             robust scale of the bulk. Heavy tails clear nobody, since who is cleared goes live.
//  bad        slower than is tolerated for sure (A), and no healthy peer is as slow (B).
//  set apart  A alone: it does not go live, but whether it is faulty or the slow end of an uneven fleet cannot be told
//             from one burn-in.
//  not clear  not even A after all looks.
//
// A: the lower end of its interval by *fresh* measurements, made after the node was suspected, each beside nodes known
// good (paired differences, limited as in noise_floor.hpp), lies above the tolerance: Student's t, its variance
// moderated by that of all nodes of the class (G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 3, 2004, art. 3). Since the
// data that raised the suspicion are not used again (D. R. Cox, Biometrika 62, 1975), only suspects are counted: at
// false_bad / 2 / (suspects so far in this round) / rounds / cycles / looks (O. J. Dunn, JASA 56, 1961).
//
// B: at false_bad / 2 / rounds, shared by all nodes and measures, by one of two ways, each with half of that where
// there are both. A permanent difference repeats in fresh data, so here all nodes count.
//  1. Of 200 nodes and more: between it and the others there is a gap such as no fleet shows by itself, be its tail as
//     heavy as a power law's (gap_chances() in peers.hpp, with sources). Nothing is assumed of scale or shape.
//  2. It is too far for a Student's t about the peers' middle with their scale, moderated by the `spread` that is known
//     of them: of 8 degrees of freedom if the config states that spread, which is its claim that nodes are of one kind;
//     else of 2, since of few nodes nobody can see the tails: then an unusual node is set apart, and hardly ever bad.
// Where more than a twentieth of a class (and more than one node) is as far as the suspect, nobody is called bad: they
// may be of another kind. And only so many (8, or a twentieth) are measured again.
//
// With a reference the same is done with each node's change since then, less the fleet's; both families share the
// level. Counts: the lower Clopper-Pearson end of fresh counts against the share that is allowed, at the level of A, in
// the cells of two partners at least. What must never be (wrong results): seen again in fresh measurement.
//
// What these claim against what they do: tests/bench/burnin_calibration.cpp. What is assumed: that nodes of a class do
// not depend on each other. A slow switch or power feed with a twentieth of them or fewer shows as slow nodes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/burnin.hpp"

namespace grit {

/// Of fewer nodes of a class nobody knows which are right.
inline constexpr std::size_t kFewestPeers = 4;

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
/// shown, set apart or unclear. A link is accused where both ends are clear with others. Same evidence, same findings,
/// whatever the order of observations. Time grows as n log n with their number.
std::vector<BurninFinding> judge_burnin(const BurninEvidence& evidence);

/// The fleet's middles against the reference's: shift with its interval (analysis/stats/median_interval.hpp). Shown:
/// the lower end of the 95 % interval is beyond the tolerance, which is wrong of a measure in at most 2.5 % of
/// burn-ins; of measures of groups never, whose nodes share their figures.
std::vector<BurninFinding> fleet_shift(const BurninEvidence& evidence);

/// Classes whose nodes differ by more than three times what is expected of one kind, by measure: remarks, all clear.
/// `worse`: how much, as one standard deviation, a fraction. Of a class with two kinds in equal parts nothing stands
/// out, so it should be said.
std::vector<BurninFinding> uneven_classes(const BurninEvidence& evidence);

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
