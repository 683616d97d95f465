#include "harness/scenario/library.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "harness/base/shortened.hpp"
#include "harness/health/check.hpp"
#include "harness/scenario/lua_quantity.hpp"
#include "harness/scenario/sandbox.hpp"
#include "harness/scenario/timing.hpp"
#include "harness/scenario/values.hpp"
#include "injectors/injector.hpp"
#include "workloads/workload.hpp"

namespace grit {
namespace {

// What the library makes lives outside the sandbox's memory limit.
constexpr std::size_t kMaxValues = 10'000;                     // of one kind
constexpr std::size_t kMaxText_bytes = std::size_t{16} << 20;  // of all together

/// The table that a constructor such as grit.fault.link_flap was given, at stack index 1; none means an empty one.
void take_table(lua_State* lua, const std::string& function) {
  if (lua_gettop(lua) == 0) lua_newtable(lua);
  if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TTABLE) {
    throw ScenarioError(fmt::format("{} takes one table: {} {{ ... }}", function, function));
  }
}

/// Upvalue 2: the place of the plug-in in its registry.
std::size_t plugin_index(lua_State* lua) { return static_cast<std::size_t>(lua_tointeger(lua, lua_upvalueindex(2))); }

template <class T>
std::size_t keep(std::vector<T>& values, T value) {
  if (values.size() >= kMaxValues) {
    throw ScenarioError(fmt::format("the scenario makes more than {} of these: an endless loop?", kMaxValues));
  }
  values.push_back(std::move(value));
  return values.size() - 1;
}

std::size_t text_bytes(const Json& params) {
  std::size_t bytes = 0;
  for (const Json& value : params)
    if (value.is_string()) bytes += value.get_ref<const std::string&>().size();
  return bytes;
}

/// Counts the text in these parameters, before they are kept.
void count_text(lua_State* lua, const Json& params) {
  LoadContext& context = context_of(lua);
  context.text_bytes += text_bytes(params);
  if (context.text_bytes > kMaxText_bytes)
    throw ScenarioError(
        fmt::format("the parameters of the scenario's faults, workloads and checks hold more than {} MiB of text",
                    kMaxText_bytes >> 20));
}

/// The other nodes of a fault between nodes, where they are to be chosen or come from a draw; empty: they are said as
/// text, such as "others" or "1,3-5".
std::optional<NodeSelector> read_peers(lua_State* lua, const InjectorInfo& info, const std::string& owner) {
  std::optional<NodeSelector> peers;
  if (info.peers.empty()) return peers;
  const std::string what = fmt::format("parameter \"{}\" of {}", info.peers, owner);
  const int type = push_field(lua, 1, info.peers);
  const std::string text = type == LUA_TSTRING ? as_text(lua, lua_gettop(lua), what) : "";
  if (type != LUA_TNIL && (type != LUA_TSTRING || text == "any" || text.ends_with('%')))
    peers = as_selector(lua, lua_gettop(lua), what);
  lua_pop(lua, 1);
  return peers;
}

/// The coordinates of the ranks of a fault; empty: they are said as text, such as "0" or "all", or it acts on none.
AxisValues read_ranks(lua_State* lua, const InjectorInfo& info, const std::string& owner) {
  if (!takes_ranks(info)) return {};
  AxisValues ranks;
  if (push_field(lua, 1, kRankParam) == LUA_TTABLE)
    ranks = as_coordinates(lua, lua_gettop(lua), fmt::format("parameter \"{}\" of {}", kRankParam, owner));
  lua_pop(lua, 1);
  return ranks;
}

/// Of a fault that runs a check by its name alone. Empty: it runs none.
void look_up_check(const std::string& name, const std::string& owner) {
  std::vector<std::string> known;
  for (const Check* check : checks())
    if (needs_no_params(*check)) known.push_back(check->info.name);
  if (name.empty() || std::find(known.begin(), known.end(), name) != known.end()) return;
  if (find_check(name) != nullptr)
    throw ScenarioError(fmt::format("{}: the check {} takes parameters, which cannot be given here", owner, name));
  throw ScenarioError(fmt::format("{}: unknown check \"{}\"{}; grit list checks shows all", owner, shortened(name),
                                  suggestion(name, known)));
}

/// The fault's own parameters and the common ones that it takes beside them.
void read_fault_params(lua_State* lua, const InjectorInfo& info, ScenarioFault& fault) {
  const std::string owner = "fault " + info.name;
  const std::vector<ParamSpec> common = timing_params_beside(info);
  for (const std::string& name : text_keys(lua, 1, owner)) {
    const bool own =
        std::any_of(info.params.begin(), info.params.end(), [&](const ParamSpec& one) { return one.name == name; });
    if (const auto why = own ? std::nullopt : why_not_taken(info, name))
      throw ScenarioError(fmt::format("{} takes no `{}`: {} (grit describe {})", owner, name, *why, info.name));
  }
  std::vector<ParamSpec> specs = info.params;
  specs.insert(specs.end(), common.begin(), common.end());
  std::vector<std::string> also{"on"};
  fault.peers = read_peers(lua, info, owner);
  if (fault.peers) {
    std::erase_if(specs, [&](const ParamSpec& one) { return one.name == info.peers; });
    also.push_back(info.peers);
  }
  fault.ranks = read_ranks(lua, info, owner);
  if (!fault.ranks.empty()) {
    std::erase_if(specs, [&](const ParamSpec& one) { return one.name == kRankParam; });
    also.emplace_back(kRankParam);
  }
  fault.params = as_params(lua, 1, specs, owner, also);
  if (!info.names_check.empty()) look_up_check(fault.params.value(info.names_check, ""), owner);
  count_text(lua, fault.params);
  Json timing = Json::object();
  for (const ParamSpec& spec : common) {
    timing[spec.name] = fault.params[spec.name];
    fault.params.erase(spec.name);
  }
  auto read = read_timing(timing);
  if (!read) throw ScenarioError(owner + ": " + read.error().message);
  fault.timing = *read;
}

int make_fault(lua_State* lua) {
  const InjectorInfo& info = injectors().at(plugin_index(lua))->info();
  take_table(lua, "grit.fault." + info.name);
  const std::string owner = "fault " + info.name;
  ScenarioFault fault;
  fault.name = info.name;
  fault.where = caller_position(lua);
  read_fault_params(lua, info, fault);
  const bool by_ranks = !fault.ranks.empty();
  fault.on = {.kind = by_ranks ? NodeSelector::Kind::coordinates : NodeSelector::Kind::any, .at = fault.ranks};
  if (push_field(lua, 1, "on") != LUA_TNIL) {
    if (by_ranks) throw ScenarioError(owner + ": the coordinates of `rank` say the nodes, too: leave out `on`");
    fault.on = as_selector(lua, lua_gettop(lua), "\"on\" of " + owner);
  }
  push_handle(lua, kFaultHandle, keep(context_of(lua).faults, std::move(fault)));
  return 1;
}

int make_workload_value(lua_State* lua) {
  const WorkloadInfo& info = workloads().at(plugin_index(lua));
  take_table(lua, "grit.workload." + info.name);
  ScenarioPlugin workload{info.name, as_params(lua, 1, info.params, "workload " + info.name)};
  count_text(lua, workload.params);
  push_handle(lua, kWorkloadHandle, keep(context_of(lua).workloads, std::move(workload)));
  return 1;
}

int make_check(lua_State* lua) {
  const Check& plugin = *checks().at(plugin_index(lua));
  const CheckInfo& info = plugin.info;
  take_table(lua, "grit.check." + info.name);
  ScenarioPlugin check{info.name, as_params(lua, 1, check_params(info), "check " + info.name)};
  count_text(lua, check.params);
  if (plugin.validate)
    if (const Status valid = plugin.validate(Params(check.params)); !valid)
      throw ScenarioError(fmt::format("check {}: {}", info.name, valid.error().message));
  push_handle(lua, kCheckHandle, keep(context_of(lua).checks, std::move(check)));
  return 1;
}

/// grit.node "any": nodes that are chosen once, to be named in several places.
int draw_node(lua_State* lua) {
  if (lua_gettop(lua) != 1) throw ScenarioError(R"(grit.node takes one node selector: grit.node "any")");
  NodeDraw draw{.from = as_selector(lua, 1, "the nodes of grit.node"), .where = caller_position(lua)};
  if (draw.from.kind == NodeSelector::Kind::drawn) return 1;  // it is one already
  push_handle(lua, kNodeHandle, keep(context_of(lua).draws, std::move(draw)));
  return 1;
}

/// grit.others(victim), grit.others(victim, "any"): all nodes but those of a draw, or some of them.
int draw_others(lua_State* lua) {
  const int given = lua_gettop(lua);
  if (given < 1 || given > 2)
    throw ScenarioError(
        R"(grit.others takes what grit.node gave, and which of the others: grit.others(victim, "any"))");
  const std::size_t victim = handle_at(lua, 1, kNodeHandle, "the first argument of grit.others");
  NodeDraw draw{
      .from = NodeSelector{.kind = NodeSelector::Kind::all}, .others_than = victim, .where = caller_position(lua)};
  if (given == 2) draw.from = as_selector(lua, 2, "the second argument of grit.others");
  if (draw.from.kind == NodeSelector::Kind::drawn)
    throw ScenarioError(R"(grit.others chooses anew: "any", "all", "25%" or nodes, not what was drawn before)");
  push_handle(lua, kNodeHandle, keep(context_of(lua).draws, std::move(draw)));
  return 1;
}

std::vector<std::string> own_keys(lua_State* lua, int table) { return text_keys(lua, table, "grit"); }

/// __index of the library's tables: reached only for a name that is not there. Upvalue 1: "fault", "function" ...
int unknown_name(lua_State* lua) {
  const std::string kind = lua_tostring(lua, lua_upvalueindex(1));
  const std::string name = as_text(lua, 2, "the name of a " + kind);
  throw ScenarioError(fmt::format("unknown {} \"{}\"{}", kind, name, suggestion(name, own_keys(lua, 1))));
}

/// Gives the table on top of the stack a metatable that reports unknown names.
void report_unknown(lua_State* lua, const char* kind) {
  lua_newtable(lua);
  lua_pushstring(lua, kind);
  lua_pushcclosure(lua, guarded<unknown_name>, 1);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, -2);
}

