// What a node looks like before and after a run, as far as faults can change it: whatever then differs was left behind.
//
// Only what stays as it is unless somebody changes it is read: no counters, lifetimes, carrier or link speed, no
// addresses and routes that come from router advertisements or routing daemons, no interrupts where irqbalance moves
// them.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// One kind of state. Keys name a thing ("link eth0"), values say how it is ("up, mtu 1500").
struct StatePart {
  enum class Compare {
    all,     // things that come and go count too
    common,  // only things that are there both times: processes end, drivers free interrupts
    added,   // only what is new: groups of an earlier run may still be on their way out
  };
  Compare compare = Compare::all;
  std::map<std::string, std::string> things{};
  std::map<std::string, std::string> interfaces{};  // by thing: the interface that it is, or belongs to
  std::string unread{};  // why it could not be read; it then proves nothing and is not compared
};

using NodeState = std::map<std::string, StatePart>;  // by what it is: "links", "qdiscs" ...

/// Links, addresses, routes, permanent neighbours, qdiscs and nftables of the calling thread's network namespace;
/// control groups called "grit..." and the affinity of interrupts of the machine. Changes nothing.
NodeState read_node_state();

/// Of these processes: stopped or not, CPU affinity, nice value, control groups with their limits. One that is gone is
/// left out.
NodeState read_process_state(std::span<const int> pids);

/// In words: "links: eth0: up, mtu 1500 -> up, mtu 900", "qdiscs: new: ...", "routes: gone: ...". Empty: nothing
/// changed.
std::vector<std::string> differences(const NodeState& before, const NodeState& after);

/// What the faults of a plan can have changed on a node: whatever belongs to these interfaces, and, with any, what
/// their drivers do anew (interrupts). What is grit's own, and the ranks, are always within reach.
struct FaultReach {
  std::set<std::string> interfaces{};
  bool everything = false;  // a fault runs commands of the scenario, which may do anything
};

/// These interfaces of the calling thread's network namespace, and all that stand on them (bonds, VLANs ...). Error:
/// the interfaces cannot be listed.
Result<FaultReach> reach_of(const std::set<std::string>& interfaces);

struct NodeChanges {
  std::vector<std::string> within_reach{};  // in words, as differences(): left behind, unless others did it
  std::vector<std::string> elsewhere{};     // what other programs changed meanwhile: a pod's links, a daemon's tables
};
NodeChanges changes(const NodeState& before, const NodeState& after, const FaultReach& reach);

/// What could not be read before or after, and why ("nftables: ..."), of what the faults can have changed: of that it
/// is not known whether something was left behind.
std::vector<std::string> unread_within(const NodeState& before, const NodeState& after, const FaultReach& reach);

namespace node_state {  // the parts, for node_state.cpp

Result<StatePart> read_cgroups();
Result<StatePart> read_interrupts();

}  // namespace node_state

}  // namespace grit
