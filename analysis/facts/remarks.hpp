// What events tell that is odd, and no reason by itself: in words.
#pragma once

#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/model/plan.hpp"

namespace grit {

/// Lost records, nodes that came back, links without carrier, what others changed ...; mostly none, seldom several. An
/// event that is not as documented gives none.
std::vector<std::string> remarks_in(const Plan& plan, const Json& event);

}  // namespace grit
