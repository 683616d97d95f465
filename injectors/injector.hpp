// The contract of a fault: one file in this directory, one line in faults.hpp (docs/adding-a-fault.md).
//
// An injector knows how to break one thing, to prove that it did, and to mend it. When, for how long and under which
// guard rails is the agent's business. An injector holds no state: prepare() makes a Fault for one window, and what
// must be known to put things back after the agent was killed is in its undo record.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/mesh.hpp"
#include "harness/model/params.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/topology.hpp"
#include "harness/os/process.hpp"
#include "harness/os/reverted.hpp"

namespace grit {

class Segment;
struct NodeControl;
struct RankSlot;

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
  /// What it changes, in words that all faults which change the same thing share: two of them at one time on one node
  /// are refused when the plan is made. With takes_nic: of that NIC.
  std::vector<std::string> touches{};
  bool rank_by_rank = false;  // what it changes is each rank's own: two may meet on one node, on different ranks
  UndoClass undo = UndoClass::persistent;
  bool takes_nic = false;  // acts on a NIC: has a parameter `nic`; the interface guard rails apply to it
  /// Of a fault between nodes, the parameter that names the others. In a scenario it takes node selectors, too, which
  /// the plan turns into a list; "any" and a share are drawn among the nodes that `on` leaves.
  std::string peers{};
  /// The parameter that may name one of grit's health checks; looked up when a scenario is loaded.
  std::string names_check{};
  bool corrupts_data = false;  // data of the job are wrong under it: then wrong sums are its effect, and end no run
  bool destructive = false;    // ends something that does not come back: only with --allow-destructive
  bool irreversible = false;   // done once and for all: nothing to revert, and the reading stays as it is
  bool runs_commands = false;  // runs commands of the scenario: only with --allow-command
  Dose dose{};                 // e.g. {"delay"}; none: `ramp` is refused
  /// It changes a setting that belongs to no namespace, and is reverted alike from any of them. Two grits of one
  /// machine, each in a container, would take the other's change for what there was: there it needs the machine's lock.
  /// A load on what the machine's containers share (its memory, a disk) has nothing to put back wrongly, and is none.
  bool machine_wide = false;
  bool outlives_reboot = false;  // what it changes may be on disk, or in a chip: a reboot does not undo it
};

/// Of a fault that acts on ranks, the parameter that says on which of the node (rank_param()). In a scenario it takes
/// coordinates, too, which the plan turns into places on the node.
inline constexpr const char* kRankParam = "rank";
bool takes_ranks(const InjectorInfo& info);

/// What a fault may ask of the plan's workload.
struct WorkloadTraits {
  std::string name{};
  std::vector<Axis> axes{};  // over which it can share its work
  Json params = Json::object();
};

/// One rank of the node. One that has ended keeps its place; its identity is then nobody's.
struct NodeRank {
  ProcessIdentity process{};
  RankSlot* slot = nullptr;  // in the node's shared memory
};

/// The node's ranks of this run and what they share.
struct NodeRanks {
  std::vector<NodeRank> all{};     // in the order of their local ranks
  NodeControl* control = nullptr;  // nullptr: a node without ranks
};
/// As long as the segment lives.
NodeRanks node_ranks(const Segment& segment);

/// Where and how one planned fault acts.
struct Target {
  std::string device{};  // interface name, or empty
  Params params{};
  Json resolved = Json::object();  // of Injector::resolved_on()
  NodeRanks ranks{};
};

/// A read-back from the kernel or driver, for the run's evidence. Of a thing that is gone, neither is true.
struct Reading {
  bool holds = false;             // the kernel shows what the fault is to do
  bool left = false;              // something that the fault has changed is not as it was before
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

/// A fault that stands by: a setting, a process, a descriptor. Made when its block is armed, so that start() has little
/// left to do; ends, off, with the block. What it holds in processes or descriptors ends with the agent at the latest.
class Fault {
 public:
  Fault() = default;
  Fault(const Fault&) = delete;
  Fault& operator=(const Fault&) = delete;
  virtual ~Fault() = default;
  /// In force when it returns, or, with patience_ns(), some time later.
  [[nodiscard]] virtual Status start() = 0;
  /// The dose that does nothing, for a sham block: what the fault costs without its effect. True: something was done
  /// that stop() takes off. By default there is nothing to it.
  [[nodiscard]] virtual Result<bool> start_null() { return false; }
  /// Off when it returns, and everything as it was. Idempotent, also when start() never ran or ran in part; can be
  /// started again. What it was done to may be gone: that is success.
  [[nodiscard]] virtual Status stop() = 0;
  [[nodiscard]] virtual Result<Reading> read() = 0;
  /// How long after start() its reading may take to hold. It is repeated until then.
  [[nodiscard]] virtual std::int64_t patience_ns() const { return 0; }
  /// Counters that move when the fault acts, e.g. {"carrier_changes": 12}; Injector::acted() compares two of them. Read
  /// right before each start, before and after each stop, until they have moved.
  [[nodiscard]] virtual Result<Json> counters() = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<Witness>> witness() { return nullptr; }
};

/// What prepare() gives.
struct Prepared {
  /// A snapshot of all that the fault will touch and the identity of what it is (boot, namespace, device, process); on
  /// disk before it starts. null: nothing outlives the agent.
  Json undo{};
  std::unique_ptr<Fault> fault{};
};
/// Of a fault that ends with the agent.
Result<Prepared> without_undo(Result<std::unique_ptr<Fault>> fault);

class Injector {
 public:
  Injector() = default;
  Injector(const Injector&) = delete;
  Injector& operator=(const Injector&) = delete;
  virtual ~Injector() = default;

