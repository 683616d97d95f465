// A scenario after Lua: pure data, options resolved, quantities in base units, names checked against the registries.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/model/params.hpp"

namespace grit {

/// Which nodes a fault acts on. Nodes are counted from 0.
struct NodeSelector {
  enum class Kind { list, any, all, fraction };
  Kind kind = Kind::list;
  std::vector<int> nodes{};  // for list
  double share = 0;          // for fraction: 0 < share <= 1; rounded up to at least one node
};

struct ScenarioFault {
  std::string name;
  NodeSelector on{};
  Json params = Json::object();  // complete, base units
  std::string where{};           // "scenarios/x.lua:12", for messages
};

struct ScenarioPlugin {  // a workload or a check
  std::string name;
  Json params = Json::object();
};

/// How the experiment is laid out. Exactly one of block_steps and block_ns is above 0.
struct Design {
  std::int64_t pairs = 8;         // baseline + fault blocks; at least 6 for a verdict (DESIGN §9: below, p < 0.05 cannot be reached)
  std::int64_t block_steps = 0;   // block length in steps
  std::int64_t block_ns = 0;      // or in time: it ends with the first step that starts after it
  std::int64_t settle_steps = 1;  // first steps of every block, left out of the measurement
  std::int64_t warmup_steps = 5;  // once, before the first block
};

/// What the scenario claims. Bounds are fractions: 0.10 is 10 % slower than baseline.
struct Expectation {
  std::optional<double> slowdown_at_least{};  // reproduced when the effect's CI lies above
  std::optional<double> slowdown_at_most{};   // reproduced when the effect's CI lies below it (and above minus it: equivalence)
};

struct ScenarioOption {
  std::string name;
  std::string value;          // as given by --set, or the default
  std::string default_value;
  std::string unit{};         // "" | "time" | ... for help
  std::string help{};
};

struct Scenario {
  std::string name;
  std::string summary;
  std::string file;    // as given on the command line
  std::string source;  // the Lua text
  std::vector<ScenarioOption> options{};
  ScenarioPlugin workload{};
  std::vector<ScenarioFault> faults{};
  std::vector<ScenarioPlugin> checks{};
  Design design{};
  Expectation expect{};
};

}  // namespace grit
