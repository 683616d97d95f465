#include "harness/scenario/annotations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "harness/health/check.hpp"
#include "harness/scenario/library.hpp"
#include "harness/scenario/lua_quantity.hpp"
#include "harness/scenario/tables.hpp"
#include "harness/scenario/timing.hpp"
#include "injectors/injector.hpp"
#include "workloads/workload.hpp"

namespace grit {
namespace {

constexpr std::string_view kHead = R"LUA(---@meta grit
-- What `require "grit"` gives a scenario, for LuaLS (completion, hover, checking). grit itself never reads this file: it
-- writes it (grit describe --lua). The reference is docs/scenarios.md.

---A number with a unit, as options with one are, and as grit.time "30ms" makes it. Its text by tostring() and `..`.
---@class grit.quantity
---@operator add(grit.quantity|string): grit.quantity
---@operator sub(grit.quantity|string): grit.quantity
---@operator mul(grit.quantity|number): grit.quantity
---@operator div(number): grit.quantity
---@operator div(grit.quantity): number
---@operator concat(string|number): string

---A time: "500ms", "2s" (ns us ms s min h).
---@alias grit.time grit.quantity|string
---Bytes: "25MB", "64KiB" (B kB MB GB TB PB KiB MiB GiB TiB PiB).
---@alias grit.bytes grit.quantity|string
---The size of a packet or of a block of a disk, in bytes: 1500, "64KiB".
---@alias grit.size grit.quantity|number|string
---A bit rate: "10Gbit/s".
---@alias grit.bit_rate grit.quantity|string
---A share: "10%".
---@alias grit.fraction grit.quantity|string
---A rate of floating-point operations: "1TFLOP/s" (FLOP/s kFLOP/s MFLOP/s GFLOP/s TFLOP/s PFLOP/s).
---@alias grit.flop_rate grit.quantity|string
---A count: 8 or "8".
---@alias grit.count integer|string
---A number of steps: 40 or "40 steps".
---@alias grit.steps integer|string
---The values of the options: quantities, numbers and booleans where a default or its unit says so, else text.
---@alias grit.options table<string, any>

---The nodes a fault acts on, counted from 0: 2, "2", { 1, 3 }, "1,3", "any" (one, chosen by the seed), "all", a share
---such as "25%" (chosen by the seed, rounded up to at least one), those that have ranks with coordinates of the mesh,
---{ pp = 1 }, or what grit.node or grit.others gave.
---@alias grit.nodes grit.Node|grit.quantity|integer|string|(integer|string)[]|grit.coordinates
---The ranks a fault acts on: by their places on its nodes, "0" the first, "0,2-3", "all"; or of the whole job, by their
---coordinates, { dp = 0, tp = 1 }, which say the nodes, too.
---@alias grit.ranks string|grit.coordinates

---@class grit.Fault    made by grit.fault.<name> { ... }
---@class grit.Workload made by grit.workload.<name> { ... }
---@class grit.Check    made by grit.check.<name> { ... }
---@class grit.Search   made by grit.search.<name> { ... }
---@class grit.Node     made by grit.node or grit.others
---@class grit.Scenario made by grit.scenario { ... }

---What trial { option = value } returns.
---@class grit.TrialResult
---@field verdict         "reproduced"|"not_reproduced"|"inconclusive" of what the scenario expects
---@field outcome         string "completed", or how the run ended before its last block
---@field sentence        string the verdict in words
---@field slowdown?       { estimate: number, ci_low: number, ci_high: number } fractions: 0.10 is 10 % slower; nil when too few pairs were measured
---@field baseline_step_s number
---@field applied         boolean all faults were in force in all their windows
---@field culprit         string who is to blame, in words; "" when nobody
---@field failed_checks   string[] checks that fail more often under the fault than without (p at most 0.05 among all checks and nodes): "link_up on node2"
---@field untold_checks   string[] checks that were read in too few pairs to say so
---@field faults          table[] as in verdict.json

)LUA";

constexpr std::string_view kFunctions = R"LUA(
local grit = { fault = {}, workload = {}, check = {}, search = {} }

---The scenario of this file; the file ends with `return grit.scenario { ... }`.
---@param params grit.scenario.params
---@return grit.Scenario
function grit.scenario(params) end

---Nodes that are chosen once, by the seed, to be named in several places: local victim = grit.node "any".
---@param nodes grit.nodes
---@return grit.Node
function grit.node(nodes) end

---All nodes but these, or some of the others: grit.others(victim, "any").
---@param victim grit.Node
---@param which? grit.nodes
---@return grit.Node
function grit.others(victim, which) end
)LUA";

std::string lua_type(const ParamSpec& spec) {
  if (!spec.choices.empty()) {
    std::string type;
    for (const std::string& choice : spec.choices) type += fmt::format("{}\"{}\"", type.empty() ? "" : "|", choice);
    return type;
  }
  switch (spec.unit) {
    case Unit::count:
      return "grit.count";
    case Unit::number:
      return "number|string";
    case Unit::time_ns:
      return "grit.time";
    case Unit::bytes:
      return "grit.bytes";
    case Unit::size_bytes:
      return "grit.size";
    case Unit::bits_per_s:
      return "grit.bit_rate";
    case Unit::fraction:
      return "grit.fraction";
    case Unit::flops_per_s:
      return "grit.flop_rate";
    case Unit::boolean:
      return "boolean|\"true\"|\"false\"";
    case Unit::text:
      break;
  }
  return "string";
}

