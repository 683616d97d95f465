// The plan: scenario + topology + seed, everything resolved. Pure data; the same inputs give the same bytes.
#pragma once

#include <string>
#include <vector>

#include "harness/model/scenario.hpp"
#include "harness/model/topology.hpp"

namespace grit {

/// What remains when grit is killed, and who takes it off.
enum class UndoClass { process, kernel, persistent };
std::string_view to_string(UndoClass undo);

/// One time in force, counted from the fault's anchor. end_ns < 0: until the block ends.
struct Pulse {
  std::int64_t start_ns = 0;
  std::int64_t end_ns = -1;
  int block = -1;  // Block::index of the only block in which it comes; -1: in every fault block
};

/// The moment from which a fault's pulses are counted. It may never come in a block; the fault then does not either.
struct Anchor {
  enum class Kind { block, step, applied, reverted };
  Kind kind = Kind::block;  // the ranks of the node enter the block
  std::int64_t step = 0;    // step: the node's first rank begins this step of the block; the first is 0
  int fault = -1;           // applied, reverted: that fault of the node first came into force, last came off
};
std::string_view to_string(Anchor::Kind kind);

struct PlannedFault {
  int id = 0;        // its place in Plan::faults
  std::string name;  // the injector
  int node = 0;
  bool passive = false;  // it is only the other end of what the fault does from other nodes: the receiver of a flood
  bool corrupts_data = false;  // data of the job are wrong under it, and wrong sums its effect
  AxisValues on{};             // the coordinates by which the scenario chose its node; empty: it chose otherwise
  AxisValues ranks{};  // those of the ranks that it acts on, whose places on the node are the parameter `rank`; empty:
                       // the scenario said them otherwise, or the fault acts on no ranks
  std::string device{};  // what it acts on: "eth0"; empty when the injector needs none
  std::string mechanism{};
  UndoClass undo = UndoClass::persistent;
  Json params = Json::object();
  Json resolved = Json::object();  // what Injector::resolve() settled: peers' addresses ...
  Anchor anchor{};
  std::vector<Pulse> pulses{};
  std::int64_t lease_ns = 0;  // the longest one pulse may stay in force, whatever happens to the block
};

/// sham: as a fault block, with everything done but apply and revert. recovery: no fault, right after a fault block.
/// The ranks of link_baseline and link_fault measure links (harness/run/link_test.hpp) and leave no step records.
enum class BlockKind { warmup, baseline, fault, sham, recovery, link_baseline, link_fault };
std::string_view to_string(BlockKind kind);

/// Are the plan's faults in force in such a block?
constexpr bool has_faults(BlockKind kind) { return kind == BlockKind::fault || kind == BlockKind::link_fault; }
constexpr bool is_link_test(BlockKind kind) {
  return kind == BlockKind::link_baseline || kind == BlockKind::link_fault;
}

struct Block {
  int index = 0;
  int pair = -1;  // -1: belongs to no pair (warm-up, link tests)
  BlockKind kind = BlockKind::baseline;
};

/// After how many pairs the run looks whether it has shown what it can, and stops if so: Design::pairs, half-way,
/// max_pairs (8, 12, 16). One look: the run has a fixed length.
std::vector<int> looks_of(const Design& design);

/// How many of a fault's pulses come in one block.
std::size_t pulses_in_block(const PlannedFault& fault, int block);

/// What the command line allows. Part of the plan, so that the agents look at it again; a replay must be
/// given it again.
struct Allowed {
  bool management = false;              // faults on interfaces that carry management traffic
  bool destructive = false;             // faults that end something which does not come back
  bool commands = false;                // commands of the scenario
  int max_victims = 0;                  // nodes with a fault at the same time; 0: default_max_victims()
  std::int64_t free_memory_bytes = -1;  // what faults must leave; below 0: default_free_memory_bytes()
  bool gpu_settings = false;            // faults that change settings of GPUs
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
  Json options = Json::object();  // name -> text
  Topology topology{};
  ScenarioPlugin workload{};
  std::optional<Mesh> mesh{};  // empty: the scenario gives no axes (mesh_of())
  /// What each rank does in a step of the workload, by formula (training_description()); null: the workload does not
  /// say. The spans of a run are held against it.
  Json by_formula{};
  std::vector<std::string> remarks{};   // of the workload, on this mesh
  std::vector<std::string> emulated{};  // what is not real: "compute (timer-driven accelerator)"
  std::vector<PlannedFault> faults{};
  std::vector<ScenarioPlugin> checks{};
  Design design{};
  std::vector<Block> blocks{};
  int attempt = 1;              // of Design::restarts + 1 (harness/model/attempt.hpp)
  std::int64_t first_step = 0;  // of the job's steps, counted over all attempts, the first of this one
  Expectation expect{};
  Allowed allowed{};
  std::vector<Guard> guards{};
};

/// Whether wrong sums in this block are what a fault of the plan does; elsewhere they are an error that ends the run.
bool corrupts_data_in(const Plan& plan, std::int64_t block);

/// How the ranks share the work: as the plan says, else all of them on dp. Of a plan without ranks, a mesh of one.
Mesh mesh_of(const Plan& plan);

/// Those of a node's ranks that have these coordinates, by their places on the node, from 0.
std::vector<int> places_at(const Mesh& mesh, const Node& node, const AxisValues& coordinates);

/// Which look, from 1, is taken before this block: the first of the pairs that come only if it is not clear yet.
std::optional<int> look_before(const Plan& plan, int block);

Json to_json(const Plan& plan);
Result<Plan> plan_from_json(const Json& json);

}  // namespace grit
