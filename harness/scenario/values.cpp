#include "harness/scenario/values.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <climits>

#include "harness/base/printable.hpp"
#include "harness/base/shortened.hpp"
#include "harness/scenario/library.hpp"
#include "harness/scenario/lua_quantity.hpp"
#include "harness/scenario/sandbox.hpp"
#include "harness/scenario/tables.hpp"

namespace grit {
namespace {

// Longer than any test, and short enough that sums and products of a fault's times cannot overflow.
constexpr std::int64_t kMaxTimeNs = std::int64_t{100} * 3600 * 1'000'000'000;

constexpr std::string_view kSelectors =
    R"(2, "1,3", {1, 3}, { pp = 1 }, "any", "all", "25%", or what grit.node "any" gave)";

[[noreturn]] void bad_selector(const std::string& what, std::string_view got) {
  throw ScenarioError(fmt::format("{} is not a node selector: {}; write {}", what, got, kSelectors));
}

int node_index(std::int64_t number, const std::string& what) {
  if (number < 0 || number > INT_MAX) bad_selector(what, fmt::format("{} is not a node", number));
  return static_cast<int>(number);
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(' ');
  return first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

void add_node(NodeSelector& selector, int node, const std::string& what) {
  if (std::find(selector.nodes.begin(), selector.nodes.end(), node) != selector.nodes.end()) {
    bad_selector(what, fmt::format("node {} is named twice", node));
  }
  selector.nodes.push_back(node);
}

NodeSelector selector_from_text(std::string_view text, const std::string& what) {
  NodeSelector selector;
  const std::string_view word = trimmed(text);
  if (word == "any" || word == "all") {
    selector.kind = word == "any" ? NodeSelector::Kind::any : NodeSelector::Kind::all;
    return selector;
  }
  if (word.ends_with('%')) {
    const auto share = parse_quantity(word, Unit::fraction);
    if (!share) bad_selector(what, share.error().message);
    selector.kind = NodeSelector::Kind::fraction;
    selector.share = share->get<double>();
    if (selector.share <= 0 || selector.share > 1)
      bad_selector(what, "a share of the nodes is above 0% and at most 100%");
    return selector;
  }
  for (std::string_view rest = word;;) {
    const auto comma = rest.find(',');
    const std::string_view item = trimmed(rest.substr(0, comma));
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), number);
    if (item.empty() || error != std::errc{} || end != item.data() + item.size()) {
      bad_selector(what, fmt::format("\"{}\"", shortened(text)));
    }
    add_node(selector, node_index(number, what), what);
    if (comma == std::string_view::npos) return selector;
    rest.remove_prefix(comma + 1);
  }
}

bool has_names(lua_State* lua, int table) {
  bool named = false;
  for (lua_pushnil(lua); lua_next(lua, table) != 0; lua_pop(lua, 1)) named = named || lua_type(lua, -2) == LUA_TSTRING;
  return named;
}

NodeSelector selector_from_list(lua_State* lua, int table, const std::string& what) {
  NodeSelector selector;
  const lua_Integer length = list_length(lua, table, what);
  if (length == 0) bad_selector(what, "the list is empty");
  for (lua_Integer i = 1; i <= length; ++i) {
    lua_rawgeti(lua, table, i);
    const Json number = as_quantity(lua, lua_gettop(lua), Unit::count, what);
    add_node(selector, node_index(number.get<std::int64_t>(), what), what);
    lua_pop(lua, 1);
  }
  return selector;
}

std::string text_of_number(lua_State* lua, int index) {
  if (lua_isinteger(lua, index) != 0) return fmt::format("{}", lua_tointeger(lua, index));
  return fmt::format("{}", lua_tonumber(lua, index));
}

std::string_view text_at(lua_State* lua, int index) {
  std::size_t size = 0;
  const char* text = lua_tolstring(lua, index, &size);
  return {text, size};
}

}  // namespace

bool is_identifier(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto inner = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name.size() <= 64 && letter(name.front()) && std::all_of(name.begin(), name.end(), inner);
}

bool is_utf8(const std::string& text) { return exact_json_text(text).has_value(); }

std::vector<std::string> text_keys(lua_State* lua, int table, const std::string& owner) {
  std::vector<std::string> keys;
  for (lua_pushnil(lua); lua_next(lua, table) != 0; lua_pop(lua, 1)) {
    if (lua_type(lua, -2) != LUA_TSTRING) {
      throw ScenarioError(fmt::format("{} holds a value without a name; write name = value", owner));
    }
    keys.emplace_back(text_at(lua, -2));
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  const std::string nearest = nearest_name(word, known);
  if (!nearest.empty()) return fmt::format("; did you mean \"{}\"?", nearest);
  return known.empty() ? "; there are none" : fmt::format("; there are: {}", fmt::join(known, ", "));
}

void check_keys(lua_State* lua, int table, std::string_view kind, const std::string& owner,
                const std::vector<std::string>& known) {
  for (const std::string& key : text_keys(lua, table, owner)) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    throw ScenarioError(fmt::format("unknown {} \"{}\" of {}{}", kind, shortened(key), owner, suggestion(key, known)));
  }
}

int push_field(lua_State* lua, int table, std::string_view key) {
  const int absolute = lua_absindex(lua, table);
  lua_pushlstring(lua, key.data(), key.size());
  return lua_rawget(lua, absolute);
}

