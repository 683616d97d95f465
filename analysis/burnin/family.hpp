// One measure of one round and class as units that are held against each other: screened by what all went through, and
// decided by fresh measurement.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "analysis/burnin/judgement.hpp"
#include "analysis/burnin/peers.hpp"
#include "analysis/burnin/readings.hpp"

namespace grit {

struct BurninFamily {
  const BurninReadings* readings = nullptr;
  std::vector<BurninUnit> units{};
  std::vector<BurninPeers> peers{};  // of each unit
  BurninNoise noise{};
  std::vector<bool> candidates{};  // units that are or were suspected, and are measured again
  std::vector<bool> left_over{};   // units that stand out, too, where too many do to measure each of them again
  bool of_reference = false;

  /// Good nodes beside which others are measured are none of these.
  [[nodiscard]] bool is_in_question(std::size_t i) const { return candidates[i] || left_over[i]; }
};

/// What each of two conditions may be wrong with, of each unit.
struct BurninLevels {
  double noise = 0;
  double peers = 0;
};

/// Sets noise, middles and peers from the units' base values.
void hold_against_peers(BurninFamily& family);

/// Who is worth fresh measurement: those that stand out, and those that were looked at before and have fresh values.
/// Lenient, since the level is kept by what follows. Of those that stand out the furthest: 8, or a twentieth of all.
void screen(BurninFamily& family, const BurninEvidence& evidence);
std::size_t candidates_of(const BurninFamily& family);

/// A finding of each candidate, and of those left over.
std::vector<BurninFinding> decide(const BurninFamily& family, const BurninEvidence& evidence,
                                  const BurninLevels& levels);

/// Of each node against what the config demands of anyone, whatever the peers are: beyond it by what all went through,
/// and again by fresh measurement, at `level`; none of a measure without such a limit.
std::vector<BurninFinding> hold_against_limits(const BurninReadings& readings, const BurninEvidence& evidence,
                                               double level);
/// How many nodes are suspected by that.
std::size_t beyond_limits(const BurninReadings& readings);

/// Units of a measure of nodes or of groups, with base values alone; and their fresh ones once the candidates are
/// known.
BurninFamily node_family(const BurninReadings& readings);
void add_fresh_of_nodes(BurninFamily& family);
/// Each node's change since the reference, less the change of all (of fewer than kFewestPeers: the change itself).
/// Without units: the reference knows none of them.
BurninFamily reference_family(const BurninReadings& readings, const BurninReference& reference);
void add_fresh_of_reference(BurninFamily& family, const BurninReference& reference);
BurninFamily group_family(const BurninReadings& readings);
void add_fresh_of_groups(BurninFamily& family);

/// Of a measure of links: each node's sending and its receiving are a unit, its values those of its links. The middle
/// of three and more partners is not moved by a bad one.
BurninFamily link_node_family(const BurninReadings& readings);
void add_fresh_of_link_nodes(BurninFamily& family);
/// Each direction of a link between nodes that are not in `but`, less what its ends do with others that are not.
BurninFamily link_family(const BurninReadings& readings, const BurninFamily& nodes, const std::set<std::string>& but);
void add_fresh_of_links(BurninFamily& family, const BurninFamily& nodes);

}  // namespace grit
