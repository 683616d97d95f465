#include "harness/model/guard_rails.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <tuple>

namespace grit {
namespace {

constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMiB = 1LL << 20;
constexpr std::int64_t kGiB = 1LL << 30;
constexpr int kMaxRealVictims = 16;

/// A fault comes into force or goes off.
struct Edge {
  std::int64_t t_ns = 0;
  int node = 0;
  int change = 0;  // +1, -1
  std::int64_t memory_bytes = 0;
};

struct Load {
  int victims = 0;
  std::map<int, std::int64_t> memory_bytes{};  // by node, at the worst moment of each
  std::int64_t memory_of_all_bytes = 0;
};

using Edges = std::vector<Edge>;

void add_interval(Edges& edges, std::int64_t start_ns, std::int64_t end_ns, int node, std::int64_t memory_bytes) {
  edges.push_back({start_ns, node, 1, memory_bytes});
  if (end_ns != kForever) edges.push_back({end_ns, node, -1, -memory_bytes});
}

/// The edges of all blocks (-1) and of each block that has some of its own.
std::map<int, Edges> edges_by_block(const Plan& plan, const TraitsOf& traits_of) {
  std::map<int, Edges> edges;
  std::map<std::tuple<std::string, int, std::string>, std::int64_t> open;  // one fault, however many steps it grows in
  for (const PlannedFault& fault : plan.faults) {
    const std::int64_t memory_bytes = traits_of(fault).memory_bytes;
    if (fault.anchor.kind != Anchor::Kind::block) {
      std::int64_t& most_bytes = open[{fault.name, fault.node, fault.device}];
      most_bytes = std::max(most_bytes, memory_bytes);
      continue;
    }
    for (const Pulse& pulse : fault.pulses)
      add_interval(edges[pulse.block], pulse.start_ns, pulse.end_ns < 0 ? kForever : pulse.end_ns, fault.node,
                   memory_bytes);
  }
  for (const auto& [what, memory_bytes] : open) add_interval(edges[-1], 0, kForever, std::get<1>(what), memory_bytes);
  return edges;
}

void sweep(Edges edges, Load& load) {
  std::sort(edges.begin(), edges.end(),
            [](const Edge& a, const Edge& b) { return std::tie(a.t_ns, a.change) < std::tie(b.t_ns, b.change); });
  std::map<int, int> faults_on;
  std::map<int, std::int64_t> taken_bytes;
  std::int64_t all_bytes = 0;
  for (const Edge& edge : edges) {
    if ((faults_on[edge.node] += edge.change) == 0) faults_on.erase(edge.node);
    load.victims = std::max(load.victims, static_cast<int>(faults_on.size()));
    std::int64_t& of_node_bytes = load.memory_bytes[edge.node];
    of_node_bytes = std::max(of_node_bytes, taken_bytes[edge.node] += edge.memory_bytes);
    load.memory_of_all_bytes = std::max(load.memory_of_all_bytes, all_bytes += edge.memory_bytes);
  }
}

Load heaviest(const Plan& plan, const TraitsOf& traits_of) {
  Load load;
  const auto edges = edges_by_block(plan, traits_of);
  const auto common = edges.find(-1);
  for (const auto& [block, own] : edges) {
    Edges all = own;
    if (block >= 0 && common != edges.end()) all.insert(all.end(), common->second.begin(), common->second.end());
    sweep(std::move(all), load);
  }
  return load;
}

const Node& node_of(const Plan& plan, const PlannedFault& fault) {
  return plan.topology.nodes.at(static_cast<std::size_t>(fault.node));
}

class Rails {
 public:
  Rails(const Plan& plan, const TraitsOf& traits_of) : plan_(plan), traits_of_(traits_of) {}

  std::vector<Guard> build() {
    for (const PlannedFault& fault : plan_.faults) look_at(fault);
    for (const ScenarioPlugin& check : plan_.checks)
      if (runs_commands(check)) look_at_commands(check.name, "all nodes");
    const Load load = heaviest(plan_, traits_of_);
    look_at_victims(load.victims);
    look_at_memory(load);
    return std::move(guards_);
  }

 private:
  void add(std::string what, bool allowed, std::string flag) {
    if (said_.insert(what).second) guards_.push_back({std::move(what), !allowed, std::move(flag)});
  }

