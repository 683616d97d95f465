#include "harness/scenario/bounded.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <tuple>
#include <vector>

#include "harness/scenario/sandbox.hpp"

namespace grit {
namespace {

constexpr double kMaxPatternSteps = 1e9;          // one to two seconds at worst, and far from reached by real patterns
constexpr double kQuickPatternSteps = 1e5;        // less than a millisecond, and not worth a look at the clock
constexpr lua_Integer kMaxRepetitions = 1 << 26;  // string.rep("", 1e18) allocates nothing and takes years
constexpr lua_Integer kMaxMoved = 1 << 20;        // so does table.move of an empty table

/// What in a Lua pattern makes matching branch: every quantifier chooses a length.
struct PatternShape {
  bool anchored = false;
  bool scans = false;  // %b and back references read the subject at every step
  int quantifiers = 0;
};

/// The place of the ] that ends the set which begins at `open`; a ] right after [ or [^ is a member.
std::size_t end_of_set(std::string_view pattern, std::size_t open) {
  std::size_t i = open + 1;
  if (i < pattern.size() && pattern[i] == '^') ++i;
  for (bool first = true; i < pattern.size(); ++i, first = false) {
    if (pattern[i] == ']' && !first) return i;
    if (pattern[i] == '%') ++i;
  }
  return pattern.size();
}

PatternShape shape_of(std::string_view pattern) {
  PatternShape shape;
  shape.anchored = pattern.starts_with('^');
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '%' && i + 1 < pattern.size()) {
      ++i;
      if (pattern[i] == 'b' || (pattern[i] >= '0' && pattern[i] <= '9')) shape.scans = true;
    } else if (pattern[i] == '[') {
      i = end_of_set(pattern, i);
    } else if (std::string_view("*+-?").find(pattern[i]) != std::string_view::npos) {
      ++shape.quantifiers;
    }
  }
  return shape;
}

/// An upper bound for the single-character comparisons of Lua's backtracking matcher (lstrlib.c): k quantifiers divide
/// m characters in at most C(m+k+1, k) ways, each way reads the pattern once, from every start.
double worst_steps(std::string_view subject, std::string_view pattern) {
  const PatternShape shape = shape_of(pattern);
  const auto length = static_cast<double>(subject.size()) + 1;
  double steps = shape.anchored ? 1 : length;
  for (int i = 1; i <= shape.quantifiers; ++i) steps *= (length + i) / i;
  if (shape.scans) steps *= length;
  return steps * static_cast<double>(pattern.size() + 1);
}

std::string_view check_text(lua_State* lua, int index) {
  std::size_t size = 0;
  const char* text = luaL_checklstring(lua, index, &size);
  return {text, size};
}

/// Runs the function it replaces in its own frame, so that error messages name the caller's line.
int call_original(lua_State* lua) { return lua_tocfunction(lua, lua_upvalueindex(1))(lua); }

/// Arguments with a text of their own, quantities (harness/scenario/lua_quantity.hpp), become that text.
void take_texts(lua_State* lua) {
  for (int i = 1, last = lua_gettop(lua); i <= last; ++i) {
    if (lua_type(lua, i) != LUA_TUSERDATA || luaL_getmetafield(lua, i, "__tostring") == LUA_TNIL) continue;
    lua_pop(lua, 1);
    luaL_tolstring(lua, i, nullptr);
    lua_replace(lua, i);
  }
}

/// Any function of `string`.
int text_function(lua_State* lua) {
  take_texts(lua);
  return call_original(lua);
}

int bounded_pattern(lua_State* lua) {
  take_texts(lua);
  const std::string_view subject = check_text(lua, 1);
  const std::string_view pattern = check_text(lua, 2);
  const double steps = worst_steps(subject, pattern);
  if (steps > kMaxPatternSteps) {
    throw ScenarioError(
        fmt::format("matching pattern \"{:.40}\" against {} characters could take too long: anchor it "
                    "with ^, use fewer repetitions, or a shorter text",
                    pattern, subject.size()));
  }
  const int results = call_original(lua);
  if (steps > kQuickPatternSteps) check_cpu_time(lua);
  return results;
}

/// Upvalue 1: gmatch's own iterator. A loop over a handful of matches hardly counts as instructions.
int next_match(lua_State* lua) {
  lua_settop(lua, 0);
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_call(lua, 0, LUA_MULTRET);
  check_cpu_time(lua);
  return lua_gettop(lua);
}

int bounded_gmatch(lua_State* lua) {
  bounded_pattern(lua);
  lua_pushcclosure(lua, guarded<next_match>, 1);
  return 1;
}

int bounded_rep(lua_State* lua) {
  take_texts(lua);
  if (luaL_checkinteger(lua, 2) > kMaxRepetitions) {
    throw ScenarioError(fmt::format("string.rep repeats at most {} times", kMaxRepetitions));
  }
  return call_original(lua);
}

bool formats_address(std::string_view format) {
  for (std::size_t i = format.find('%'); i != std::string_view::npos; i = format.find('%', i + 1)) {
    i = std::min(format.find_first_not_of("-+ #0123456789.", i + 1), format.size());
    if (i < format.size() && format[i] == 'p') return true;
  }
  return false;
}

int bounded_format(lua_State* lua) {
  if (formats_address(check_text(lua, 1)))
    throw ScenarioError("string.format: %p is an address, which would be another one in every run");
  for (int i = 2, last = lua_gettop(lua); i <= last; ++i) {
    const int type = lua_type(lua, i);
    if (type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER || type == LUA_TSTRING) continue;
    push_plain_text(lua, i);
    lua_replace(lua, i);
  }
  return call_original(lua);
}

