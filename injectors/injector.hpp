// The contract of a fault: one file in this directory, one line in registry.cpp (DESIGN §6, docs/adding-a-fault.md).
//
// An injector knows how to break one thing, to prove that it did, and to mend it. When, for how long and under which
// guard rails is the agent's business, so an injector holds no state: everything it must remember is in its undo record.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/model/params.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/topology.hpp"

namespace grit {

struct InjectorInfo {
  std::string name;      // = the file's stem
  std::string summary;   // one line for `grit list`
  std::vector<ParamSpec> params;
  std::vector<std::string> mechanisms;  // in order of preference
  std::vector<std::string> needs;       // in words: "CAP_NET_ADMIN in the node's network namespace"
  UndoClass undo = UndoClass::persistent;
  bool takes_nic = false;  // acts on a NIC: has a parameter `nic`; the interface guard rails apply to it
};

/// Where and how one planned fault acts.
struct Target {
  std::string device{};  // interface name, or empty
  Params params{};
};

/// A read-back from the kernel or driver, for the run's evidence.
struct Reading {
  bool in_force = false;         // the fault is what the kernel shows now
  Json details = Json::object(); // what was read, in the kernel's own words
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

class Injector {
 public:
  Injector() = default;
  Injector(const Injector&) = delete;
  Injector& operator=(const Injector&) = delete;
  virtual ~Injector() = default;

  [[nodiscard]] virtual const InjectorInfo& info() const = 0;

  // --- planning: pure, on rank 0, from the discovered node -------------------------------------------------------
  /// The device this fault would act on. Error (usage / unavailable): there is none such on this node; says what is there.
  [[nodiscard]] virtual Result<std::string> resolve_device(const Node& node, const Params& params) const = 0;
  [[nodiscard]] virtual std::string mechanism(const Node& node, const Params& params) const = 0;
  /// When it is in force, from a block's start. Default: the whole block.
  [[nodiscard]] virtual std::vector<Pulse> pulses(const Params&) const { return {Pulse{}}; }

  // --- on the node, in the agent ---------------------------------------------------------------------------------
  /// Why it cannot work here, in words and with what would help; nothing when it can. Tries what it can without changing anything.
  [[nodiscard]] virtual std::optional<std::string> why_unavailable(const Target& target) const = 0;
  /// The undo record: a snapshot of all that apply will touch and the identity of what it is (boot, namespace, device).
  /// Changes nothing.
  [[nodiscard]] virtual Result<Json> prepare(const Target& target) const = 0;
  [[nodiscard]] virtual Status apply(const Target& target, const Json& undo) const = 0;
  /// Reads the state back.
  [[nodiscard]] virtual Result<Reading> read_back(const Json& undo) const = 0;
  /// Counters that move when the fault acts, e.g. {"carrier_changes": 12}; acted() compares two of them.
  [[nodiscard]] virtual Result<Json> counters(const Json& undo) const = 0;
  [[nodiscard]] virtual bool acted(const Json& before, const Json& after) const = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<Witness>> witness(const Json&) const { return nullptr; }

  /// Puts everything back from the undo record alone. Idempotent; safe when apply never ran, ran in part, or the device is gone
  /// (then there is nothing to revert and that is success). Never acts on anything but the identity in the record.
  [[nodiscard]] virtual Status revert(const Json& undo) const = 0;
  /// A record from disk is data from outside: is it one that prepare() could have written? Closed set of keys and types.
  [[nodiscard]] virtual Status check_undo(const Json& undo) const = 0;
};

/// All injectors, in the order of `grit list`.
const std::vector<const Injector*>& injectors();
/// nullptr when there is none of that name.
const Injector* find_injector(std::string_view name);

}  // namespace grit