/// "(default 8; 1 to 256)"; empty when there is nothing to say.
std::string limits(const ParamSpec& spec) {
  const auto bound = [&](double value) {
    return format_quantity(is_integer(spec.unit) ? Json(static_cast<std::int64_t>(value)) : Json(value), spec.unit);
  };
  std::string text;
  const bool is_empty = spec.default_value.is_string() && spec.default_value.get_ref<const std::string&>().empty();
  if (!spec.default_value.is_null() && !is_empty)
    text = "default " + (spec.default_value.is_string() ? json_text(spec.default_value)
                                                        : format_quantity(spec.default_value, spec.unit));
  const bool least = spec.min && *spec.min > 0;
  std::string range = least ? "at least " + bound(*spec.min) : "";
  if (spec.max)
    range = least ? fmt::format("{} to {}", bound(*spec.min), bound(*spec.max)) : "at most " + bound(*spec.max);
  if (!range.empty()) text += (text.empty() ? "" : "; ") + range;
  return text.empty() ? "" : " (" + text + ")";
}

std::string field(const std::string& name, bool required, const std::string& type, const std::string& help) {
  return fmt::format("---@field {}{} {}{}{}\n", name, required ? "" : "?", type, help.empty() ? "" : " ", help);
}

/// `types`: of parameters, by name, that take more than their unit says.
std::string fields(const std::vector<ParamSpec>& specs, const std::map<std::string, std::string>& types = {}) {
  std::string text;
  for (const ParamSpec& spec : specs) {
    const auto type = types.find(spec.name);
    text += field(spec.name, spec.default_value.is_null(), type == types.end() ? lua_type(spec) : type->second,
                  spec.help + limits(spec));
  }
  return text;
}

bool all_optional(const std::vector<ParamSpec>& specs) {
  return std::none_of(specs.begin(), specs.end(), [](const ParamSpec& spec) { return spec.default_value.is_null(); });
}

std::string function(const std::string& kind, const std::string& name, const std::string& summary, bool optional,
                     const std::string& made) {
  return fmt::format(
      "\n---{}.\n---@param params{} grit.{}.{}.params\n---@return grit.{}\nfunction grit.{}.{}(params) end\n", summary,
      optional ? "?" : "", kind, name, made, kind, name);
}

std::string table_class(const ScenarioTable& table) {
  std::string text = table.help.empty() ? "" : "---" + table.help + "\n";
  text += fmt::format("---@class {}\n", table.lua_class);
  if (table.lua_class == "grit.option") text += field("[1]", true, "string|number|boolean", "the default");
  for (const TableKey& key : table.keys) text += field(key.name, key.required, key.type, key.help);
  return text + "\n";
}

std::string fault_class(const InjectorInfo& info) {
  return fmt::format("---@class grit.fault.{}.params\n", info.name) +
         field("on", false, "grit.nodes", "the nodes it acts on (default \"any\")") +
         fields(info.params, {{info.peers, "grit.nodes"}, {kRankParam, "grit.ranks"}}) +
         fields(timing_params_beside(info)) + "\n";
}

std::string plugin_class(const std::string& kind, const std::string& name, const std::vector<ParamSpec>& params) {
  return fmt::format("---@class grit.{}.{}.params\n{}\n", kind, name, fields(params));
}

/// A search's parameters are optional when none of its keys is required.
std::string search_function(const std::string& name, const std::string& summary) {
  const auto& keys = scenario_table(fmt::format("grit.search.{}.params", name)).keys;
  const bool optional = std::none_of(keys.begin(), keys.end(), [](const TableKey& key) { return key.required; });
  return function("search", name, summary, optional, "Search");
}

}  // namespace

std::string lua_annotations() {
  std::string text(kHead);
  for (const ScenarioTable& table : scenario_tables()) text += table_class(table);
  for (const Injector* injector : injectors()) text += fault_class(injector->info());
  for (const WorkloadInfo& workload : workloads()) text += plugin_class("workload", workload.name, workload.params);
  for (const Check* check : checks()) text += plugin_class("check", check->info.name, check_params(check->info));
  text.pop_back();
  text += kFunctions;
  for (const auto& [name, unit] : quantity_constructors())
    text += fmt::format(
        "\n---A {} as a value to compute with.\n---@param text string\n---@return grit.quantity\nfunction "
        "grit.{}(text) "
        "end\n",
        unit_name(unit), name);
  for (const Injector* injector : injectors()) {
    const InjectorInfo& info = injector->info();
    text += function("fault", info.name, info.summary, all_optional(info.params), "Fault");
  }
  for (const WorkloadInfo& one : workloads())
    text += function("workload", one.name, one.summary, all_optional(one.params), "Workload");
  for (const Check* one : checks())
    text += function("check", one->info.name, one->info.summary, all_optional(one->info.params), "Check");
  text += search_function("threshold", "From where on: the dose at which an effect starts, in a series of trials");
  text += search_function("minimal",
                          "From the scenario's list of faults to the smallest part of it that still gives what is "
                          "expected");
  return text + "\nreturn grit\n";
}

}  // namespace grit
