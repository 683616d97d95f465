// Whose links are slow, by the operations of a step: all those with one node take longer, and none without it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "analysis/blame/blame_facts.hpp"

namespace grit {

struct SlowNode {
  std::size_t node = 0;
  std::string why{};
};

/// Of those among whom there are operations across nodes (groups, pairs of ranks), each one's transfers of a step are
/// compared with those of the pair's baseline block. A node is named when
///   - all of its own grew: their least growth, as a share, is above 0 by more than chance (an exact sign-flip test
///   over
///     the pairs, 5 % over all nodes) and above a tenth in the middle of the pairs,
///   - what grew most of all others grew by less than a fifth of that,
/// so that never more than one node is. Empty: no such node; with two nodes, or one group of all nodes, never.
std::optional<SlowNode> node_of_slow_spans(const BlameFacts& facts);

}  // namespace grit
