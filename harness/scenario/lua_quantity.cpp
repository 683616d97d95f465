#include "harness/scenario/lua_quantity.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "harness/base/shortened.hpp"
#include "harness/scenario/sandbox.hpp"

namespace grit {
namespace {

constexpr const char* kQuantity = "grit.quantity";
// Just below 2^63, and a double: what is not below it does not fit.
constexpr double kTooLarge = 9.2e18;

/// What Lua holds; its text is the value's first user value, so that it counts as memory of the scenario.
struct Held {
  Unit unit;
  std::int64_t integer;  // is_integer(unit)
  double number;         // else
};

const Held* held_at(lua_State* lua, int index) {
  return static_cast<const Held*>(luaL_testudata(lua, index, kQuantity));
}

void push_quantity(lua_State* lua, Unit unit, const Json& value, const std::string& text) {
  auto* held = static_cast<Held*>(lua_newuserdatauv(lua, sizeof(Held), 1));
  *held = Held{unit, 0, 0};
  if (is_integer(unit))
    held->integer = value.get<std::int64_t>();
  else
    held->number = value.get<double>();
  lua_pushlstring(lua, text.data(), text.size());
  lua_setiuservalue(lua, -2, 1);
  luaL_setmetatable(lua, kQuantity);
}

int push_result(lua_State* lua, Unit unit, const Json& value) {
  push_quantity(lua, unit, value, format_quantity(value, unit));
  return 1;
}

bool is_of_bytes(Unit unit) { return unit == Unit::bytes || unit == Unit::size_bytes; }

std::string named_type(lua_State* lua, int index) {
  if (const Held* held = held_at(lua, index)) return fmt::format("a {}", unit_name(held->unit));
  return lua_type(lua, index) == LUA_TSTRING ? fmt::format("\"{}\"", shortened(lua_tostring(lua, index)))
                                             : fmt::format("a {}", luaL_typename(lua, index));
}

/// Both operands as quantities of one kind; text counts as one of the other operand's kind.
struct Pair {
  Unit unit;
  Held left, right;
};

Held operand(lua_State* lua, int index, Unit unit, std::string_view verb) {
  const Held* held = held_at(lua, index);
  if (held != nullptr && is_same_kind(held->unit, unit)) return *held;
  if (held != nullptr || lua_type(lua, index) != LUA_TSTRING)
    throw ScenarioError(fmt::format("{} and {} cannot be {}", named_type(lua, 1), named_type(lua, 2), verb));
  const auto value = parse_quantity(lua_tostring(lua, index), unit);
  if (!value) throw ScenarioError(value.error().message);
  Held read{unit, 0, 0};
  if (is_integer(unit))
    read.integer = value->get<std::int64_t>();
  else
    read.number = value->get<double>();
  return read;
}

Pair operands(lua_State* lua, std::string_view verb) {
  const Held* left = held_at(lua, 1);
  const Unit unit = left != nullptr ? left->unit : held_at(lua, 2)->unit;
  return {unit, operand(lua, 1, unit, verb), operand(lua, 2, unit, verb)};
}

double as_double(const Held& held) { return is_integer(held.unit) ? static_cast<double>(held.integer) : held.number; }

[[noreturn]] void too_large(Unit unit) {
  throw ScenarioError(fmt::format("the {} does not fit into 63 bits", unit_name(unit)));
}

/// A computed amount as the unit holds it, integers rounded.
Json held_as(Unit unit, double amount) {
  if (!(amount >= 0)) throw ScenarioError(fmt::format("the {} would be negative or not a number", unit_name(unit)));
  if (!is_integer(unit)) {
    if (!std::isfinite(amount)) throw ScenarioError(fmt::format("the {} does not fit a double", unit_name(unit)));
    return amount;
  }
  if (amount >= kTooLarge) too_large(unit);
  return std::int64_t{std::llround(amount)};
}

int add(lua_State* lua) {
  const Pair pair = operands(lua, "added");
  if (!is_integer(pair.unit))
    return push_result(lua, pair.unit, held_as(pair.unit, pair.left.number + pair.right.number));
  std::int64_t sum = 0;
  if (__builtin_add_overflow(pair.left.integer, pair.right.integer, &sum)) too_large(pair.unit);
  return push_result(lua, pair.unit, sum);
}

int subtract(lua_State* lua) {
  const Pair pair = operands(lua, "subtracted");
  if (!is_integer(pair.unit))
    return push_result(lua, pair.unit, held_as(pair.unit, pair.left.number - pair.right.number));
  if (pair.right.integer > pair.left.integer)
    throw ScenarioError(fmt::format("the {} would be negative", unit_name(pair.unit)));
  return push_result(lua, pair.unit, pair.left.integer - pair.right.integer);
}

/// A plain number, or a fraction, which is one: 200 % of something is twice as much.
std::optional<double> factor_at(lua_State* lua, int index) {
  if (const Held* held = held_at(lua, index))
    return held->unit == Unit::fraction ? std::optional(held->number) : std::nullopt;
  return lua_isnumber(lua, index) != 0 ? std::optional<double>(lua_tonumber(lua, index)) : std::nullopt;
}

int multiply(lua_State* lua) {
  // The fraction is the factor, whichever stands first, and of two fractions the second.
  const Held* first = held_at(lua, 1);
  const bool second_scales = factor_at(lua, 2).has_value() && first != nullptr;
  const Held* scaled = second_scales ? first : held_at(lua, 2);
  const auto factor = factor_at(lua, second_scales ? 2 : 1);
  if (scaled == nullptr || !factor)
    throw ScenarioError(fmt::format("{} and {} cannot be multiplied: one of them must be a number or a fraction",
                                    named_type(lua, 1), named_type(lua, 2)));
  const int place = second_scales ? 2 : 1;
  if (is_integer(scaled->unit) && lua_isinteger(lua, place) != 0) {
    std::int64_t product = 0;
    if (lua_tointeger(lua, place) < 0) held_as(scaled->unit, -1);
    if (__builtin_mul_overflow(scaled->integer, lua_tointeger(lua, place), &product)) too_large(scaled->unit);
    return push_result(lua, scaled->unit, product);
  }
  return push_result(lua, scaled->unit, held_as(scaled->unit, as_double(*scaled) * *factor));
}

/// By one of its kind: how often it fits, a number. By a number or a fraction: a part.
int divide(lua_State* lua) {
  const Held* left = held_at(lua, 1);
  const Held* right = held_at(lua, 2);
  if (left != nullptr && ((right != nullptr && is_same_kind(left->unit, right->unit)) ||
                          (right == nullptr && lua_type(lua, 2) == LUA_TSTRING && lua_isnumber(lua, 2) == 0))) {
    const Pair pair = operands(lua, "divided");
    lua_pushnumber(lua, as_double(pair.left) / as_double(pair.right));
    return 1;
  }
  const auto factor = factor_at(lua, 2);
  if (left == nullptr || !factor)
    throw ScenarioError(fmt::format("{} cannot be divided by {}", named_type(lua, 1), named_type(lua, 2)));
  return push_result(lua, left->unit, held_as(left->unit, as_double(*left) / *factor));
}

bool is_less(const Pair& pair) {
  return is_integer(pair.unit) ? pair.left.integer < pair.right.integer : pair.left.number < pair.right.number;
}

bool is_equal(const Pair& pair) {
  return is_integer(pair.unit) ? pair.left.integer == pair.right.integer : pair.left.number == pair.right.number;
}

int less(lua_State* lua) { return lua_pushboolean(lua, is_less(operands(lua, "compared"))), 1; }

int less_or_equal(lua_State* lua) {
  const Pair pair = operands(lua, "compared");
  return lua_pushboolean(lua, is_less(pair) || is_equal(pair)), 1;
}

/// Lua asks for two userdata only; what is no quantity of the same kind is another value.
int equal(lua_State* lua) {
  const Held* left = held_at(lua, 1);
  const Held* right = held_at(lua, 2);
  const bool comparable = left != nullptr && right != nullptr && is_same_kind(left->unit, right->unit);
  return lua_pushboolean(lua, comparable && is_equal(Pair{left->unit, *left, *right})), 1;
}

int to_text(lua_State* lua) {
  if (held_at(lua, 1) == nullptr) throw ScenarioError("not a quantity");
  lua_getiuservalue(lua, 1, 1);
  return 1;
}

int concatenate(lua_State* lua) {
  for (const int index : {1, 2}) {
    if (held_at(lua, index) == nullptr) {
      if (lua_isstring(lua, index) == 0)
        throw ScenarioError(fmt::format("{} and {} cannot be concatenated", named_type(lua, 1), named_type(lua, 2)));
      lua_pushvalue(lua, index);
    } else {
      lua_getiuservalue(lua, index, 1);
    }
  }
  lua_concat(lua, 2);
  return 1;
}

/// Upvalue 1: the unit.
int make_quantity(lua_State* lua) {
  const auto unit = static_cast<Unit>(lua_tointeger(lua, lua_upvalueindex(1)));
  if (const Held* held = held_at(lua, 1); held != nullptr && is_same_kind(held->unit, unit))
    return lua_settop(lua, 1), 1;
  if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING)
    throw ScenarioError(fmt::format("a {} is made of text", unit_name(unit)));
  const std::string text = lua_tostring(lua, 1);
  const auto value = parse_quantity(text, unit);
  if (!value) throw ScenarioError(value.error().message);
  push_quantity(lua, unit, *value, text);
  return 1;
}

/// A number exactly as written, or nothing: what lua_stringtonumber takes beyond that (hexadecimal, blanks) stays text.
bool push_number(lua_State* lua, const std::string& text) {
  if (text.find_first_not_of("0123456789.eE+-") != std::string::npos) return false;
  return lua_stringtonumber(lua, text.c_str()) != 0;
}

}  // namespace

