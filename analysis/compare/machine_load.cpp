#include "analysis/compare/machine_load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "harness/base/json_fields.hpp"

namespace grit {
namespace {

double number_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : kUnknownLoad;
}

/// The counters of one node at an edge of a block.
struct Reading {
  double at_ns = 0;
  double busy_ns = kUnknownLoad, steal_ns = kUnknownLoad, clock_hz = kUnknownLoad;
  double cpu_stall_ns = kUnknownLoad, memory_stall_ns = kUnknownLoad, io_stall_ns = kUnknownLoad;
  double ranks_cpu_ns = 0, ranks_wait_ns = 0;
  std::set<std::int64_t> ranks{};
};

Reading reading_of(const Json& event) {
  Reading reading;
  reading.at_ns = number_at(event, "t_ns");
  reading.busy_ns = number_at(event, "cpu_busy_ns");
  reading.steal_ns = number_at(event, "cpu_steal_ns");
  reading.clock_hz = number_at(event, "cpu_clock_hz");
  if (const auto stalls = event.find("stalls_ns"); stalls != event.end() && stalls->is_object()) {
    reading.cpu_stall_ns = number_at(*stalls, "cpu");
    reading.memory_stall_ns = number_at(*stalls, "memory");
    reading.io_stall_ns = number_at(*stalls, "io");
  }
  const auto ranks = event.find("ranks");
  if (ranks == event.end() || !ranks->is_array()) return reading;
  for (const Json& rank : *ranks) {
    if (!rank.is_object()) continue;
    reading.ranks.insert(integer_at(rank, "rank"));
    reading.ranks_cpu_ns += number_at(rank, "cpu_ns");
    reading.ranks_wait_ns += number_at(rank, "run_wait_ns");
  }
  return reading;
}

/// Of one machine in one block: the machine's own counters as one of its nodes read them, and the ranks of all of them.
class BlockLoad {
 public:
  void add(const Reading& begin, const Reading& end) {
    const double wall_ns = end.at_ns - begin.at_ns;
    if (!(wall_ns > 0) || begin.ranks != end.ranks) {  // a rank that came or went: its counters do not go together
      whole_ = false;
      return;
    }
    ranks_.insert(end.ranks.begin(), end.ranks.end());
    ranks_cpus_ += (end.ranks_cpu_ns - begin.ranks_cpu_ns) / wall_ns;
    ranks_wait_ += (end.ranks_wait_ns - begin.ranks_wait_ns) / wall_ns;
    if (known_) return;
    known_ = true;
    busy_cpus_ = (end.busy_ns - begin.busy_ns) / wall_ns;
    load_ = {0,
             (end.steal_ns - begin.steal_ns) / wall_ns,
             0,
             (end.cpu_stall_ns - begin.cpu_stall_ns) / wall_ns,
             (end.memory_stall_ns - begin.memory_stall_ns) / wall_ns,
             (end.io_stall_ns - begin.io_stall_ns) / wall_ns,
             (begin.clock_hz + end.clock_hz) / 2};
  }

  /// `ranks`: of all of the machine's nodes. Empty: not known, since some of them were not counted and what they took
  /// would be taken for others'.
  [[nodiscard]] std::optional<MachineLoad> load(const std::set<std::int64_t>& ranks) const {
    if (!known_ || !whole_ || ranks_ != ranks) return std::nullopt;
    MachineLoad load = load_;
    const double steal_cpus = std::isnan(load[1]) ? 0 : load[1];  // counted as busy
    load[0] = std::max(0.0, busy_cpus_ - ranks_cpus_ - steal_cpus);
    load[2] = ranks_.empty() ? kUnknownLoad : ranks_wait_ / static_cast<double>(ranks_.size());
    return load;
  }

