// The keys of every table that a scenario writes: who reads one refuses what is not here, and editors are told of them
// (harness/scenario/annotations.hpp). Parameters of faults, workloads and checks are in their registries.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace grit {

struct TableKey {
  std::string name;
  std::string type;  // for the Lua language server: "grit.time", "\"log\"|\"linear\""
  std::string help;
  bool required = false;
};

struct ScenarioTable {
  std::string lua_class;  // "grit.design"
  std::string help;       // one line; may be empty
  std::vector<TableKey> keys;

  [[nodiscard]] std::vector<std::string> names() const;
};

/// In the order in which an annotation file declares them.
const std::vector<ScenarioTable>& scenario_tables();

/// The one of this class, which must be there.
const ScenarioTable& scenario_table(std::string_view lua_class);

}  // namespace grit
