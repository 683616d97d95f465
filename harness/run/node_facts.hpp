// What grit doctor says of a node: whether a run would work there, and what is unlike the other nodes.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/run/job.hpp"

namespace grit {

struct Fact {
  std::string topic{};     // "journal"
  std::string value{};     // short, for a column
  std::string compared{};  // what nodes should have alike; empty: they need not
  std::string problem{};   // in a sentence, with what to do; empty: none
  bool fatal = false;      // a run would fail
};

struct NodeFacts {
  std::string node{};
  std::vector<Fact> facts{};  // of the same topics in the same order on every node
};

/// Of this process on this machine. Looks only; changes nothing.
NodeFacts facts_of_this_node();

/// Whether faults come off when all of a job is killed at once. `agent` and `heir`: what /proc/PID/cgroup says of an
/// agent and of its heir, which leaves the job's control groups where it may (harness/agent/heir.hpp).
Fact outlives_the_job(std::string_view agent, std::string_view heir, const std::filesystem::path& journals);

/// Whether a recorder of this machine can listen at the port on the addresses that other nodes would try.
Fact port_here(int port);

/// Of each node of the job, with who its launcher is and whether its agent could reach the recorder, at `port` as
/// Execution::port; on rank 0, elsewhere none. Collective.
Result<std::vector<NodeFacts>> facts_of_nodes(const Job& job, int port);

/// By node and fact: true where the node is not like most others in it. Where no value has a majority all are.
std::vector<std::vector<bool>> unlike_most(const std::vector<NodeFacts>& nodes);

/// Whether a run would start: no fatal fact.
bool run_would_work(const std::vector<NodeFacts>& nodes);

/// A row a node; "*" marks what differs from most nodes, "!" what keeps a run from starting. Below it the problems.
std::string facts_table(const std::vector<NodeFacts>& nodes);

/// {"ok": bool, "nodes": [{"node": NAME, "facts": [{topic, value, differs, problem, fatal}]}]}
Json facts_json(const std::vector<NodeFacts>& nodes);

}  // namespace grit