int plain_tostring(lua_State* lua) {
  luaL_checkany(lua, 1);
  push_plain_text(lua, 1);
  return 1;
}

int bounded_move(lua_State* lua) {
  const lua_Integer first = luaL_checkinteger(lua, 2);
  const lua_Integer last = luaL_checkinteger(lua, 3);
  // As unsigned, the difference cannot overflow.
  const lua_Unsigned span = static_cast<lua_Unsigned>(last) - static_cast<lua_Unsigned>(first);
  if (last >= first && span >= static_cast<lua_Unsigned>(kMaxMoved)) {
    throw ScenarioError(fmt::format("table.move moves at most {} elements", kMaxMoved));
  }
  return call_original(lua);
}

/// One key of a table: numbers before text. The text lives in the Lua list of keys.
struct Key {
  bool is_text = false;
  lua_Number number = 0;
  std::string_view text{};
  lua_Integer place = 0;
};

std::vector<Key> collect_keys(lua_State* lua, int table, int list) {
  std::vector<Key> keys;
  for (lua_pushnil(lua); lua_next(lua, table) != 0; lua_pop(lua, 1)) {
    const int type = lua_type(lua, -2);
    if (type != LUA_TNUMBER && type != LUA_TSTRING) {
      throw ScenarioError("pairs goes through tables whose keys are numbers or text only");
    }
    Key key;
    key.place = static_cast<lua_Integer>(keys.size()) + 1;
    key.is_text = type == LUA_TSTRING;
    std::size_t size = 0;
    if (key.is_text) {
      const char* text = lua_tolstring(lua, -2, &size);
      key.text = {text, size};
    } else {
      key.number = lua_tonumber(lua, -2);
    }
    lua_pushvalue(lua, -2);
    lua_rawseti(lua, list, key.place);
    keys.push_back(key);
  }
  return keys;
}

/// Iterator of sorted_pairs: upvalue 1 is the list of keys, upvalue 2 the place of the last one visited.
int next_pair(lua_State* lua) {
  for (;;) {
    const lua_Integer place = lua_tointeger(lua, lua_upvalueindex(2)) + 1;
    lua_pushinteger(lua, place);
    lua_replace(lua, lua_upvalueindex(2));
    if (lua_rawgeti(lua, lua_upvalueindex(1), place) == LUA_TNIL) return 1;
    lua_pushvalue(lua, -1);
    if (lua_rawget(lua, 1) != LUA_TNIL) return 2;
    lua_pop(lua, 2);  // removed while we went through
  }
}

int sorted_pairs(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_settop(lua, 1);
  lua_newtable(lua);
  std::vector<Key> keys = collect_keys(lua, 1, 2);
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) {
    return std::tie(a.is_text, a.number, a.text) < std::tie(b.is_text, b.number, b.text);
  });
  lua_createtable(lua, static_cast<int>(keys.size()), 0);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    lua_rawgeti(lua, 2, keys[i].place);
    lua_rawseti(lua, 3, static_cast<lua_Integer>(i) + 1);
  }
  lua_pushinteger(lua, 0);
  lua_pushcclosure(lua, guarded<next_pair>, 2);
  lua_pushvalue(lua, 1);
  lua_pushnil(lua);
  return 3;
}

/// library.name = bounded, with the function that was there as its upvalue.
void wrap(lua_State* lua, const char* library, const char* name, lua_CFunction bounded) {
  lua_getglobal(lua, library);
  lua_getfield(lua, -1, name);
  lua_pushcclosure(lua, bounded, 1);
  lua_setfield(lua, -2, name);
  lua_pop(lua, 1);
}

}  // namespace

void push_plain_text(lua_State* lua, int index) {
  const int type = lua_type(lua, index);
  const bool plain = type == LUA_TNIL || type == LUA_TBOOLEAN || type == LUA_TNUMBER || type == LUA_TSTRING;
  const int at = lua_absindex(lua, index);
  if (!plain && luaL_getmetafield(lua, at, "__tostring") == LUA_TNIL) {  // luaL_tolstring would add the address
    if (luaL_getmetafield(lua, at, "__name") != LUA_TSTRING) lua_pushstring(lua, luaL_typename(lua, at));
    return;
  }
  if (!plain) lua_pop(lua, 1);
  luaL_tolstring(lua, at, nullptr);
}

void install_bounded_functions(lua_State* lua) {
  lua_getglobal(lua, LUA_STRLIBNAME);
  std::vector<std::string> names;
  for (lua_pushnil(lua); lua_next(lua, -2) != 0; lua_pop(lua, 1)) names.emplace_back(lua_tostring(lua, -2));
  lua_pop(lua, 1);
  for (const std::string& name : names) {
    const bool pattern = name == "find" || name == "match" || name == "gsub";
    wrap(lua, LUA_STRLIBNAME, name.c_str(),
         pattern            ? guarded<bounded_pattern>
         : name == "gmatch" ? guarded<bounded_gmatch>
         : name == "rep"    ? guarded<bounded_rep>
         : name == "format" ? guarded<bounded_format>
                            : guarded<text_function>);
  }
  wrap(lua, "table", "move", guarded<bounded_move>);
  lua_pushcfunction(lua, guarded<sorted_pairs>);
  lua_setglobal(lua, "pairs");
  lua_pushcfunction(lua, guarded<plain_tostring>);
  lua_setglobal(lua, "tostring");
}

}  // namespace grit
