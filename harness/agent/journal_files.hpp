// Where undo journals lie: one directory, perhaps shared by many machines, one file for each node and plan.
#pragma once

#include <filesystem>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/plan.hpp"

namespace grit {

/// DIRECTORY/HOST@MACHINE@BOOT@SCENARIO-SEED-nodeN.jsonl: the host's name and the identities of
/// harness/os/identity.hpp.
std::filesystem::path journal_file(const std::filesystem::path& directory, const Plan& plan, int node);

struct JournalFiles {
  /// Of this host name, and of this boot or an earlier one of this machine; sorted.
  std::vector<std::filesystem::path> of_this_node{};
  /// Of this machine since it was started, but of another host name: it was renamed, or a container wrote it; sorted.
  std::vector<std::filesystem::path> of_this_boot{};
  /// Of other machines, or such as cannot be told whose they are; never touched.
  std::vector<std::filesystem::path> others{};
};

/// All journals in the directory; none when it does not exist.
Result<JournalFiles> find_journals(const std::filesystem::path& directory);

}  // namespace grit
