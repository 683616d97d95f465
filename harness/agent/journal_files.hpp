// Where undo journals lie: one directory, one file for each node and plan, the node's name first.
#pragma once

#include <filesystem>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/plan.hpp"

namespace grit {

/// DIRECTORY/HOST.SCENARIO-SEED-nodeN.jsonl. HOST, this machine's name, keeps nodes apart when a home directory is
/// shared.
std::filesystem::path journal_file(const std::filesystem::path& directory, const Plan& plan, int node);

/// The journals in the directory that bear this machine's name, sorted; none when the directory does not exist.
Result<std::vector<std::filesystem::path>> journals_of_this_node(const std::filesystem::path& directory);

}  // namespace grit
