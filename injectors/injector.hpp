// The contract of a fault: one file in this directory, one line in registry.cpp (DESIGN §6, docs/adding-a-fault.md).
//
// An injector knows how to break one thing, to prove that it did, and to mend it. When, for how long and under which
// guard rails is the agent's business, so an injector holds no state: everything it must remember is in its undo
// record.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/params.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/topology.hpp"

namespace grit {

/// The parameter that says how strong a fault is, so that a scenario can let it grow (`ramp`).
struct Dose {
  std::string param{};   // a parameter of unit number, fraction, count, time, bytes or a rate; empty: it has none
  double no_effect = 0;  // the parameter's value with which the fault does nothing
};

struct InjectorInfo {
  std::string name;     // = the file's stem
  std::string summary;  // one line for `grit list`
  std::vector<ParamSpec> params;
  std::vector<std::string> mechanisms;  // in order of preference
  std::vector<std::string> needs;       // in words: "CAP_NET_ADMIN in the node's network namespace"
  UndoClass undo = UndoClass::persistent;
  bool takes_nic = false;      // acts on a NIC: has a parameter `nic`; the interface guard rails apply to it
  bool destructive = false;    // ends something that does not come back: only with --allow-destructive
  bool irreversible = false;   // done once and for all: nothing to revert, and the reading stays in force
  bool runs_commands = false;  // runs commands of the scenario: only with --allow-command
  Dose dose{};                 // e.g. {"delay"}; none: `ramp` is refused
  bool machine_wide = false;   // changes what belongs to no namespace, and is reverted alike from any of them
};

/// Where and how one planned fault acts.
struct Target {
  std::string device{};  // interface name, or empty
  Params params{};
  Json resolved = Json::object();  // PlannedFault::resolved: what resolve() settled in the plan
  std::vector<int> rank_pids{};    // the node's ranks of this run, as the agent sees them
};

/// A read-back from the kernel or driver, for the run's evidence.
struct Reading {
  bool in_force = false;          // the fault is what the kernel shows now
  Json details = Json::object();  // what was read, in the kernel's own words
};

/// A stream of the kernel's own notifications about a target; its descriptor becomes readable when there are some.
class Witness {
 public:
  Witness() = default;
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;
  virtual ~Witness() = default;
  [[nodiscard]] virtual int descriptor() const = 0;
  /// All pending notifications as {"t_ns": CLOCK_MONOTONIC at receipt, "what": "link down, carrier off", ...}.
  virtual std::vector<Json> drain() = 0;
};

/// A fault that lives in processes or descriptors of its own and ends with them (undo classes `process` and `kernel`):
/// made, idle, when its block is armed, so that start() has little left to do.
class Load {
 public:
  Load() = default;
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  virtual ~Load() = default;  // ends it
  /// In force when it returns.
  [[nodiscard]] virtual Status start() = 0;
  /// Off when it returns. Idempotent; can be started again.
  [[nodiscard]] virtual Status stop() = 0;
  [[nodiscard]] virtual Result<Reading> read_back() = 0;
  [[nodiscard]] virtual Result<Json> counters() = 0;
};

class Injector {
 public:
  Injector() = default;
  Injector(const Injector&) = delete;
  Injector& operator=(const Injector&) = delete;
  virtual ~Injector() = default;

  [[nodiscard]] virtual const InjectorInfo& info() const = 0;

  // --- planning: pure, on rank 0, from the discovered node -------------------------------------------------------
  /// The device this fault would act on. Error (usage / unavailable): there is none such on this node; says what is
  /// there.
  [[nodiscard]] virtual Result<std::string> resolve_device(const Node& node, const Params& params) const = 0;
  /// How; "netem, else nftables" when the node chooses, which then says so as "mechanism" in its undo record or
  /// reading.
  [[nodiscard]] virtual std::string mechanism(const Node& node, const Params& params) const = 0;
  /// The nodes that take part when the scenario says `on`: those and, for faults between nodes, the others' ends.
  [[nodiscard]] virtual Result<std::vector<int>> nodes(const Topology&, const std::vector<int>& on,
                                                       const Params&) const {
    return on;
  }
  /// What else the plan must settle for one node of nodes(): its peers' addresses, ports ... Kept as Target::resolved.
  [[nodiscard]] virtual Result<Json> resolve(const Topology&, const std::vector<int>&, const Node&,
                                             const Params&) const {
    return Json::object();
  }
  /// When it is in force, from a block's start. Default: the whole block.
  [[nodiscard]] virtual std::vector<Pulse> pulses(const Params&) const { return {Pulse{}}; }

  /// Memory that it takes at most from that node, for the guard rail of free memory.
  [[nodiscard]] virtual std::int64_t memory_bytes(const Node&, const Params&) const { return 0; }

  /// Each mechanism and why it cannot work on the machine that asks, in words; nothing when it can. For `grit
  /// describe`. Tries what it can without changing anything.
  struct Mechanism {
    std::string name;
    std::optional<std::string> why_not;
  };
  [[nodiscard]] virtual std::vector<Mechanism> mechanisms_here() const {
    std::vector<Mechanism> all;
    for (const std::string& name : info().mechanisms) all.push_back({name, std::nullopt});
    return all;
  }

  // --- on the node, in the agent ---------------------------------------------------------------------------------
  /// Why it cannot work here, in words and with what would help; nothing when it can. Tries what it can without
  /// changing anything.
  [[nodiscard]] virtual std::optional<std::string> why_unavailable(const Target& target) const = 0;
  /// The undo record: a snapshot of all that apply will touch and the identity of what it is (boot, namespace, device).
  /// Changes nothing.
  [[nodiscard]] virtual Result<Json> prepare(const Target& target) const = 0;
  [[nodiscard]] virtual Status apply(const Target& target, const Json& undo) const = 0;
  /// Reads the state back.
  [[nodiscard]] virtual Result<Reading> read_back(const Json& undo) const = 0;
  /// Counters that move when the fault acts, e.g. {"carrier_changes": 12}; acted() compares two of them. Read before it
  /// is applied, before it is reverted and, unless they had moved by then, at the end.
  [[nodiscard]] virtual Result<Json> counters(const Json& undo) const = 0;
  [[nodiscard]] virtual bool acted(const Json& before, const Json& after) const = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<Witness>> witness(const Json&) const { return nullptr; }
  /// The load that is the fault, where there is one (load_injector.hpp); apply, read_back, counters and revert are then
  /// its start, read_back, counters and stop. Undo class `persistent`: it may leave something behind when it is killed
  /// (a stopped rank), so the undo record is on disk before it starts, and revert() follows its stop. Changes nothing
  /// that anybody else could notice yet.
  [[nodiscard]] virtual Result<std::unique_ptr<Load>> make_load(const Target&, const Json&) const { return nullptr; }

  /// Puts everything back from the undo record alone. Idempotent; safe when apply never ran, ran in part, or the device
  /// is gone (then there is nothing to revert and that is success). Never acts on anything but the identity in the
  /// record.
  [[nodiscard]] virtual Status revert(const Json& undo) const = 0;
  /// A record from disk is data from outside: is it one that prepare() could have written? Closed set of keys and
  /// types.
  [[nodiscard]] virtual Status check_undo(const Json& undo) const = 0;
};

/// All injectors, in the order of `grit list`.
const std::vector<const Injector*>& injectors();
/// nullptr when there is none of that name.
const Injector* find_injector(std::string_view name);

}  // namespace grit
