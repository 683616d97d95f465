#include "harness/scenario/load_burnin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <lua.hpp>
#include <set>
#include <sstream>

#include "harness/base/shortened.hpp"
#include "harness/model/burnin_measures.hpp"
#include "harness/scenario/library.hpp"
#include "harness/scenario/load.hpp"
#include "harness/scenario/load_checks.hpp"
#include "harness/scenario/sandbox.hpp"
#include "harness/scenario/tables.hpp"
#include "harness/scenario/values.hpp"

namespace grit {
namespace {

constexpr std::int64_t kMostRounds = 100, kMostVisits = 1000, kMostNodes = 1'000'000, kMostRanks = 1024;
/// What a site buys alike, and what changes when something breaks or was put in wrongly.
constexpr std::array kMustMatch{"cores",     "numa_nodes", "memory_bytes", "gpus",      "nics",
                                "nic_speed", "nic_mtu",    "pcie_width",   "pcie_speed"};
constexpr std::int64_t kDefaultLength_ns = 1'000'000'000, kDefaultLimit_ns = 60'000'000'000;

/// A table at a fixed place of the stack, and what messages call it: round "links".
struct Owner {
  lua_State* lua = nullptr;
  int table = 0;
  std::string name{};

  [[nodiscard]] std::string what(std::string_view key) const { return fmt::format("\"{}\" of {}", key, name); }
  [[nodiscard]] bool has(std::string_view key) const {
    const bool given = push_field(lua, table, key) != LUA_TNIL;
    lua_pop(lua, 1);
    return given;
  }
};

std::optional<Json> quantity(const Owner& owner, std::string_view key, Unit unit) {
  std::optional<Json> value;
  if (push_field(owner.lua, owner.table, key) != LUA_TNIL)
    value = as_quantity(owner.lua, lua_gettop(owner.lua), unit, owner.what(key));
  lua_pop(owner.lua, 1);
  return value;
}

std::int64_t whole(const Owner& owner, std::string_view key, std::int64_t fallback, std::int64_t least,
                   std::int64_t most) {
  const auto value = quantity(owner, key, Unit::count);
  if (!value) return fallback;
  const auto number = value->get<std::int64_t>();
  if (number < least || number > most)
    throw ScenarioError(fmt::format("{} is {}; it is {} to {}", owner.what(key), number, least, most));
  return number;
}

std::int64_t time_ns(const Owner& owner, std::string_view key, std::int64_t fallback_ns) {
  const auto value = quantity(owner, key, Unit::time_ns);
  const std::int64_t time_ns = value ? value->get<std::int64_t>() : fallback_ns;
  if (time_ns == 0) throw ScenarioError(owner.what(key) + " must be longer than 0");
  return time_ns;
}

/// A plain list under `key`, each of whose values is on top of the stack when `take` is called with its place, from 1.
/// Nothing when it is absent.
template <class Take>
bool read_list(const Owner& owner, std::string_view key, std::string_view example, Take take) {
  const int type = push_field(owner.lua, owner.table, key);
  if (type != LUA_TNIL && type != LUA_TTABLE)
    throw ScenarioError(fmt::format("{} must be a list: {} = {}", owner.what(key), key, example));
  if (type == LUA_TTABLE) {
    const int list = lua_gettop(owner.lua);
    const lua_Integer length = list_length(owner.lua, list, owner.what(key));
    for (lua_Integer i = 1; i <= length; ++i, lua_settop(owner.lua, list)) {
      lua_rawgeti(owner.lua, list, i);
      take(i);
    }
  }
  lua_pop(owner.lua, 1);
  return type == LUA_TTABLE;
}

/// A list of words, each one of `known` and there once.
std::optional<std::vector<std::string>> words(const Owner& owner, std::string_view key, std::string_view one,
                                              std::string_view example, const std::vector<std::string>& known) {
  std::vector<std::string> found;
  const bool given = read_list(owner, key, example, [&](lua_Integer i) {
    std::string word = as_text(owner.lua, -1, fmt::format("{} {} of {}", one, i, owner.name));
    if (std::find(known.begin(), known.end(), word) == known.end())
      throw ScenarioError(
          fmt::format("unknown {} \"{}\" of {}{}", one, shortened(word), owner.name, suggestion(word, known)));
    if (std::find(found.begin(), found.end(), word) != found.end())
      throw ScenarioError(fmt::format("{} names \"{}\" twice", owner.what(key), word));
    found.push_back(std::move(word));
  });
  return given ? std::optional(std::move(found)) : std::nullopt;
}

// --- rounds ---------------------------------------------------------------------------------------------------------

constexpr std::pair<std::string_view, BurninShape> kShapes[] = {
    {"node", BurninShape::node}, {"pair", BurninShape::pair}, {"group", BurninShape::group}};

std::string_view word_of(BurninShape shape) {
  for (const auto& [word, one] : kShapes)
    if (one == shape) return word;
  return "";
}

BurninShape shape_of_kind(std::string_view kind) {
  const BurninKind* found = find_burnin_kind(kind);
  GRIT_ASSERT(found != nullptr);
  return found->shape;
}

/// As the round says, or as its kinds do, which must agree.
BurninShape read_shape(const Owner& owner, const BurninRound& round) {
  std::optional<BurninShape> shape;
  if (const std::string word = text_field(owner.lua, owner.table, "shape", owner.what("shape")); !word.empty()) {
    std::vector<std::string> known;
    for (const auto& [name, one] : kShapes) {
      known.emplace_back(name);
      if (name == word) shape = one;
    }
    if (!shape)
      throw ScenarioError(
          fmt::format("unknown shape \"{}\" of {}{}", shortened(word), owner.name, suggestion(word, known)));
  }
  for (const std::string& kind : round.kinds) {
    const BurninShape needed = shape_of_kind(kind);
    if (shape && *shape != needed)
      throw ScenarioError(
          fmt::format("kind \"{}\" of {} is measured in cells of the shape {}, and the round's cells are of the shape "
                      "{}; give it a round of its own",
                      kind, owner.name, word_of(needed), word_of(*shape)));
    shape = needed;
  }
  return shape.value_or(BurninShape::group);
}

void read_what(const Owner& owner, BurninRound& round) {
  if (auto kinds = words(owner, "kinds", "kind", R"({ "compute", "memory" })", names_of(kBurninKinds)))
    round.kinds = std::move(*kinds);
  round.scenario = text_field(owner.lua, owner.table, "scenario", owner.what("scenario"));
  if (round.kinds.empty() == round.scenario.empty())
    throw ScenarioError(fmt::format("{} has {}; write kinds = {{ \"compute\", ... }} or scenario = \"NAME\"",
                                    owner.name,
                                    round.kinds.empty() ? "neither kinds nor a scenario" : "kinds and a scenario"));
  if (!round.scenario.empty()) return;
  for (const char* key : {"options"})
    if (owner.has(key))
      throw ScenarioError(fmt::format("{} is for rounds with a scenario; the round has kinds", owner.what(key)));
}

void read_options(const Owner& owner, BurninRound& round) {
  const int type = push_field(owner.lua, owner.table, "options");
  const int table = lua_gettop(owner.lua);
  if (type != LUA_TNIL && type != LUA_TTABLE)
    throw ScenarioError(owner.what("options") + R"( must be a table: options = { load = "memory" })");
  if (type == LUA_TTABLE) {
    for (const std::string& name : text_keys(owner.lua, table, owner.what("options"))) {
      push_field(owner.lua, table, name);
      round.options[name] = as_text(owner.lua, -1, fmt::format("option \"{}\" of {}", shortened(name), owner.name));
      lua_pop(owner.lua, 1);
    }
  }
  lua_pop(owner.lua, 1);
}

void read_sizes(const Owner& owner, BurninRound& round) {
  read_list(owner, "sizes", "{ 2, 4, 0 }", [&](lua_Integer) {
    const Json size = as_quantity(owner.lua, lua_gettop(owner.lua), Unit::count, owner.what("sizes"));
    const auto nodes = size.get<std::int64_t>();
    if (nodes == 1 || nodes > kMostNodes)
      throw ScenarioError(fmt::format("{}: {} nodes; a group has 2 to {}, and 0 means all that are left",
                                      owner.what("sizes"), nodes, kMostNodes));
    round.sizes.push_back(static_cast<int>(nodes));
  });
  if (round.shape == BurninShape::group && round.sizes.empty()) round.sizes = {0};
  if (round.shape != BurninShape::group && !round.sizes.empty())
    throw ScenarioError(fmt::format("{} is for groups, and the round's cells are of the shape {}", owner.what("sizes"),
                                    word_of(round.shape)));
}

void read_times(const Owner& owner, BurninRound& round) {
  round.limit_ns = time_ns(owner, "limit", kDefaultLimit_ns);
  if (round.scenario.empty()) {
    round.length_ns = time_ns(owner, "length", kDefaultLength_ns);
    const auto kinds = static_cast<std::int64_t>(round.kinds.size());
    if (round.limit_ns / kinds > round.length_ns) return;
    throw ScenarioError(fmt::format(
        "{} is {}, and measuring alone takes {}: every cell would be ended before it is done", owner.what("limit"),
        format_quantity(round.limit_ns, Unit::time_ns), format_quantity(round.length_ns * kinds, Unit::time_ns)));
  }
  if (owner.has("length"))
    throw ScenarioError(owner.what("length") + " is for kinds; how long a scenario measures, its design says");
}

BurninRound read_round(lua_State* lua, int table, lua_Integer place) {
  Owner owner{lua, table, fmt::format("round {}", place)};
  if (lua_type(lua, table) != LUA_TTABLE)
    throw ScenarioError(fmt::format("{} must be a table: {{ name = \"links\", kinds = {{ \"link\" }} }}", owner.name));
  BurninRound round;
  round.name = text_field(lua, table, "name", owner.what("name"));
  if (!is_identifier(round.name))
    throw ScenarioError(
        fmt::format("the name of {} is \"{}\"; it must be made of letters, digits, _ and -, such as name = \"links\"",
                    owner.name, shortened(round.name)));
  owner.name = fmt::format("round \"{}\"", round.name);
  check_keys(lua, table, "key", owner.name, scenario_table("grit.burnin.round").names());
  read_what(owner, round);
  read_options(owner, round);
  round.shape = read_shape(owner, round);
  read_sizes(owner, round);
  read_times(owner, round);
  round.visits = static_cast<int>(whole(owner, "visits", 1, 1, kMostVisits));
  if (!round.kinds.empty() && round.shape == BurninShape::node && owner.has("ranks_per_node"))
    throw ScenarioError(owner.what("ranks_per_node") + " is for several nodes: one process measures a node alone");
  round.ranks_per_node = static_cast<int>(whole(owner, "ranks_per_node", 1, 1, kMostRanks));
  if (const auto alone = quantity(owner, "alone", Unit::boolean)) round.alone = alone->get<bool>();
  return round;
}

void read_rounds(const Owner& owner, BurninConfig& config) {
  std::set<std::string> names;
  read_list(owner, "rounds", R"({ { name = "links", kinds = { "link" } } })", [&](lua_Integer place) {
    config.rounds.push_back(read_round(owner.lua, lua_gettop(owner.lua), place));
    const std::string& name = config.rounds.back().name;
    if (!names.insert(name).second) throw ScenarioError(fmt::format("two rounds are called \"{}\"", name));
    if (place > kMostRounds) throw ScenarioError(fmt::format("there are more than {} rounds", kMostRounds));
  });
  if (config.rounds.empty())
    throw ScenarioError(R"(the burn-in has no rounds; write rounds = { { name = "links", kinds = { "link" } } })");
}

// --- limits ---------------------------------------------------------------------------------------------------------

/// An absolute limit in the measure's unit, from a quantity as people write it.
std::optional<double> absolute(const Owner& owner, std::string_view key, std::string_view unit) {
  constexpr double kBitsPerByte = 8, kNsPerSecond = 1e9;
  const auto number = [&](Unit written, double divisor) -> std::optional<double> {
    const auto value = quantity(owner, key, written);
    if (!value) return std::nullopt;
    if (value->get<double>() <= 0) throw ScenarioError(owner.what(key) + " must be above 0");
    return value->get<double>() / divisor;
  };
  if (unit == "FLOP/s") return number(Unit::flops_per_s, 1);
  if (unit == "bytes/s") return number(Unit::bits_per_s, kBitsPerByte);
  if (unit == "bit/s") return number(Unit::bits_per_s, 1);
  if (unit == "s") return number(Unit::time_ns, kNsPerSecond);
  if (unit == "count") return number(Unit::count, 1);
  GRIT_ASSERT(unit == "share");
  return number(Unit::fraction, 1);
}

std::optional<double> share(const Owner& owner, std::string_view key, double most) {
  const auto value = quantity(owner, key, Unit::fraction);
  if (!value) return std::nullopt;
  const auto fraction = value->get<double>();
  if (fraction <= 0 || fraction > most)
    throw ScenarioError(fmt::format("{} is {}; it is above 0% and at most {}", owner.what(key),
                                    format_quantity(fraction, Unit::fraction), format_quantity(most, Unit::fraction)));
  return fraction;
}

/// Which keys a measure takes, by what is better in it; and why it takes not the others.
void check_limit_keys(const Owner& owner, const BurninMeasure& measure) {
  const auto refuse = [&](std::initializer_list<const char*> keys, std::string_view why) {
    for (const char* key : keys)
      if (owner.has(key)) throw ScenarioError(fmt::format("{} says nothing: {}", owner.what(key), why));
  };
  switch (measure.better) {
    case BurninBetter::higher:
      return refuse({"at_most"}, "more is better here; write at_least");
    case BurninBetter::lower:
      return refuse({"at_least"}, "less is better here; write at_most");
    case BurninBetter::rarer:
      return refuse({"spread", "at_least", "at_most"}, "it is held against a share, which is its tolerance");
    case BurninBetter::none_at_all:
      return refuse({"tolerance", "spread", "at_least", "at_most"}, "one that is seen again is too many");
    case BurninBetter::counted:
      return refuse({"tolerance", "spread", "at_least"}, "what happens is counted; write at_most");
  }
}

BurninLimits read_limits_of(lua_State* lua, int table, const std::string& name) {
  const BurninMeasure* measure = find_burnin_measure(name);
  if (measure == nullptr)
    throw ScenarioError(fmt::format("unknown measure \"{}\" of \"limits\"{}", shortened(name),
                                    suggestion(name, names_of(kBurninMeasures))));
  const Owner owner{lua, table, fmt::format("the limits of {}", name)};
  if (lua_type(lua, table) != LUA_TTABLE)
    throw ScenarioError(fmt::format("{0} must be a table: {1} = {{ tolerance = \"3%\" }}", owner.name, name));
  check_keys(lua, table, "key", owner.name, scenario_table("grit.burnin.limits").names());
  check_limit_keys(owner, *measure);
  BurninLimits limits;
  // A time may be several times that of the peers; a rate or a share is 100 % at most.
  limits.tolerance = share(owner, "tolerance", measure->better == BurninBetter::lower ? 100 : 1);
  limits.spread = share(owner, "spread", 1);
  if (measure->better == BurninBetter::higher) limits.at_least = absolute(owner, "at_least", measure->unit);
  if (measure->better == BurninBetter::lower || measure->better == BurninBetter::counted)
    limits.at_most = absolute(owner, "at_most", measure->unit);
  return limits;
}

void read_limits(const Owner& owner, BurninConfig& config) {
  const int type = push_field(owner.lua, owner.table, "limits");
  const int table = lua_gettop(owner.lua);
  if (type != LUA_TNIL && type != LUA_TTABLE)
    throw ScenarioError(R"("limits" must be a table: limits = { compute = { tolerance = "3%" } })");
  if (type == LUA_TTABLE) {
    for (const std::string& name : text_keys(owner.lua, table, "\"limits\"")) {
      push_field(owner.lua, table, name);
      config.limits[name] = read_limits_of(owner.lua, lua_gettop(owner.lua), name);
      lua_pop(owner.lua, 1);
    }
  }
  lua_pop(owner.lua, 1);
}

// --- the rest -------------------------------------------------------------------------------------------------------

void read_checks(const Owner& owner, const LoadContext& context, BurninConfig& config) {
  const bool given = read_list(owner, "checks", "{ grit.check.link_up {} }", [&](lua_Integer place) {
    config.checks.push_back(
        context.checks.at(handle_at(owner.lua, -1, kCheckHandle, fmt::format("check {} of the burn-in", place))));
  });
  if (!given) return;
  if (config.checks.empty())
    throw ScenarioError(
        R"("checks" is empty; leave it out for all that need no parameters, or the kind checks for none)");
  const auto reads_checks = [](const BurninRound& round) {
    return std::find(round.kinds.begin(), round.kinds.end(), "checks") != round.kinds.end();
  };
  if (std::none_of(config.rounds.begin(), config.rounds.end(), reads_checks))
    throw ScenarioError(R"("checks" are listed, and no round has the kind checks)");
  if (const Status named = have_own_names(config.checks); !named) throw ScenarioError(named.error().message);
  config.checks_source = checks_as_lua(config.checks);
}

BurninConfig read_config(lua_State* lua, const LoadContext& context) {
  const Owner owner{lua, lua_gettop(lua), "the burn-in"};
  if (luaL_testudata(lua, owner.table, kScenarioHandle) != nullptr)
    throw ScenarioError("this is a scenario, which grit run runs, and no configuration of a burn-in");
  if (lua_type(lua, owner.table) != LUA_TTABLE)
    throw ScenarioError(R"(the file must end with: return { name = "quick", rounds = { ... } })");
  check_keys(lua, owner.table, "key", owner.name, scenario_table("grit.burnin").names());
  BurninConfig config;
  config.name = text_field(lua, owner.table, "name", owner.what("name"));
  if (!is_identifier(config.name))
    throw ScenarioError(
        fmt::format("the burn-in's name is \"{}\"; it must be made of letters, digits, _ and -, such as name = "
                    "\"quick\"",
                    shortened(config.name)));
  config.summary = text_field(lua, owner.table, "summary", owner.what("summary"));
  read_rounds(owner, config);
  read_limits(owner, config);
  read_checks(owner, context, config);
  std::vector<std::string> facts(kBurninFacts.begin(), kBurninFacts.end());
  config.must_match = words(owner, "must_match", "fact", R"({ "memory_bytes", "nic_speed" })", facts)
                          .value_or(std::vector<std::string>(kMustMatch.begin(), kMustMatch.end()));
  config.false_bad = share(owner, "false_bad", 0.5).value_or(config.false_bad);
  // Two are the fewest that tell a difference from its noise.
  config.confirm_visits = static_cast<int>(whole(owner, "confirm_visits", config.confirm_visits, 2, kMostVisits));
  config.looks = static_cast<int>(whole(owner, "looks", config.looks, 1, 10));
  config.cycles = static_cast<int>(whole(owner, "cycles", config.cycles, 1, 1'000'000));
  return config;
}

// --- where it is wrong ----------------------------------------------------------------------------------------------

/// Does `word` stand in the line, not as part of a longer word and not in a comment?
bool stands_in(std::string_view line, std::string_view word) {
  const auto inner = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  line = line.substr(0, line.find("--"));
  for (auto at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
    const bool begins = at == 0 || !inner(line[at - 1]);
    if (begins && (at + word.size() == line.size() || !inner(line[at + word.size()]))) return true;
  }
  return false;
}

/// The number of the one line in which all of the words stand; 0: there is none, or there are several.
int only_line_with(const std::string& source, const std::vector<std::string>& words) {
  std::istringstream lines(source);
  int number = 0, found = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!std::all_of(words.begin(), words.end(), [&](const std::string& word) { return stands_in(line, word); }))
      continue;
    if (found != 0) return 0;
    found = number;
  }
  return found;
}