const std::vector<std::pair<std::string, Unit>>& quantity_constructors() {
  static const std::vector<std::pair<std::string, Unit>> all{
      {"time", Unit::time_ns},        {"bytes", Unit::bytes},       {"size", Unit::size_bytes},
      {"bit_rate", Unit::bits_per_s}, {"fraction", Unit::fraction}, {"flop_rate", Unit::flops_per_s}};
  return all;
}

void install_quantities(lua_State* lua) {
  luaL_newmetatable(lua, kQuantity);
  const luaL_Reg functions[] = {{"__add", guarded<add>},          {"__sub", guarded<subtract>},
                                {"__mul", guarded<multiply>},     {"__div", guarded<divide>},
                                {"__lt", guarded<less>},          {"__le", guarded<less_or_equal>},
                                {"__eq", guarded<equal>},         {"__concat", guarded<concatenate>},
                                {"__tostring", guarded<to_text>}, {nullptr, nullptr}};
  luaL_setfuncs(lua, functions, 0);
  lua_getglobal(lua, LUA_STRLIBNAME);  // o.down:gsub("ms", ""): these take quantities as text (bounded.cpp)
  lua_setfield(lua, -2, "__index");
  lua_pop(lua, 1);
}

void push_quantity_constructor(lua_State* lua, Unit unit) {
  lua_pushinteger(lua, static_cast<lua_Integer>(unit));
  lua_pushcclosure(lua, guarded<make_quantity>, 1);
}

