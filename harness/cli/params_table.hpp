// Parameters, and options of a scenario, as a table for people.
#pragma once

#include <string>
#include <vector>

#include "harness/model/params.hpp"

namespace grit {

/// A heading and a line each: name, unit, default ("(required)" without one), and what it means, with its choices and
/// range. `kind` heads the names: "parameter".
std::string params_table(const std::string& kind, const std::vector<ParamSpec>& params);

}  // namespace grit