/// A table does not know where it was written. What a message puts in quotes does: it stands in one line only, all of
/// it or the most exact of it, which comes first. What follows on ":" or ";" is advice.
std::string at_its_place(const std::string& file, const std::string& source, const std::string& message) {
  std::vector<std::string> words;
  std::string_view rest = std::string_view(message).substr(0, message.find_first_of(":;"));
  for (auto begin = rest.find('"'); begin != std::string_view::npos; begin = rest.find('"')) {
    const auto end = rest.find('"', begin + 1);
    if (end == std::string_view::npos) break;
    if (end > begin + 1) words.emplace_back(rest.substr(begin + 1, end - begin - 1));
    rest.remove_prefix(end + 1);
  }
  if (words.empty()) return message;
  int line = only_line_with(source, words);
  for (const std::string& word : words)
    if (line == 0) line = only_line_with(source, {word});
  return line == 0 ? message : fmt::format("{}:{}: {}", file, line, message);
}

}  // namespace

Result<BurninConfig> load_burnin(const std::filesystem::path& path) {
  GRIT_TRY(const std::string source, read_scenario(path, "burn-in"));
  LoadContext context{.file = path.string(), .overrides = {}};
  BurninConfig config;
  const auto take = [&](lua_State* lua) {
    try {
      config = read_config(lua, context);
    } catch (const ScenarioError& error) {
      throw ScenarioError(at_its_place(path.filename().string(), source, error.what()));
    }
  };
  try {
    GRIT_CHECK(run_in_sandbox(
        {}, context.file, source, [&](lua_State* lua) { install_library(lua, context); }, take));
  } catch (const std::exception& error) {
    return internal_error(fmt::format("loading {}: {}", context.file, error.what()));
  }
  return config;
}

}  // namespace grit
