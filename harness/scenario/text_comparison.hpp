// o.down == "1s": what was right when all options were text, and is never true now that "1s" is a time.
#pragma once

#include <string>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/scenario.hpp"

namespace grit {

/// Lua takes values of two types for different without asking, so a scenario that compares an option which is no text
/// with text would quietly do something else than it says. This looks for such comparisons in the source, `o.NAME ==
/// "..."` and `"..." ~= o.NAME`, in the functions that are values of grit.scenario's keys, where `o` is the parameter;
/// a comparison that may be right is let pass. Error (usage): "FILE:LINE: ..." and what to write.
Status check_text_comparisons(const std::string& file, const std::string& source,
                              const std::vector<ScenarioOption>& options);

}  // namespace grit
