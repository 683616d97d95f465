// Is a whole group of nodes (those of a switch, a rack) slower than all others?
//
// Of a measure the m members of a group are let off its tolerance; then it is counted how many of them are among the m
// slowest of all n nodes of the class. Were nodes slow or fast whatever group they are in, that count would be a
// hypergeometric one, whatever the distribution of nodes is (R. A. Fisher, The Design of Experiments, 1935): no spread
// and no tails are assumed, and the base visits are enough, since the group is not picked by what it did. Ties go to
// the others. So that two slow groups do not hide each other, the same is asked of the slowest third of all nodes, and
// the smaller p is doubled. At false_bad / (groups x measures x rounds), so that in at most false_bad of burn-ins any
// group is called bad by chance, besides what is claimed of nodes and links. Of four groups of four all members of one
// are the slowest by chance in 1 of 1,820 cases: enough where two measures are asked about, and not where three are. Of
// groups of eight and more it is enough in any config; groups of two cannot be told so.
//
// What is not told from a slow switch: nodes that are of another kind and all in one group. The class (CPU and GPU
// model) keeps apart what is known to be.
#pragma once

#include <vector>

#include "analysis/burnin/judgement.hpp"

namespace grit {

/// Of each measure and group that is slower, a finding that is `shown`, the one of the smallest p where several rounds
/// say so. None without `evidence.group`.
std::vector<BurninFinding> slow_groups(const BurninEvidence& evidence);

}  // namespace grit
