// How the nodes of a burn-in did over its cycles: the fleet as a whole, and each node against its own first cycle.
//
// A node's figure of a cycle is the median of its visits in that cycle, without those that confirm a suspicion; of
// groups the mean over their sizes, since a figure depends on the size. It is held against the same node's figure of
// the first whole cycle, as a logarithm, larger being worse. The fleet's drift is the median over the nodes of a class.
//
// n is 3, of fewer than six cycles 2: each of the last n cycles is held against one of the first n, in their order.
// Their differences have no cycle in common, so if what a node differs by from cycle to cycle does not depend on the
// cycle before, all n of them are beyond something with the n-th power of the probability of one.
//
//  a node   "got worse" if each of its n differences, less the fleet's, is beyond the measure's tolerance, and the
//           probability of that by noise is at most kDriftWrong, shared by all nodes and measures (O. J. Dunn, JASA 56,
//           1961): Student's t of 4 degrees of freedom, so that tails of noise may be as heavy; its scale is the mean
//           absolute difference between neighbouring cycles of that node (J. von Neumann et al., Ann. Math. Stat. 12,
//           1941: a drift hardly moves it), or of the middle node where that is larger.
//  a fleet  "drifted" if all n differences of the medians are on one side of 0, likewise, each way; shared by all
//           measures. Its scale is known of few cycles only, hence t of (cycles - 1) / 3 degrees, 1 to 4, and a fifth
//           more noise than is seen.
//
// Of fewer than 4 whole cycles nothing can be told: one cycle that was disturbed at either end would look like drift.
// Of links and groups nobody is named, for a node's figures there are its partners', too. What a node is held against
// is its first cycles, so one that was slow from the beginning has not drifted: it is for the judgement, which holds it
// against its peers. How often these are wrong on simulated fleets: tests/unit/analysis/test_burnin_drift.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "analysis/burnin/judgement.hpp"

namespace grit {

/// One whole cycle.
struct BurninCycle {
  std::size_t observations = 0;  // of all of them: so many are of this cycle and those before it
  std::int64_t at_ns = 0;        // its middle, since the burn-in's first cell
};

/// In so many burn-ins at most is any node said to have got worse that did not, beyond the tolerance and the fleet; and
/// in as many the fleet.
constexpr double kDriftWrong = 0.05;
/// Of fewer whole cycles nothing can be told.
constexpr int kFewestDriftCycles = 4;
/// Points of a plot at most, and nodes that are named by each measure.
constexpr std::size_t kMostDriftPoints = 60, kMostDriftNodes = 16;

/// By measure of a rate or a time, round and class; none of fewer than two cycles. Observations must be in the order in
/// which they came.
std::vector<BurninDrift> burnin_drift(const BurninEvidence& evidence, const std::vector<BurninCycle>& cycles);

}  // namespace grit