  void look_at(const PlannedFault& fault) {
    const FaultTraits traits = traits_of_(fault);
    const Node& node = node_of(plan_, fault);
    const auto of_fault = [&](const Nic& nic) { return nic.name == fault.device && nic.role == NicRole::management; };
    const auto nic = std::find_if(node.nics.begin(), node.nics.end(), of_fault);
    if (traits.takes_nic && nic != node.nics.end()) {
      const std::string why = nic->role_evidence.empty() ? "" : fmt::format(" ({})", nic->role_evidence);
      add(fmt::format("{} on {} {}: a management NIC{}", fault.name, node.name, nic->name, why),
          plan_.allowed.management, "--allow-management");
    }
    if (traits.destructive)
      add(fmt::format("{} on {}: what it ends does not come back", fault.name, node.name), plan_.allowed.destructive,
          "--allow-destructive");
    if (traits.runs_commands) look_at_commands(fault.name, node.name);
    if (traits.changes_gpu_settings)
      add(fmt::format("{} on {}: changes settings of GPUs", fault.name, node.name), plan_.allowed.gpu_settings,
          "--allow-gpu-settings");
  }

  void look_at_commands(const std::string& plugin, const std::string& where) {
    add(fmt::format("{} on {}: runs commands of the scenario as you", plugin, where), plan_.allowed.commands,
        "--allow-command");
  }

  void look_at_victims(int victims) {
    const int usual = default_max_victims(plan_.topology);
    const int allowed = plan_.allowed.max_victims > 0 ? plan_.allowed.max_victims : usual;
    if (victims <= std::min(usual, allowed)) return;
    add(fmt::format("{} nodes have a fault at the same time; at most {} may", victims, allowed), victims <= allowed,
        fmt::format("--max-victims {}", victims));
  }

  void look_at_memory(const Load& load) {
    if (plan_.topology.local_cluster) {
      check_memory("the nodes of the local cluster", load.memory_of_all_bytes,
                   plan_.topology.nodes.front().memory_bytes);
      return;
    }
    for (const auto& [node, taken_bytes] : load.memory_bytes) {
      const Node& of = plan_.topology.nodes.at(static_cast<std::size_t>(node));
      check_memory(of.name, taken_bytes, of.memory_bytes);
    }
  }

  void check_memory(const std::string& where, std::int64_t taken_bytes, std::int64_t total_bytes) {
    if (taken_bytes == 0 || total_bytes == 0) return;
    const std::int64_t usual_bytes = default_free_memory_bytes(total_bytes);
    const std::int64_t floor_bytes =
        plan_.allowed.free_memory_bytes >= 0 ? plan_.allowed.free_memory_bytes : usual_bytes;
    const std::int64_t left_bytes = total_bytes - taken_bytes;
    if (left_bytes >= std::max(floor_bytes, usual_bytes)) return;
    const auto words = [](std::int64_t bytes) {
      return bytes < kGiB ? fmt::format("{} MiB", bytes / kMiB)
                          : fmt::format("{:.1f} GiB", static_cast<double>(bytes) / static_cast<double>(kGiB));
    };
    add(fmt::format("faults on {} take up to {} of {}; {} must stay free", where, words(taken_bytes),
                    words(total_bytes), words(floor_bytes)),
        left_bytes >= floor_bytes, left_bytes < 0 ? "" : fmt::format("--free-memory {}MiB", left_bytes / kMiB));
  }

  const Plan& plan_;
  const TraitsOf& traits_of_;
  std::vector<Guard> guards_{};
  std::set<std::string> said_{};
};

}  // namespace

int default_max_victims(const Topology& topology) {
  const auto nodes = static_cast<int>(topology.nodes.size());
  return topology.local_cluster ? nodes : std::min(nodes, kMaxRealVictims);
}

std::int64_t default_free_memory_bytes(std::int64_t total_bytes) { return std::min(kGiB, total_bytes / 20); }

int victims_at_once(const Plan& plan) {
  return heaviest(plan, [](const PlannedFault&) { return FaultTraits{}; }).victims;
}

std::vector<Guard> guard_rails(const Plan& plan, const TraitsOf& traits_of) { return Rails(plan, traits_of).build(); }

Status check_guards(const std::vector<Guard>& guards) {
  std::string refused;
  for (const Guard& guard : guards) {
    if (!guard.refused) continue;
    refused += "\n  " + guard.what;
    if (!guard.override_flag.empty()) refused += fmt::format(" (to do it all the same: {})", guard.override_flag);
  }
  if (refused.empty()) return {};
  return usage_error("refused by the guard rails:" + refused);
}

}  // namespace grit