lua_Integer list_length(lua_State* lua, int table, std::string_view name) {
  lua_Integer keys = 0;
  std::string key;  // that no list has
  for (lua_pushnil(lua); lua_next(lua, table) != 0; lua_pop(lua, 1), ++keys)
    if (lua_type(lua, -2) == LUA_TSTRING) key = text_at(lua, -2);
  if (!key.empty())
    throw ScenarioError(
        fmt::format("{} is not a plain list {{ a, b, ... }}: it has the key \"{}\"", name, shortened(printable(key))));
  for (lua_Integer i = 1; i <= keys; ++i) {
    const int type = lua_rawgeti(lua, table, i);
    lua_pop(lua, 1);
    if (type == LUA_TNIL)
      throw ScenarioError(fmt::format("{} is not a plain list {{ a, b, ... }}: it has nothing at {}", name, i));
  }
  return keys;
}

std::string as_text(lua_State* lua, int index, const std::string& what) {
  switch (lua_type(lua, index)) {
    case LUA_TSTRING: {
      std::string text(text_at(lua, index));
      if (!is_utf8(text)) throw ScenarioError(what + " is not UTF-8 text");
      return text;
    }
    case LUA_TNUMBER:
      return text_of_number(lua, index);
    case LUA_TBOOLEAN:
      return lua_toboolean(lua, index) != 0 ? "true" : "false";
    default:
      if (const auto quantity = quantity_at(lua, index)) return quantity->text;
      throw ScenarioError(fmt::format("{} must be text, not a {}", what, luaL_typename(lua, index)));
  }
}

std::string text_field(lua_State* lua, int table, std::string_view key, const std::string& what) {
  std::string text;
  if (push_field(lua, table, key) != LUA_TNIL) {
    if (lua_type(lua, -1) != LUA_TSTRING) throw ScenarioError(fmt::format("{} must be text in quotes", what));
    text = as_text(lua, -1, what);
  }
  lua_pop(lua, 1);
  return text;
}

Json as_quantity(lua_State* lua, int index, Unit unit, const std::string& what) {
  const auto quantity = quantity_at(lua, index);
  const int type = quantity ? LUA_TSTRING : lua_type(lua, index);
  const bool fits = type == LUA_TSTRING || (type == LUA_TNUMBER && unit != Unit::text && unit != Unit::boolean) ||
                    (type == LUA_TBOOLEAN && unit == Unit::boolean);
  if (!fits) {
    const std::string_view got = luaL_typename(lua, index);
    throw ScenarioError(fmt::format("{} takes {}, not a {}{}", what, unit_name(unit), got,
                                    unit == Unit::text && type == LUA_TNUMBER ? "; write it in quotes" : ""));
  }
  auto value = quantity && is_same_kind(quantity->unit, unit) ? Result<Json>(quantity->value)
                                                              : parse_quantity(as_text(lua, index, what), unit);
  if (!value) throw ScenarioError(what + ": " + value.error().message);
  if (unit == Unit::time_ns && value->get<std::int64_t>() > kMaxTimeNs) {
    throw ScenarioError(what + " is longer than 100h");
  }
  return std::move(*value);
}

AxisValues as_axis_values(lua_State* lua, int table, const std::string& what, const std::vector<std::string>& known) {
  check_keys(lua, table, "axis", what, known);
  AxisValues values;
  for (const std::string& name : known) {
    if (push_field(lua, table, name) != LUA_TNIL) {
      const std::string which = fmt::format("{} of {}", name, what);
      const auto value = as_quantity(lua, lua_gettop(lua), Unit::count, which).get<std::int64_t>();
      if (value > INT_MAX)
        throw ScenarioError(fmt::format("{} is {}: there are no jobs of so many ranks", which, value));
      values[axis_called(name).value()] = static_cast<int>(value);
    }
    lua_pop(lua, 1);
  }
  return values;
}

AxisValues as_coordinates(lua_State* lua, int table, const std::string& what) {
  AxisValues at = as_axis_values(lua, table, what, scenario_table("grit.coordinates").names());
  if (at.empty()) throw ScenarioError(what + " names no axis: write { tp = 1 }");
  return at;
}

NodeSelector as_selector(lua_State* lua, int index, const std::string& what) {
  switch (lua_type(lua, index)) {
    case LUA_TNUMBER:
    case LUA_TSTRING:
      return selector_from_text(as_text(lua, index, what), what);
    case LUA_TTABLE:
      if (const int table = lua_absindex(lua, index); has_names(lua, table))
        return NodeSelector{.kind = NodeSelector::Kind::coordinates, .at = as_coordinates(lua, table, what)};
      return selector_from_list(lua, lua_absindex(lua, index), what);
    case LUA_TUSERDATA:
      if (const void* draw = luaL_testudata(lua, index, kNodeHandle))
        return NodeSelector{.kind = NodeSelector::Kind::drawn, .draw = *static_cast<const std::size_t*>(draw)};
      if (const auto share = quantity_at(lua, index)) return selector_from_text(share->text, what);
      [[fallthrough]];
    default:
      bad_selector(what, fmt::format("a {}", luaL_typename(lua, index)));
  }
}

Json as_params(lua_State* lua, int table, const std::vector<ParamSpec>& specs, const std::string& owner,
               const std::vector<std::string>& also) {
  std::vector<std::string> known = also;
  for (const ParamSpec& spec : specs) known.push_back(spec.name);
  check_keys(lua, table, "parameter", owner, known);
  Json given = Json::object();
  for (const ParamSpec& spec : specs) {
    if (push_field(lua, table, spec.name) != LUA_TNIL) {
      Json value =
          as_quantity(lua, lua_gettop(lua), spec.unit, fmt::format("parameter \"{}\" of {}", spec.name, owner));
      if (const Status ok = check_param(spec, value); !ok) throw ScenarioError(owner + ": " + ok.error().message);
      given[spec.name] = std::move(value);
    }
    lua_pop(lua, 1);
  }
  auto complete = complete_params(specs, std::move(given));
  if (!complete) throw ScenarioError(owner + ": " + complete.error().message);
  return std::move(*complete);
}

}  // namespace grit
