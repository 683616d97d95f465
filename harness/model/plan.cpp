#include "harness/model/plan.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <utility>

namespace grit {
namespace {

constexpr int kFormat = 1;  // of plan.json; raised when an older grit could misread it

/// What is wrong with a plan.json; never leaves this file.
struct Malformed {
  std::string message;
};

// --- enumerations as words ------------------------------------------------------------------------------------------

constexpr std::array kUndoNames{std::pair{UndoClass::process, std::string_view("process")},
                                std::pair{UndoClass::kernel, std::string_view("kernel")},
                                std::pair{UndoClass::persistent, std::string_view("persistent")}};
constexpr std::array kBlockNames{std::pair{BlockKind::warmup, std::string_view("warmup")},
                                 std::pair{BlockKind::baseline, std::string_view("baseline")},
                                 std::pair{BlockKind::fault, std::string_view("fault")}};

template <class Names, class Enum>
std::string_view name_of(const Names& names, Enum value) {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  return "?";
}

template <class Names>
auto value_of(const Names& names, const std::string& word) {
  for (const auto& [known, name] : names) {
    if (name == word) return known;
  }
  throw Malformed{fmt::format("unknown word \"{}\"", word)};
}

// --- writing --------------------------------------------------------------------------------------------------------

Json json_of(const ScenarioPlugin& plugin) { return {{"name", plugin.name}, {"params", plugin.params}}; }

Json json_of(const PlannedFault& fault) {
  Json pulses = Json::array();
  for (const Pulse& pulse : fault.pulses) pulses.push_back({{"start_ns", pulse.start_ns}, {"end_ns", pulse.end_ns}});
  return {{"id", fault.id},         {"name", fault.name},           {"node", fault.node},
          {"device", fault.device}, {"mechanism", fault.mechanism}, {"undo", to_string(fault.undo)},
          {"params", fault.params}, {"pulses", std::move(pulses)},  {"lease_ns", fault.lease_ns}};
}

Json json_of(const Design& design) {
  return {{"pairs", design.pairs},
          {"block_steps", design.block_steps},
          {"block_ns", design.block_ns},
          {"settle_steps", design.settle_steps},
          {"warmup_steps", design.warmup_steps}};
}

Json json_of(const Block& block) {
  return {{"index", block.index}, {"pair", block.pair}, {"kind", to_string(block.kind)}};
}

Json json_of(const Expectation& expect) {
  Json json = Json::object();
  if (expect.slowdown_at_least) json["slowdown_at_least"] = *expect.slowdown_at_least;
  if (expect.slowdown_at_most) json["slowdown_at_most"] = *expect.slowdown_at_most;
  return json;
}

Json json_of(const Guard& guard) {
  return {{"what", guard.what}, {"refused", guard.refused}, {"override_flag", guard.override_flag}};
}

template <class T>
Json list_of(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(json_of(value));
  return list;
}

// --- reading: data from outside, so every field is looked at --------------------------------------------------------

const Json& field(const Json& json, const char* name) {
  if (!json.is_object() || !json.contains(name)) throw Malformed{fmt::format("\"{}\" is missing", name)};
  return json.at(name);
}

std::string text_field(const Json& json, const char* name) {
  const Json& value = field(json, name);
  if (!value.is_string()) throw Malformed{fmt::format("\"{}\" is not text", name)};
  return value.get<std::string>();
}

bool bool_field(const Json& json, const char* name) {
  const Json& value = field(json, name);
  if (!value.is_boolean()) throw Malformed{fmt::format("\"{}\" is not true or false", name)};
  return value.get<bool>();
}

std::int64_t int_field(const Json& json, const char* name, std::int64_t min = INT64_MIN, std::int64_t max = INT64_MAX) {
  const Json& value = field(json, name);
  const bool fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() || value.get<std::uint64_t>() <= std::uint64_t{INT64_MAX});
  if (!fits) throw Malformed{fmt::format("\"{}\" is not an integer", name)};
  const auto number = value.get<std::int64_t>();
  if (number < min || number > max) throw Malformed{fmt::format("\"{}\" is out of range: {}", name, number)};
  return number;
}

const Json& object_field(const Json& json, const char* name) {
  const Json& value = field(json, name);
  if (!value.is_object()) throw Malformed{fmt::format("\"{}\" is not an object", name)};
  return value;
}

template <class Read>
auto list_field(const Json& json, const char* name, Read read) {
  const Json& list = field(json, name);
  if (!list.is_array()) throw Malformed{fmt::format("\"{}\" is not a list", name)};
  std::vector<decltype(read(list))> values;
  for (const Json& value : list) values.push_back(read(value));
  return values;
}

std::string read_text(const Json& json) {
  if (!json.is_string()) throw Malformed{"a list of text holds something else"};
  return json.get<std::string>();
}

ScenarioPlugin read_plugin(const Json& json) { return {text_field(json, "name"), object_field(json, "params")}; }

Pulse read_pulse(const Json& json) {
  const Pulse pulse{int_field(json, "start_ns", 0), int_field(json, "end_ns", -1)};
  if (pulse.end_ns >= 0 && pulse.end_ns <= pulse.start_ns) throw Malformed{"a pulse ends before it starts"};
  return pulse;
}

PlannedFault read_fault(const Json& json) {
  PlannedFault fault;
  fault.id = static_cast<int>(int_field(json, "id", 0, INT32_MAX));
  fault.name = text_field(json, "name");
  fault.node = static_cast<int>(int_field(json, "node", 0, INT32_MAX));
  fault.device = text_field(json, "device");
  fault.mechanism = text_field(json, "mechanism");
  fault.undo = value_of(kUndoNames, text_field(json, "undo"));
  fault.params = object_field(json, "params");
  fault.pulses = list_field(json, "pulses", read_pulse);
  fault.lease_ns = int_field(json, "lease_ns", 1);
  return fault;
}

Design read_design(const Json& json) {
  Design design;
  design.pairs = int_field(json, "pairs", 1);
  design.block_steps = int_field(json, "block_steps", 0);
  design.block_ns = int_field(json, "block_ns", 0);
  design.settle_steps = int_field(json, "settle_steps", 0);
  design.warmup_steps = int_field(json, "warmup_steps", 0);
  if ((design.block_steps > 0) == (design.block_ns > 0)) {
    throw Malformed{"a block's length is given either in steps or in time"};
  }
  return design;
}

Block read_block(const Json& json) {
  return {static_cast<int>(int_field(json, "index", 0, INT32_MAX)),
          static_cast<int>(int_field(json, "pair", -1, INT32_MAX)), value_of(kBlockNames, text_field(json, "kind"))};
}

Expectation read_expectation(const Json& json) {
  const auto bound = [&json](const char* name) -> std::optional<double> {
    if (!json.contains(name)) return std::nullopt;
    if (!json.at(name).is_number()) throw Malformed{fmt::format("\"{}\" is not a number", name)};
    return json.at(name).get<double>();
  };
  return {bound("slowdown_at_least"), bound("slowdown_at_most")};
}

Guard read_guard(const Json& json) {
  return {text_field(json, "what"), bool_field(json, "refused"), text_field(json, "override_flag")};
}

std::uint64_t read_seed(const Json& json) {
  const Json& value = field(json, "seed");
  const bool negative = value.is_number_integer() && !value.is_number_unsigned() && value.get<std::int64_t>() < 0;
  if (!value.is_number_integer() || negative) throw Malformed{"\"seed\" is not an integer of at least 0"};
  return value.get<std::uint64_t>();
}

/// What the parts cannot say by themselves: indices are places in lists, nodes exist.
void check_consistency(const Plan& plan) {
  for (std::size_t i = 0; i < plan.faults.size(); ++i) {
    const PlannedFault& fault = plan.faults[i];
    if (fault.id != static_cast<int>(i)) throw Malformed{fmt::format("fault {} has the id {}", i, fault.id)};
    if (static_cast<std::size_t>(fault.node) >= plan.topology.nodes.size()) {
      throw Malformed{fmt::format("fault {} acts on node {}, which does not exist", i, fault.node)};
    }
  }
  for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
    if (plan.blocks[i].index != static_cast<int>(i)) throw Malformed{fmt::format("block {} is out of order", i)};
  }
}

