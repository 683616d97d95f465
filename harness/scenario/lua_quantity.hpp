// Quantities as Lua values: what an option with a unit is to a scenario, and what grit.time "30ms" makes.
//
// A quantity is added to, subtracted from, compared with and divided by one of its kind, multiplied and divided by
// numbers and fractions, and is its text wherever text is taken: `..`, tostring, string.format("%s"), the functions of
// `string`, and every parameter. Only `==` with text is false, as Lua never asks about values of two types.
#pragma once

#include <lua.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/base/units.hpp"

namespace grit {

/// Units whose values are quantities in Lua, with the names of their constructors: grit.time, grit.bytes ...
const std::vector<std::pair<std::string, Unit>>& quantity_constructors();

/// Makes quantities known to the state.
void install_quantities(lua_State* lua);

/// Pushes a function that makes a quantity of this unit of text: grit.time "30ms".
void push_quantity_constructor(lua_State* lua, Unit unit);

/// Pushes what a scenario sees of an option's value: a quantity; a number for count and number; true or false for
/// boolean; the text as it is for any other and without a unit. `text` was checked against the unit.
void push_option_value(lua_State* lua, const std::string& text, std::optional<Unit> unit);

/// The unit of a quantity that is written so: "1s" is a time, "10%" a fraction. None for other text, and for numbers
/// without a unit, which can be anything (a node, for one).
std::optional<Unit> unit_of_text(const std::string& text);

struct QuantityValue {
  Unit unit = Unit::text;
  Json value;
  std::string text;  // as it was written; of a result, as format_quantity() writes it
};

/// May one stand for the other: the same unit, or bytes written with a unit and without?
bool is_same_kind(Unit a, Unit b);

/// The quantity at `index`; nothing when there is another value.
std::optional<QuantityValue> quantity_at(lua_State* lua, int index);

}  // namespace grit
