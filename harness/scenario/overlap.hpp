// Faults that meet on one device: which can, and in which order they are undone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/model/plan.hpp"

namespace grit {

/// When the anchor comes, from the block's start; nothing when that is not known in advance.
std::optional<std::int64_t> anchor_ns(const Plan& plan, const Anchor& anchor);

/// One fault twice at the same time on one device would undo itself, and so would two that change the same thing
/// (InjectorInfo::touches): refused. Other two on one device nest, and the later comes off first. `where` names each
/// planned fault's place in the scenario. Error (usage): names both places. Pairs whose moments are not known in
/// advance are refused when they would have to be apart, and else left to the agent, which takes the later one off
/// first.
Status check_overlaps(const Plan& plan, const std::vector<std::string>& where);

}  // namespace grit
