// Library functions of Lua whose run time has no bound of its own, made safe. The instruction hook does not fire inside
// a C function, so these are checked before they start.
#pragma once

#include <lua.hpp>

namespace grit {

/// Replaces string.rep, find, match, gmatch, gsub and table.move by bounded ones, and pairs by one that goes in sorted
/// order.
void install_bounded_functions(lua_State* lua);

}  // namespace grit
