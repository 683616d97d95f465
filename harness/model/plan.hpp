// The plan: scenario + topology + seed, everything resolved. Pure data; the same inputs give the same bytes.
#pragma once

#include <string>
#include <vector>

#include "harness/model/scenario.hpp"
#include "harness/model/topology.hpp"

namespace grit {

/// What remains when grit is killed, and who takes it off (DESIGN §6).
enum class UndoClass { process, kernel, persistent };
std::string_view to_string(UndoClass undo);

/// One time in force, relative to the block's start. end_ns < 0: until the block ends.
struct Pulse {
  std::int64_t start_ns = 0;
  std::int64_t end_ns = -1;
};

struct PlannedFault {
  int id = 0;               // its place in Plan::faults
  std::string name;         // the injector
  int node = 0;
  std::string device{};     // what it acts on: "eth0"; empty when the injector needs none
  std::string mechanism{};
  UndoClass undo = UndoClass::persistent;
  Json params = Json::object();
  std::vector<Pulse> pulses{};
  std::int64_t lease_ns = 0;  // the longest one pulse may stay in force, whatever happens to the block
};

enum class BlockKind { warmup, baseline, fault };
std::string_view to_string(BlockKind kind);

struct Block {
  int index = 0;
  int pair = -1;  // -1: belongs to no pair (warm-up)
  BlockKind kind = BlockKind::baseline;
};

/// What the guard rails refuse, or let pass only because the command line said so.
struct Guard {
  std::string what;
  bool refused = true;
  std::string override_flag{};  // "--allow-management"
};

struct Plan {
  std::string scenario_name;
  std::string summary;
  std::uint64_t seed = 1;
  Json options = Json::object();   // name -> text
  Topology topology{};
  ScenarioPlugin workload{};
  std::vector<std::string> emulated{};  // what is not real: "compute (timer-driven accelerator)"
  std::vector<PlannedFault> faults{};
  std::vector<ScenarioPlugin> checks{};
  Design design{};
  std::vector<Block> blocks{};
  Expectation expect{};
  std::vector<Guard> guards{};
};

Json to_json(const Plan& plan);
Result<Plan> plan_from_json(const Json& json);

}  // namespace grit
