// Nodes that are slow by themselves in all pairs: each with its share of the loss, or many of them as a group.
#pragma once

#include <vector>

#include "analysis/blame/blame_facts.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

/// Up to kBlamedApart nodes, one suspect each; or one suspect for more of them that stand out, at most half of all
/// nodes: the others say what is normal. Empty: none, or what is slow goes by turns (Replay::are_slow()).
std::vector<Suspect> slow_node_suspects(const BlameFacts& facts);

}  // namespace grit
