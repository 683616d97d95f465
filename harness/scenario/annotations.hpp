// scenarios/lib/grit.lua: what `require "grit"` gives a scenario, for the Lua language server.
#pragma once

#include <string>

namespace grit {

/// The whole file, from the registries of faults, workloads and checks and from the tables' keys
/// (harness/scenario/tables.hpp): the same bytes from the same program.
std::string lua_annotations();

}  // namespace grit
