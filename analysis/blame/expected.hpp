// Does a run name whom its scenario expects (harness/model/expected_culprit.hpp)?
#pragma once

#include <optional>

#include "harness/model/plan.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

/// Does it name who is expected, and nobody else? Of several that are expected, one is enough; of all nodes, none alone
/// is right, but all alike or in turn. Empty: it cannot tell, or names a resource whose node cannot be told.
std::optional<bool> names_expected(const Plan& plan, const std::optional<Culprit>& culprit, bool slowdown_shown);

}  // namespace grit
