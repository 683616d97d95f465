// What all nodes share: own work that grows on all alike, stops of all at once, waiting for CPUs everywhere.
#pragma once

#include <optional>

#include "analysis/blame/blame_facts.hpp"
#include "analysis/blame/communication.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

/// `slow_share`: the share of the loss that is laid to single nodes already. Empty: nothing is shared.
std::optional<Suspect> shared_suspect(const BlameFacts& facts, const Communication& communication, double slow_share);

}  // namespace grit
