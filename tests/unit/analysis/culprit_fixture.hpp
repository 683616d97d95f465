// What tests of the culprit ask of a simulated job.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analysis/blame/culprit.hpp"
#include "analysis/blame/links.hpp"
#include "analysis/records/own_work.hpp"
#include "tests/unit/analysis/simulated_steps.hpp"

namespace grit::testing {

inline const Json kNoFile;

inline std::optional<Culprit> culprit_of(const SimulatedJob& job, const Json& links = kNoFile,
                                         const Json& clock = kNoFile, std::vector<CheckResult> checks = {}) {
  const OwnWork work = own_work(job.plan, job.records, clock);
  const auto lines = links.is_null() ? std::nullopt : std::optional(link_lines(links));
  return find_culprit({job.plan, work, job.records, clock, {}, job.events, lines, job.pairs, checks});
}

/// Link tests of four nodes; slow(a, b) is by how many times a link is slower in fault blocks.
inline Json links_of(const std::function<double(int a, int b)>& slow, int nodes = 4) {
  Json links = Json::array();
  for (const bool fault : {false, true})
    for (int a = 0; a < nodes; ++a)
      for (int b = a + 1; b < nodes; ++b)
        for (int i = 0; i < 10; ++i) {
          const double times = (fault ? slow(a, b) : 1) * (1 + 0.01 * ((a * 7 + b * 3 + i) % 5));
          links.push_back({{"kind", fault ? "link_fault" : "link_baseline"},
                           {"a", a},
                           {"b", b},
                           {"latency_ns", {{"min", 4e4 * times}, {"median", 5e4 * times}, {"max", 9e4 * times}}},
                           {"bits_per_s", 1e10 / times}});
        }
  return Json{{"links", links}};
}

inline Json counters(double cpu_ms, double wait_ms, double stopped_ms = 0) {
  return {{"cpu_ns", cpu_ms * 1e6}, {"run_wait_ns", wait_ms * 1e6}, {"stopped_ns", stopped_ms * 1e6}};
}

/// The machine's busy CPU time for job.count()'s counters: that of its ranks and of others, by whether the block is one
/// with the fault, in ns a block.
inline void count_machine(SimulatedJob& job, const std::function<double(int node, bool fault)>& others_ns,
                          const std::function<std::string(int node)>& machine = {}) {
  // As agents do, each node tells of its own ranks.
  std::vector<Json> events;
  std::map<std::string, double> busy_ns;
  for (const Json& event : job.events)
    for (const Node& node : job.plan.topology.nodes) {
      Json own = event;
      own["node"] = node.index;
      own["ranks"] = Json::array();
      for (const Json& rank : event["ranks"])
        if (std::find(node.ranks.begin(), node.ranks.end(), rank["rank"].get<int>()) != node.ranks.end())
          own["ranks"].push_back(rank);
      if (machine) own["machine"] = machine(node.index);
      events.push_back(std::move(own));
    }
  std::map<std::pair<int, std::string>, double> begun;  // cpu_ns of all ranks, by block
  for (Json& event : events) {
    const int node = event["node"].get<int>();
    const std::string of = machine ? machine(node) : "this";
    const bool fault = job.plan.blocks[event["block"].get<std::size_t>()].kind == BlockKind::fault;
    double ranks_ns = 0;
    for (const Json& whole : job.events)
      if (whole["block"] == event["block"] && whole["edge"] == event["edge"])
        for (const Json& rank : whole["ranks"]) {
          const int owner = rank["rank"].get<int>() / static_cast<int>(job.plan.topology.nodes[0].ranks.size());
          if (!machine || machine(owner) == of) ranks_ns += rank["cpu_ns"].get<double>();
        }
    event["cpu_busy_ns"] = 1e12 + ranks_ns + (event["edge"] == "end" ? others_ns(node, fault) : 0);
  }
  job.events = std::move(events);
}

}  // namespace grit::testing
