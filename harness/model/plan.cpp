#include "harness/model/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "harness/model/format.hpp"

namespace grit {
namespace {

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
                                 std::pair{BlockKind::fault, std::string_view("fault")},
                                 std::pair{BlockKind::sham, std::string_view("sham")},
                                 std::pair{BlockKind::recovery, std::string_view("recovery")},
                                 std::pair{BlockKind::link_baseline, std::string_view("link_baseline")},
                                 std::pair{BlockKind::link_fault, std::string_view("link_fault")}};

constexpr std::array kAnchorNames{std::pair{Anchor::Kind::block, std::string_view("block")},
                                  std::pair{Anchor::Kind::step, std::string_view("step")},
                                  std::pair{Anchor::Kind::applied, std::string_view("applied")},
                                  std::pair{Anchor::Kind::reverted, std::string_view("reverted")}};

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

Json json_of(const Anchor& anchor) {
  Json json{{"kind", to_string(anchor.kind)}};
  if (anchor.kind == Anchor::Kind::step) json["step"] = anchor.step;
  if (anchor.kind == Anchor::Kind::applied || anchor.kind == Anchor::Kind::reverted) json["fault"] = anchor.fault;
  return json;
}

Json json_of(const PlannedFault& fault) {
  Json pulses = Json::array();
  for (const Pulse& pulse : fault.pulses) {
    pulses.push_back({{"start_ns", pulse.start_ns}, {"end_ns", pulse.end_ns}});
    if (pulse.block >= 0) pulses.back()["block"] = pulse.block;
  }
  Json json{{"id", fault.id},
            {"name", fault.name},
            {"node", fault.node},
            {"device", fault.device},
            {"mechanism", fault.mechanism},
            {"undo", to_string(fault.undo)},
            {"params", fault.params},
            {"resolved", fault.resolved},
            {"anchor", json_of(fault.anchor)},
            {"pulses", std::move(pulses)},
            {"lease_ns", fault.lease_ns},
            {"passive", fault.passive}};
  if (fault.corrupts_data) json["corrupts_data"] = true;
  if (!fault.on.empty()) json["on"] = to_json(fault.on);
  if (!fault.ranks.empty()) json["ranks"] = to_json(fault.ranks);
  return json;
}

Json json_of(const Design& design) {
  return {{"pairs", design.pairs},
          {"max_pairs", design.max_pairs},
          {"sham", design.sham},
          {"recovery_ns", design.recovery_ns},
          {"link_test", design.link_test},
          {"block_steps", design.block_steps},
          {"block_ns", design.block_ns},
          {"settle_steps", design.settle_steps},
          {"warmup_steps", design.warmup_steps},
          {"restarts", design.restarts},
          {"hang_ns", design.hang_ns}};
}

Json json_of(const Block& block) {
  return {{"index", block.index}, {"pair", block.pair}, {"kind", to_string(block.kind)}};
}

/// any, all and a share mean the nodes that have a fault, which the plan's faults say.
Json expected_nodes(const NodeSelector& on) {
  return on.kind == NodeSelector::Kind::list ? Json(on.nodes) : Json("faults");
}

Json json_of(const ExpectedCulprit& culprit) {
  Json json{{"resource", culprit.resource}};
  if (culprit.on) json["on"] = expected_nodes(*culprit.on);
  return json;
}

Json json_of(const Expectation& expect) {
  Json json = Json::object();
  if (expect.slowdown_at_least) json["slowdown_at_least"] = *expect.slowdown_at_least;
  if (expect.slowdown_at_most) json["slowdown_at_most"] = *expect.slowdown_at_most;
  if (!expect.outcome.empty()) json["outcome"] = expect.outcome;
  if (expect.culprit) json["culprit"] = json_of(*expect.culprit);
  if (expect.wrong_values_from) json["wrong_values_from"] = expected_nodes(*expect.wrong_values_from);
  if (expect.recovers_within_ns) json["recovers_within_ns"] = *expect.recovers_within_ns;
  if (expect.p99_at_least) json["p99_at_least"] = *expect.p99_at_least;
  if (expect.p99_at_most) json["p99_at_most"] = *expect.p99_at_most;
  if (expect.throughput_at_least) json["throughput_at_least"] = *expect.throughput_at_least;
  if (expect.throughput_at_most) json["throughput_at_most"] = *expect.throughput_at_most;
  if (expect.detected_within_ns) json["detected_within_ns"] = *expect.detected_within_ns;
  if (expect.back_within_ns) json["back_within_ns"] = *expect.back_within_ns;
  if (expect.goodput_at_least) json["goodput_at_least"] = *expect.goodput_at_least;
  for (const auto& [name, fails] : expect.checks) json["checks"][name] = fails ? "fails" : "passes";
  return json;
}

Json json_of(const Allowed& allowed) {
  return {{"management", allowed.management},
          {"destructive", allowed.destructive},
          {"commands", allowed.commands},
          {"max_victims", allowed.max_victims},
          {"free_memory_bytes", allowed.free_memory_bytes},
          {"gpu_settings", allowed.gpu_settings}};
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

/// What older plans lack keeps its default.
template <class Value, class Read>
void read_if_there(const Json& json, const char* name, Value& value, Read read) {
  if (json.is_object() && json.contains(name)) value = read(json, name);
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

/// Coordinates, or sizes, of at least `least`.
AxisValues read_axes(const Json& json, const char* name, int least) {
  auto values = axis_values_from_json(field(json, name), least);
  if (!values) throw Malformed{fmt::format("\"{}\": {}", name, values.error().message)};
  return std::move(*values);
}

AxisValues read_coordinates(const Json& json, const char* name) { return read_axes(json, name, 0); }

Pulse read_pulse(const Json& json) {
  Pulse pulse{int_field(json, "start_ns", 0), int_field(json, "end_ns", -1)};
  if (json.contains("block")) pulse.block = static_cast<int>(int_field(json, "block", 0, INT32_MAX));
  if (pulse.end_ns >= 0 && pulse.end_ns <= pulse.start_ns) throw Malformed{"a pulse ends before it starts"};
  return pulse;
}

Anchor read_anchor(const Json& json) {
  Anchor anchor;
  anchor.kind = value_of(kAnchorNames, text_field(json, "kind"));
  if (anchor.kind == Anchor::Kind::step) anchor.step = int_field(json, "step", 0);
  if (anchor.kind == Anchor::Kind::applied || anchor.kind == Anchor::Kind::reverted)
    anchor.fault = static_cast<int>(int_field(json, "fault", 0, INT32_MAX));
  return anchor;
}

PlannedFault read_fault(const Json& json) {
  PlannedFault fault;
  fault.id = static_cast<int>(int_field(json, "id", 0, INT32_MAX));
  fault.name = text_field(json, "name");
  fault.node = static_cast<int>(int_field(json, "node", 0, INT32_MAX));
  read_if_there(json, "device", fault.device, text_field);
  fault.mechanism = text_field(json, "mechanism");
  fault.undo = value_of(kUndoNames, text_field(json, "undo"));
  fault.params = object_field(json, "params");
  read_if_there(json, "resolved", fault.resolved, object_field);
  read_if_there(json, "passive", fault.passive, bool_field);
  read_if_there(json, "corrupts_data", fault.corrupts_data, bool_field);
  read_if_there(json, "on", fault.on, read_coordinates);
  read_if_there(json, "ranks", fault.ranks, read_coordinates);
  if (json.contains("anchor")) fault.anchor = read_anchor(json.at("anchor"));
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
  if (json.contains("restarts")) design.restarts = int_field(json, "restarts", 0);
  if (json.contains("hang_ns")) design.hang_ns = int_field(json, "hang_ns", 1);
  if (json.contains("max_pairs")) design.max_pairs = int_field(json, "max_pairs", 0);
  read_if_there(json, "sham", design.sham, bool_field);
  if (json.contains("recovery_ns")) design.recovery_ns = int_field(json, "recovery_ns", 0);
  read_if_there(json, "link_test", design.link_test, bool_field);
  if ((design.block_steps > 0) == (design.block_ns > 0)) {
    throw Malformed{"a block's length is given either in steps or in time"};
  }
  return design;
}

Block read_block(const Json& json) {
  return {static_cast<int>(int_field(json, "index", 0, INT32_MAX)),
          static_cast<int>(int_field(json, "pair", -1, INT32_MAX)), value_of(kBlockNames, text_field(json, "kind"))};
}

NodeSelector read_expected_nodes(const Json& json, const char* name) {
  if (json.at(name).is_string()) return {.kind = NodeSelector::Kind::any};
  return {.nodes = list_field(json, name, [](const Json& node) { return node.get<int>(); })};
}

ExpectedCulprit read_culprit(const Json& json) {
  ExpectedCulprit culprit;
  culprit.resource = text_field(json, "resource");
  if (json.contains("on")) culprit.on = read_expected_nodes(json, "on");
  return culprit;
}

Expectation read_expectation(const Json& json) {
  const auto bound = [&json](const char* name) -> std::optional<double> {
    if (!json.contains(name)) return std::nullopt;
    if (!json.at(name).is_number()) throw Malformed{fmt::format("\"{}\" is not a number", name)};
    return json.at(name).get<double>();
  };
  Expectation expect{bound("slowdown_at_least"), bound("slowdown_at_most"),
                     json.contains("outcome") ? text_field(json, "outcome") : ""};
  if (json.contains("culprit")) expect.culprit = read_culprit(object_field(json, "culprit"));
  if (json.contains("wrong_values_from")) expect.wrong_values_from = read_expected_nodes(json, "wrong_values_from");
  if (json.contains("recovers_within_ns")) expect.recovers_within_ns = int_field(json, "recovers_within_ns", 1);
  if (json.contains("detected_within_ns")) expect.detected_within_ns = int_field(json, "detected_within_ns", 1);
  if (json.contains("back_within_ns")) expect.back_within_ns = int_field(json, "back_within_ns", 1);
  expect.goodput_at_least = bound("goodput_at_least");
  expect.p99_at_least = bound("p99_at_least");
  expect.p99_at_most = bound("p99_at_most");
  expect.throughput_at_least = bound("throughput_at_least");
  expect.throughput_at_most = bound("throughput_at_most");
  if (json.contains("checks"))
    for (const auto& [name, answer] : object_field(json, "checks").items()) {
      if (answer != "fails" && answer != "passes")
        throw Malformed{fmt::format("\"{}\" is neither \"fails\" nor \"passes\"", name)};
      expect.checks[name] = answer == "fails";
    }
  return expect;
}

Allowed read_allowed(const Json& json) {
  Allowed allowed;
  read_if_there(json, "management", allowed.management, bool_field);
  read_if_there(json, "destructive", allowed.destructive, bool_field);
  read_if_there(json, "commands", allowed.commands, bool_field);
  read_if_there(json, "gpu_settings", allowed.gpu_settings, bool_field);
  if (json.contains("max_victims"))
    allowed.max_victims = static_cast<int>(int_field(json, "max_victims", 0, INT32_MAX));
  if (json.contains("free_memory_bytes")) allowed.free_memory_bytes = int_field(json, "free_memory_bytes", -1);
  return allowed;
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

/// A fault follows an earlier one of its node, so that no two wait for each other.
void check_anchor(const Plan& plan, const PlannedFault& fault) {
  if (fault.anchor.fault < 0) return;
  if (fault.anchor.fault >= fault.id || plan.faults[static_cast<std::size_t>(fault.anchor.fault)].node != fault.node)
    throw Malformed{
        fmt::format("fault {} follows fault {}, which is no earlier one of its node", fault.id, fault.anchor.fault)};
}

/// It lays out all ranks of the plan's nodes, whatever their number.
Mesh read_mesh(const Json& json, const Topology& topology) {
  auto mesh = Mesh::over(read_axes(json, "mesh", 1), static_cast<int>(rank_count(topology)));
  if (!mesh) throw Malformed{"\"mesh\": " + mesh.error().message};
  return *mesh;
}

/// What the parts cannot say by themselves: indices are places in lists, nodes and coordinates exist.
void check_consistency(const Plan& plan) {
  for (std::size_t i = 0; i < plan.faults.size(); ++i) {
    const PlannedFault& fault = plan.faults[i];
    if (fault.id != static_cast<int>(i)) throw Malformed{fmt::format("fault {} has the id {}", i, fault.id)};
    if (static_cast<std::size_t>(fault.node) >= plan.topology.nodes.size()) {
      throw Malformed{fmt::format("fault {} acts on node {}, which does not exist", i, fault.node)};
    }
    check_anchor(plan, fault);
    for (const AxisValues& coordinates : {fault.on, fault.ranks})
      if (const Status there = mesh_of(plan).check(coordinates); !there)
        throw Malformed{fmt::format("fault {}: {}", i, there.error().message)};
  }
  for (std::size_t i = 0; i < plan.blocks.size(); ++i) {
    if (plan.blocks[i].index != static_cast<int>(i)) throw Malformed{fmt::format("block {} is out of order", i)};
  }
}

Plan read_plan(const Json& json, Topology topology) {
  Plan plan;
  plan.scenario_name = text_field(json, "scenario");
  read_if_there(json, "summary", plan.summary, text_field);
  plan.seed = read_seed(json);
  read_if_there(json, "options", plan.options, object_field);
  plan.topology = std::move(topology);
  plan.workload = read_plugin(field(json, "workload"));
  if (json.contains("mesh")) plan.mesh = read_mesh(json, plan.topology);
  if (json.contains("by_formula")) plan.by_formula = object_field(json, "by_formula");
  const auto list_of_texts = [](const Json& from, const char* name) { return list_field(from, name, read_text); };
  const auto list_of_plugins = [](const Json& from, const char* name) { return list_field(from, name, read_plugin); };
  const auto list_of_guards = [](const Json& from, const char* name) { return list_field(from, name, read_guard); };
  read_if_there(json, "emulated", plan.emulated, list_of_texts);
  read_if_there(json, "remarks", plan.remarks, list_of_texts);
  plan.faults = list_field(json, "faults", read_fault);
  read_if_there(json, "checks", plan.checks, list_of_plugins);
  plan.design = read_design(field(json, "design"));
  plan.blocks = list_field(json, "blocks", read_block);
  if (json.contains("attempt")) plan.attempt = static_cast<int>(int_field(json, "attempt", 1, INT32_MAX));
  if (json.contains("first_step")) plan.first_step = int_field(json, "first_step", 0, UINT32_MAX);
  if (json.contains("expect")) plan.expect = read_expectation(object_field(json, "expect"));
  if (json.contains("allowed")) plan.allowed = read_allowed(object_field(json, "allowed"));
  read_if_there(json, "guards", plan.guards, list_of_guards);
  check_consistency(plan);
  return plan;
}

}  // namespace

std::string_view to_string(UndoClass undo) { return name_of(kUndoNames, undo); }

std::string_view to_string(Anchor::Kind kind) { return name_of(kAnchorNames, kind); }

bool corrupts_data_in(const Plan& plan, std::int64_t block) {
  if (block < 0 || static_cast<std::size_t>(block) >= plan.blocks.size()) return false;
  return has_faults(plan.blocks[static_cast<std::size_t>(block)].kind) &&
         std::any_of(plan.faults.begin(), plan.faults.end(), [&](const PlannedFault& fault) {
           return fault.corrupts_data && pulses_in_block(fault, static_cast<int>(block)) > 0;
         });
}

std::size_t pulses_in_block(const PlannedFault& fault, int block) {
  const auto comes = [&](const Pulse& pulse) { return pulse.block < 0 || pulse.block == block; };
  return static_cast<std::size_t>(std::count_if(fault.pulses.begin(), fault.pulses.end(), comes));
}

std::string_view to_string(BlockKind kind) { return name_of(kBlockNames, kind); }

std::vector<int> looks_of(const Design& design) {
  const auto pairs = static_cast<int>(design.pairs), most = static_cast<int>(design.max_pairs);
  std::vector<int> looks{pairs};
  if (const int half_way = (pairs + most) / 2; half_way > pairs) looks.push_back(half_way);
  if (most > looks.back()) looks.push_back(most);
  return looks;
}

Mesh mesh_of(const Plan& plan) {
  if (plan.mesh) return *plan.mesh;
  return Mesh::over({}, static_cast<int>(rank_count(plan.topology))).value_or(Mesh());
}

std::vector<int> places_at(const Mesh& mesh, const Node& node, const AxisValues& coordinates) {
  std::vector<int> places;
  for (std::size_t place = 0; place < node.ranks.size(); ++place)
    if (mesh.is_at(node.ranks[place], coordinates)) places.push_back(static_cast<int>(place));
  return places;
}

std::optional<int> look_before(const Plan& plan, int block) {
  if (block < 1 || block >= static_cast<int>(plan.blocks.size())) return std::nullopt;
  const int pair = plan.blocks[static_cast<std::size_t>(block)].pair;
  if (plan.blocks[static_cast<std::size_t>(block) - 1].pair == pair) return std::nullopt;
  const std::vector<int> looks = looks_of(plan.design);
  const auto look = std::find(looks.begin(), looks.end(), pair);  // pairs are counted from 0
  if (look == looks.end()) return std::nullopt;
  return static_cast<int>(look - looks.begin()) + 1;
}

Json to_json(const Plan& plan) {
  Json json{{"format", formats::kPlan.number},
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
            {"attempt", plan.attempt},
            {"first_step", plan.first_step},
            {"expect", json_of(plan.expect)},
            {"allowed", json_of(plan.allowed)},
            {"guards", list_of(plan.guards)}};
  if (plan.mesh) json["mesh"] = to_json(*plan.mesh);
  if (!plan.by_formula.is_null()) json["by_formula"] = plan.by_formula;
  if (!plan.remarks.empty()) json["remarks"] = plan.remarks;
  return json;
}

Result<Plan> plan_from_json(const Json& json) {
  try {
    field(json, "format");
    GRIT_CHECK(check_format(json, formats::kPlan));
    GRIT_TRY(Topology topology, topology_from_json(field(json, "topology")));
    return read_plan(json, std::move(topology));
  } catch (const Malformed& malformed) {
    return usage_error("not a plan: " + malformed.message);
  } catch (const Json::exception& error) {
    return usage_error(std::string("not a plan: ") + error.what());
  }
}

}  // namespace grit
