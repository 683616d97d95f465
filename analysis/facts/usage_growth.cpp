#include "analysis/facts/usage_growth.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "analysis/stats/median.hpp"

namespace grit {
namespace {

constexpr double kFull = 0.9;  // of all CPUs; their busy time is counted in ticks

}  // namespace

UsageGrowth::UsageGrowth(const Plan& plan, const OwnWork& work, const JsonLines& events, std::vector<BlockPair> pairs)
    : plan_(plan), work_(work), usage_(events), pairs_(std::move(pairs)) {
  std::map<std::string, std::size_t> known;
  for (std::size_t node = 0; node < plan_.topology.nodes.size(); ++node) {
    const std::vector<int>& ranks = plan_.topology.nodes[node].ranks;
    std::string name = ranks.empty() ? "" : usage_.machine_of(ranks.front());
    if (plan_.topology.local_cluster) name = "this";
    std::size_t machine = machines_.size();
    if (!name.empty()) machine = known.emplace(name, machine).first->second;
    if (machine == machines_.size()) machines_.emplace_back();
    machines_[machine].push_back(node);
    machine_of_.push_back(machine);
  }
}

/// The counters' edges are those of the block, so they hold all of its steps: its settling ones, and those of which
/// some rank's record is missing.
std::optional<Usage> UsageGrowth::of_block(int block, std::size_t rank) const {
  const auto whole = usage_.of(block, static_cast<int>(rank));
  if (!whole) return std::nullopt;
  return *whole / static_cast<double>(work_.block(block).measured + plan_.design.settle_steps);
}

std::optional<Usage> UsageGrowth::of_pair(const BlockPair& pair, std::size_t rank) const {
  const auto before = of_block(pair.baseline, rank), during = of_block(pair.fault, rank);
  if (!before || !during) return std::nullopt;
  const auto waited_ns = [&](int block) { return work_.block(block).step_ns - work_.rank(block, rank).own_ns(); };
  const double longer =
      std::max(waited_ns(pair.fault) - waited_ns(pair.baseline), 0.0) / work_.block(pair.baseline).step_ns;
  Usage grown = *during - *before;
  grown.cpu_ns -= longer * before->cpu_ns;
  grown.run_wait_ns -= longer * before->run_wait_ns;
  return grown;
}

std::optional<Usage> UsageGrowth::of_rank(std::size_t rank) const {
  std::vector<Usage> grown;
  for (const BlockPair& pair : pairs_) {
    const auto of_this = of_pair(pair, rank);
    if (!of_this) return std::nullopt;
    grown.push_back(*of_this);
  }
  Usage middle;
  for (const auto counter : kUsageCounters) {
    std::vector<double> values;
    for (const Usage& one : grown) values.push_back(one.*counter);
    middle.*counter = median(std::move(values));
  }
  return middle;
}

double UsageGrowth::middle_wait_ns() const {
  std::vector<double> waits;
  for (std::size_t rank = 0; rank < work_.ranks(); ++rank) {
    const auto grown = of_rank(rank);
    waits.push_back(grown ? grown->run_wait_ns : 0);
  }
  return median(std::move(waits));
}

std::optional<OthersUsage> UsageGrowth::others(int block, std::size_t node) const {
  OthersUsage machine, ranks;
  const auto add = [&](std::size_t of_machine) {
    const Node& one = plan_.topology.nodes[of_machine];
    return std::all_of(one.ranks.begin(), one.ranks.end(), [&](int rank) {
      const auto used = of_block(block, static_cast<std::size_t>(rank));
      if (!used || used->machine_cpu_ns <= 0) return false;
      machine = {used->machine_cpu_ns, used->machine_faults};
      ranks.cpu_ns += used->cpu_ns, ranks.page_faults += used->minor_faults;
      return true;
    });
  };
  const std::vector<std::size_t>& nodes = machines_[machine_of_[node]];
  if (!std::all_of(nodes.begin(), nodes.end(), add) || machine.cpu_ns <= 0) return std::nullopt;
  return OthersUsage{machine.cpu_ns - ranks.cpu_ns, machine.page_faults - ranks.page_faults};
}

bool UsageGrowth::was_full(int block, std::size_t node) const {
  const Node& one = plan_.topology.nodes[node];
  if (one.ranks.empty() || one.cores <= 0) return false;  // not known
  const auto used = of_block(block, static_cast<std::size_t>(one.ranks.front()));
  return used && used->machine_cpu_ns >= kFull * one.cores * work_.block(block).step_ns;
}

bool UsageGrowth::was_full(std::size_t node) const {
  const auto full =
      std::count_if(pairs_.begin(), pairs_.end(), [&](const BlockPair& pair) { return was_full(pair.baseline, node); });
  return 2 * static_cast<std::size_t>(full) > pairs_.size();
}

std::vector<OthersUsage> UsageGrowth::others_by_pair(std::size_t node) const {
  std::vector<OthersUsage> grown;
  for (const BlockPair& pair : pairs_) {
    const auto before = others(pair.baseline, node), during = others(pair.fault, node);
    if (!before || !during) return {};
    // Of CPUs that were all busy before nobody can take more in the same time.
    const double longer =
        was_full(pair.baseline, node) ? 1 : work_.block(pair.fault).step_ns / work_.block(pair.baseline).step_ns;
    grown.push_back({during->cpu_ns - longer * before->cpu_ns, during->page_faults - longer * before->page_faults});
  }
  return grown;
}

std::optional<OthersUsage> UsageGrowth::others(std::size_t node) const {
  std::vector<double> cpu_ns, page_faults;
  for (const OthersUsage& grown : others_by_pair(node)) {
    cpu_ns.push_back(grown.cpu_ns);
    page_faults.push_back(grown.page_faults);
  }
  if (cpu_ns.empty() && !pairs_.empty()) return std::nullopt;
  return OthersUsage{median(std::move(cpu_ns)), median(std::move(page_faults))};
}

std::optional<OthersUsage> UsageGrowth::middle_others() const {
  std::vector<double> cpu_ns, page_faults;  // by node
  for (std::size_t node = 0; node < work_.nodes(); ++node) {
    const auto of_node = others(node);
    if (!of_node) return std::nullopt;
    cpu_ns.push_back(of_node->cpu_ns);
    page_faults.push_back(of_node->page_faults);
  }
  return OthersUsage{median(std::move(cpu_ns)), median(std::move(page_faults))};
}

}  // namespace grit