 private:
  bool known_ = false, whole_ = true;
  std::set<std::int64_t> ranks_{};
  double busy_cpus_ = 0, ranks_cpus_ = 0, ranks_wait_ = 0;
  MachineLoad load_{};
};

/// Nodes by machine, as far as they said on which they are, whenever in the run.
using NodesOfMachines = std::map<std::string, std::set<std::int64_t>>;

std::set<std::int64_t> ranks_of(const Plan& plan, const std::set<std::int64_t>& nodes) {
  std::set<std::int64_t> ranks;
  for (const Node& node : plan.topology.nodes)
    if (plan.topology.local_cluster || nodes.contains(node.index)) ranks.insert(node.ranks.begin(), node.ranks.end());
  return ranks;
}

}  // namespace

std::string load_text(std::size_t kind, double value) {
  if (std::isnan(value)) return "not known";
  if (kLoadKinds[kind].is_share) return fmt::format("{:.1f} %", 100 * value);
  return kind == kClock ? fmt::format("{:.2f} GHz", value / 1e9) : fmt::format("{:.2f}", value);
}

Json to_json(const MachineLoad& load) {
  Json json = Json::object();
  for (std::size_t kind = 0; kind < load.size(); ++kind)
    if (!std::isnan(load[kind])) json[std::string(kLoadKinds[kind].key)] = load[kind];
  return json;
}

std::map<int, MachineLoads> machine_loads(const Plan& plan, std::span<const int> blocks, const JsonLines& events) {
  const std::set<std::int64_t> wanted(blocks.begin(), blocks.end());
  std::map<std::pair<std::int64_t, std::int64_t>, Reading> begins;  // by block and node, until the block's end
  NodesOfMachines nodes_of;
  std::map<std::pair<std::string, std::int64_t>, BlockLoad> by_block;
  events.for_each_of({"usage"}, [&](const Json& event) {
    if (!event.is_object() || !has_text(event, "type", "usage")) return;
    const std::int64_t block = integer_at(event, "block"), node = integer_at(event, "node");
    if (node < 0) return;
    const std::string boot = text_at(event, "machine");
    const std::string machine = plan.topology.local_cluster ? "this"
                                : boot.empty()              ? fmt::format("node {}", node)
                                                            : boot;
    nodes_of[machine].insert(node);
    if (!wanted.contains(block)) return;
    if (has_text(event, "edge", "begin")) begins.insert_or_assign({block, node}, reading_of(event));
    const auto begin = begins.find({block, node});
    if (!has_text(event, "edge", "end") || begin == begins.end()) return;
    by_block[{machine, block}].add(begin->second, reading_of(event));
    begins.erase(begin);
  });
  std::map<int, MachineLoads> loads;
  for (const auto& [place, one] : by_block) {
    const std::set<std::int64_t>& nodes = nodes_of.at(place.first);
    if (const auto load = one.load(ranks_of(plan, nodes)))
      loads[static_cast<int>(place.second)][static_cast<int>(*nodes.begin())] = *load;
  }
  return loads;
}

MachineLoads mean_loads(const std::map<int, MachineLoads>& blocks) {
  MachineLoads sums;
  std::map<int, double> counts;
  for (const auto& [block, machines] : blocks)
    for (const auto& [node, load] : machines) {
      MachineLoad& sum = sums.try_emplace(node, MachineLoad{}).first->second;
      for (std::size_t kind = 0; kind < sum.size(); ++kind) sum[kind] += load[kind];
      counts[node] += 1;
    }
  for (auto& [node, sum] : sums)
    for (double& value : sum) value /= counts[node];
  return sums;
}

LoadRange load_range(const MachineLoads& machines) {
  LoadRange range;
  for (std::size_t kind = 0; kind < kLoadKinds.size(); ++kind) {
    double sum = 0, known = 0;
    for (const auto& [node, load] : machines) {
      const double value = load[kind];
      if (std::isnan(value)) continue;
      // Of a number and a NaN these give the number.
      range.least[kind] = std::fmin(range.least[kind], value);
      range.most[kind] = std::fmax(range.most[kind], value);
      sum += value, known += 1;
    }
    if (known > 0) range.mean[kind] = sum / known;
  }
  return range;
}

}  // namespace grit