void push_option_value(lua_State* lua, const std::string& text, std::optional<Unit> unit) {
  if (unit == Unit::boolean) {
    lua_pushboolean(lua, parse_quantity(text, *unit).value_or(false).get<bool>() ? 1 : 0);
    return;
  }
  if (unit == Unit::count) {
    lua_pushinteger(lua, parse_quantity(text, *unit).value_or(0).get<lua_Integer>());
    return;
  }
  if (unit == Unit::number && push_number(lua, text)) return;
  const bool plain = !unit || unit == Unit::text || unit == Unit::number;
  const auto value = plain ? Result<Json>(Json()) : parse_quantity(text, *unit);
  if (plain || !value)
    lua_pushlstring(lua, text.data(), text.size());
  else
    push_quantity(lua, *unit, *value, text);
}

std::optional<Unit> unit_of_text(const std::string& text) {
  if (text.empty() || (text.back() >= '0' && text.back() <= '9')) return std::nullopt;
  for (const Unit unit : {Unit::time_ns, Unit::bytes, Unit::bits_per_s, Unit::fraction, Unit::flops_per_s})
    if (parse_quantity(text, unit)) return unit;
  return std::nullopt;
}

bool is_same_kind(Unit a, Unit b) { return a == b || (is_of_bytes(a) && is_of_bytes(b)); }

std::optional<QuantityValue> quantity_at(lua_State* lua, int index) {
  const Held* held = held_at(lua, index);
  if (held == nullptr) return std::nullopt;
  const Json value = is_integer(held->unit) ? Json(held->integer) : Json(held->number);
  lua_getiuservalue(lua, index, 1);
  std::size_t size = 0;
  const char* text = lua_tolstring(lua, -1, &size);
  QuantityValue quantity{held->unit, value, std::string(text, size)};
  lua_pop(lua, 1);
  return quantity;
}

}  // namespace grit