  [[nodiscard]] virtual const InjectorInfo& info() const = 0;

  // --- planning: pure, on rank 0, from the discovered node -------------------------------------------------------
  /// Are the parameters possible together? And the device this fault would act on: with takes_nic the NIC of the
  /// parameter `nic`, else none. Error (usage / unavailable): there is none such on this node; says what is there.
  [[nodiscard]] virtual Result<std::string> resolve_device(const Node& node, const Params& params) const;
  /// Does the workload have what it acts on? Error (usage): it has not; says what has.
  [[nodiscard]] virtual Status suits(const WorkloadTraits&, const Params&) const { return {}; }
  /// How; "netem, else nftables" when the node chooses, which then says so as "mechanism" in its reading or undo
  /// record. By default the only one there is.
  [[nodiscard]] virtual std::string mechanism(const Node& node, const Params& params) const;
  /// The nodes that take part when the scenario says `on`: those and, for faults between nodes, the others' ends.
  [[nodiscard]] virtual Result<std::vector<int>> nodes(const Topology&, const std::vector<int>& on,
                                                       const Params&) const {
    return on;
  }
  /// What else the plan must settle for one node of nodes(), in a few words: who its peers are, ports ... Kept as
  /// PlannedFault::resolved.
  [[nodiscard]] virtual Result<Json> resolve(const Topology&, const std::vector<int>&, const Node&,
                                             const Params&) const {
    return Json::object();
  }
  /// Of that, what the node itself needs to know, as Target::resolved: its peers' addresses ... Worked out on the node,
  /// from the plan: the addresses of all peers of all nodes would make it grow with the square of the nodes. Plans of
  /// earlier versions have it already. Error (usage): not what resolve() could have settled.
  [[nodiscard]] virtual Result<Json> resolved_on(const Topology&, int /*node*/, const Json& resolved) const {
    return resolved;
  }
  /// When it is in force, from a block's start. Default: the whole block.
  [[nodiscard]] virtual std::vector<Pulse> pulses(const Params&) const { return {Pulse{}}; }

  /// With these parameters, does it run commands of the scenario?
  [[nodiscard]] virtual bool runs_commands(const Params&) const { return info().runs_commands; }
  /// With these parameters, how strong it is. Of a fault without any, none with any.
  [[nodiscard]] virtual Dose dose(const Params&) const { return info().dose; }
  /// With these parameters, does it change settings of GPUs? Only with --allow-gpu-settings.
  [[nodiscard]] virtual bool changes_gpu_settings(const Params&) const { return false; }
  /// InjectorInfo::machine_wide, of a fault with these parameters; and of one that left this record.
  [[nodiscard]] virtual bool is_machine_wide(const Params&) const { return info().machine_wide; }
  [[nodiscard]] virtual bool is_machine_wide_record(const Json& /*undo*/) const { return info().machine_wide; }
  /// How long one call of its Fault may take, where that is longer than other faults can wait (a shell command, a GPU's
  /// driver): the fault then gets a thread of its own, and a lease that is longer. It must not fork workers in start(),
  /// which would die with that thread. 0: its calls return at once.
  [[nodiscard]] virtual std::int64_t call_limit_ns(const Params&) const { return 0; }

  /// Memory that it takes at most from that node, for the guard rail of free memory.
  [[nodiscard]] virtual std::int64_t memory_bytes(const Node&, const Params&) const { return 0; }

  /// Each mechanism and why it cannot work on the machine that asks, in words; nothing when it can. For `grit
  /// describe`. Tries what it can without changing anything.
  struct Mechanism {
    std::string name;
    std::optional<std::string> why_not;
  };
  [[nodiscard]] virtual std::vector<Mechanism> mechanisms_here() const;

  // --- on the node, in the agent ---------------------------------------------------------------------------------
  /// Why it cannot work here, in words and with what would help; nothing when it can. Tries what it can without
  /// changing anything; by default whether it can be prepared.
  [[nodiscard]] virtual std::optional<std::string> why_unavailable(const Target& target) const;
  /// The fault, ready to start. Changes nothing that anybody else could notice.
  [[nodiscard]] virtual Result<Prepared> prepare(const Target& target) const = 0;
  /// Do two readings of counters() show that the fault acted? Not only that it was set.
  [[nodiscard]] virtual bool acted(const Json& before, const Json& after) const = 0;

  // --- from an undo record alone, when whoever applied the fault is dead; not for faults that make none ------------
  /// Puts everything back. Idempotent; safe when the fault never started or started in part. Never acts on anything but
  /// the identity in the record. An error: it failed, or cannot tell; the record is then kept.
  [[nodiscard]] virtual Result<Reverted> revert(const Json& undo) const;
  /// A record from disk is data from outside: is it one that prepare() could have written? Closed set of keys and
  /// types.
  [[nodiscard]] virtual Status check_undo(const Json& undo) const;
};

/// All injectors, in the order of `grit list`.
const std::vector<const Injector*>& injectors();
/// nullptr when there is none of that name.
const Injector* find_injector(std::string_view name);

/// Did this counter grow?
bool grew(const Json& before, const Json& after, const char* counter);

}  // namespace grit