/// Pushes the table of one kind of plug-in: name -> constructor.
void push_constructors(lua_State* lua, LoadContext& context, const char* kind, const std::vector<std::string>& names,
                       lua_CFunction constructor) {
  lua_newtable(lua);
  for (std::size_t i = 0; i < names.size(); ++i) {
    lua_pushlightuserdata(lua, &context);
    lua_pushinteger(lua, static_cast<lua_Integer>(i));
    lua_pushcclosure(lua, constructor, 2);
    lua_setfield(lua, -2, names[i].c_str());
  }
  report_unknown(lua, kind);
}

void push_library(lua_State* lua, LoadContext& context) {
  std::vector<std::string> fault_names;
  for (const Injector* injector : injectors()) fault_names.push_back(injector->info().name);
  lua_newtable(lua);
  push_constructors(lua, context, "fault", fault_names, guarded<make_fault>);
  lua_setfield(lua, -2, "fault");
  push_constructors(lua, context, "workload", names_of(workloads()), guarded<make_workload_value>);
  lua_setfield(lua, -2, "workload");
  std::vector<std::string> check_names;
  for (const Check* check : checks()) check_names.push_back(check->info.name);
  push_constructors(lua, context, "check", check_names, guarded<make_check>);
  lua_setfield(lua, -2, "check");
  push_constructors(lua, context, "search", {std::begin(kSearches), std::end(kSearches)}, guarded<make_search>);
  lua_setfield(lua, -2, "search");
  const std::pair<const char*, lua_CFunction> functions[] = {
      {"scenario", guarded<make_scenario>}, {"node", guarded<draw_node>}, {"others", guarded<draw_others>}};
  for (const auto& [name, function] : functions) {
    lua_pushlightuserdata(lua, &context);
    lua_pushcclosure(lua, function, 1);
    lua_setfield(lua, -2, name);
  }
  for (const auto& [name, unit] : quantity_constructors()) {
    push_quantity_constructor(lua, unit);
    lua_setfield(lua, -2, name.c_str());
  }
  report_unknown(lua, "function of grit");
}

