// Scenario files written on the spot, and a cluster made by hand.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/scenario.hpp"
#include "harness/model/topology.hpp"
#include "tests/temp_directory.hpp"

namespace grit::test {

using Overrides = std::vector<std::pair<std::string, std::string>>;

/// Loads Lua text as the file DIRECTORY/x.lua.
Result<Scenario> load_text(std::string_view lua, const Overrides& overrides = {});

/// The message of a load that must fail with a usage error; the directory in front of "x.lua" is cut off.
std::string load_error(std::string_view lua, const Overrides& overrides = {});

/// A valid scenario into which `extra` keys are put; f, delay and pause make faults (link_flap on line 2, rank_delay,
/// process_pause); line 3 holds grit.scenario, line 4 the extra.
std::string scenario_with(std::string_view extra);

bool contains(std::string_view text, std::string_view part);

/// node0 .. node<n-1>, each with eth0 (data) and mgmt0 (management: carries the default route).
Topology cluster_of(int nodes);

}  // namespace grit::test
