// Nodes that are slow one after another: no node is slow in all blocks, but in each step one is.
#pragma once

#include <optional>

#include "analysis/blame/blame_facts.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

/// What goes when in each step the last one is put right, where that is most of what own work grew by and is shown of
/// more than a few nodes. The nodes are named of which it is shown by themselves.
std::optional<Suspect> turns_suspect(const BlameFacts& facts);

}  // namespace grit
