// Lua values -> C++ values, each checked. What is wrong is thrown as ScenarioError; the line is added by guarded().
#pragma once

#include <lua.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/scenario.hpp"

namespace grit {

/// Everything that is kept ends in JSON, which is UTF-8; Lua strings and command lines can be any bytes.
bool is_utf8(const std::string& text);

/// At most 64 letters, digits, _ and -, the first a letter or _: what may become the name of a directory.
bool is_identifier(std::string_view name);

/// The keys of the table at `table`, sorted. A key that is not text is an error: `owner` ("fault link_flap") takes
/// none.
std::vector<std::string> text_keys(lua_State* lua, int table, const std::string& owner);

/// Error unless every key of the table is one of `known`:
/// unknown KIND "dwon" of OWNER; did you mean "down"?
void check_keys(lua_State* lua, int table, std::string_view kind, const std::string& owner,
                const std::vector<std::string>& known);

/// Of what has a `name` each.
template <class Entries>
std::vector<std::string> names_of(const Entries& entries) {
  std::vector<std::string> names;
  for (const auto& entry : entries) names.emplace_back(entry.name);
  return names;
}

/// "; did you mean \"down\"?", or "; there are: ..." when nothing is near.
std::string suggestion(std::string_view word, const std::vector<std::string>& known);

/// Pushes table[key] without metamethods; returns its Lua type.
int push_field(lua_State* lua, int table, std::string_view key);

/// The length of the list at `table`; an error when it has other keys or holes. `name` says which list.
lua_Integer list_length(lua_State* lua, int table, std::string_view name);

/// A text, quantity or number (or true, false) at `index` as text, as an option holds it; an error for other types.
std::string as_text(lua_State* lua, int index, const std::string& what);

/// table[key], which must be text in quotes; empty when it is absent. `what` begins the message.
std::string text_field(lua_State* lua, int table, std::string_view key, const std::string& what);

/// The value at `index` in base units of `unit`. `what` begins the message: "parameter \"down\" of fault link_flap".
Json as_quantity(lua_State* lua, int index, Unit unit, const std::string& what);

/// Sizes or coordinates of axes from the table at `table`: { pp = 1, tp = 0 }; `known` are the axes it may name.
AxisValues as_axis_values(lua_State* lua, int table, const std::string& what, const std::vector<std::string>& known);

/// Coordinates: at least one, of any axes.
AxisValues as_coordinates(lua_State* lua, int table, const std::string& what);

/// A node selector: 2, "2", "1,3", {1, 3}, { pp = 1 }, "any", "all", "25%", or the nodes of a draw (grit.node,
/// grit.others).
NodeSelector as_selector(lua_State* lua, int index, const std::string& what);

/// All parameters of a plug-in from the table at `table`, defaults filled in. `also` are keys that are not the
/// plug-in's.
Json as_params(lua_State* lua, int table, const std::vector<ParamSpec>& specs, const std::string& owner,
               const std::vector<std::string>& also = {});

}  // namespace grit
