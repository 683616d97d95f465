// A run held against older runs of the same thing: `grit run --baseline RUN`.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "analysis/compare/compare.hpp"
#include "harness/model/plan.hpp"

namespace grit {

/// Before anything is started: could a run of this plan be compared with them? Error (usage): one is no run directory,
/// or ran something else; names the differences.
Status check_baselines(const Plan& plan, const std::vector<std::filesystem::path>& baselines);

/// After the run: writes comparison.json and compare.html beside its verdict. Empty: there are no baselines, or it
/// cannot be done, which is said on standard error: the run has its verdict all the same.
std::optional<Comparison> compare_with_baselines(const std::filesystem::path& run_directory,
                                                 const std::vector<std::filesystem::path>& baselines);

}  // namespace grit