/// Upvalue 1: the library.
int require(lua_State* lua) {
  const std::string name = luaL_checkstring(lua, 1);
  lua_pushvalue(lua, lua_upvalueindex(1));
  if (name == "grit") return 1;
  const std::vector<std::string> parts{"grit.check", "grit.fault", "grit.search", "grit.workload"};
  for (const std::string& part : parts) {
    if (name != part) continue;
    push_field(lua, -1, name.substr(std::string_view("grit.").size()));
    return 1;
  }
  throw ScenarioError(fmt::format("there is no module \"{}\": a scenario can require \"grit\" only, no files", name));
}

}  // namespace

void push_handle(lua_State* lua, const char* type, std::size_t index) {
  *static_cast<std::size_t*>(lua_newuserdatauv(lua, sizeof index, 0)) = index;
  luaL_setmetatable(lua, type);
}

std::size_t handle_at(lua_State* lua, int stack_index, const char* type, std::string_view what) {
  const void* handle = luaL_testudata(lua, stack_index, type);
  if (handle == nullptr) {
    std::string found = luaL_typename(lua, stack_index);
    if (luaL_getmetafield(lua, stack_index, "__name") == LUA_TSTRING) found = lua_tostring(lua, -1);
    if (found == "function") found += ": is { } missing behind it?";
    const std::string wanted = type == std::string_view(kNodeHandle) ? R"(what grit.node "any" gave)"
                                                                     : fmt::format("a {}.<name> {{ ... }}", type);
    throw ScenarioError(fmt::format("{} must be {}, not a {}", what, wanted, found));
  }
  return *static_cast<const std::size_t*>(handle);
}

LoadContext& context_of(lua_State* lua) { return *static_cast<LoadContext*>(lua_touserdata(lua, lua_upvalueindex(1))); }

void install_library(lua_State* lua, LoadContext& context) {
  for (const char* type : {kFaultHandle, kWorkloadHandle, kCheckHandle, kSearchHandle, kNodeHandle, kScenarioHandle}) {
    luaL_newmetatable(lua, type);
    lua_pop(lua, 1);
  }
  install_quantities(lua);
  push_library(lua, context);
  lua_pushcclosure(lua, guarded<require>, 1);
  lua_setglobal(lua, "require");
}

}  // namespace grit
