// A router that sends the experts of some ranks more tokens than those of others: no node is bad.
#pragma once

#include <optional>

#include "analysis/blame/blame_facts.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

/// Suspect::resource and, since it is no node, Suspect::node_name of it.
inline constexpr const char* kRouter = "router";

/// What steps are longer for because tokens are spread less evenly under the fault (GraphGains::routed_ns()), where
/// that is beyond chance: an exact sign-flip test over the pairs, 5 %. Empty: it is not, or less than a line is worth.
std::optional<Suspect> router_suspect(const BlameFacts& facts);

}  // namespace grit
