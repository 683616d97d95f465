// Library functions of Lua whose run time has no bound of its own, made safe. The instruction hook does not fire inside
// a C function, so these are checked before they start.
#pragma once

#include <lua.hpp>

namespace grit {

/// Pushes the value at `index` as text, as tostring does, but without addresses: of a table "table", of a value of
/// grit's what it is ("grit.fault").
void push_plain_text(lua_State* lua, int index);

/// Replaces string.rep, find, match, gmatch, gsub and table.move by bounded ones; pairs by one that goes in sorted
/// order; tostring and string.format by ones that tell no addresses. The functions of `string` take quantities as their
/// text.
void install_bounded_functions(lua_State* lua);

}  // namespace grit