Plan read_plan(const Json& json, Topology topology) {
  Plan plan;
  plan.scenario_name = text_field(json, "scenario");
  plan.summary = text_field(json, "summary");
  plan.seed = read_seed(json);
  plan.options = object_field(json, "options");
  plan.topology = std::move(topology);
  plan.workload = read_plugin(field(json, "workload"));
  plan.emulated = list_field(json, "emulated", read_text);
  plan.faults = list_field(json, "faults", read_fault);
  plan.checks = list_field(json, "checks", read_plugin);
  plan.design = read_design(field(json, "design"));
  plan.blocks = list_field(json, "blocks", read_block);
  plan.expect = read_expectation(object_field(json, "expect"));
  plan.guards = list_field(json, "guards", read_guard);
  check_consistency(plan);
  return plan;
}

}  // namespace

std::string_view to_string(UndoClass undo) { return name_of(kUndoNames, undo); }

std::string_view to_string(BlockKind kind) { return name_of(kBlockNames, kind); }

Json to_json(const Plan& plan) {
  return {{"format", kFormat},
          {"scenario", plan.scenario_name},
          {"summary", plan.summary},
          {"seed", plan.seed},
          {"options", plan.options},
          {"topology", to_json(plan.topology)},
          {"workload", json_of(plan.workload)},
          {"emulated", plan.emulated},
          {"faults", list_of(plan.faults)},
          {"checks", list_of(plan.checks)},
          {"design", json_of(plan.design)},
          {"blocks", list_of(plan.blocks)},
          {"expect", json_of(plan.expect)},
          {"guards", list_of(plan.guards)}};
}

Result<Plan> plan_from_json(const Json& json) {
  try {
    const std::int64_t format = int_field(json, "format");
    if (format != kFormat) {
      return usage_error(
          fmt::format("the plan has format {}, this grit reads format {}: use the grit that made it, "
                      "or plan the scenario again",
                      format, kFormat));
    }
    GRIT_TRY(Topology topology, topology_from_json(field(json, "topology")));
    return read_plan(json, std::move(topology));
  } catch (const Malformed& malformed) {
    return usage_error("not a plan: " + malformed.message);
  } catch (const Json::exception& error) {
    return usage_error(std::string("not a plan: ") + error.what());
  }
}

}  // namespace grit
