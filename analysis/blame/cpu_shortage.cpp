#include "analysis/blame/cpu_shortage.hpp"

#include <algorithm>

#include "analysis/stats/median.hpp"

namespace grit {
namespace {

/// Of the loss, spent waiting for CPUs: then slow communication is not the network's.
constexpr double kWaitShare = 0.3;
/// So many times slower are no links where CPUs are short, which all links wait for: in 24 runs on two cores that were
/// busy with other work as well (healthy, with cpu_contention and with disk_contention), whose four test blocks were
/// divided in all six ways, the links that were named, 4 of 144, were up to 2.8 times slower. One limited to 30 to 100
/// Mbit/s was 6 to 37 times.
constexpr double kPlainTimes = 4;
/// CPUs that others must have taken meanwhile, besides as much as the middle rank waited. The machine's busy time is
/// counted in ticks (/proc/stat) and was off by 0.2 of a CPU where tasks sleep and wake in step with them.
constexpr double kTakenCpus = 0.25;

double wait_ns_of(const BlameFacts& facts, std::size_t node) {
  double sum_ns = 0;
  for (const int rank : facts.ranks_of(node))
    if (const auto grown = facts.usage.of_rank(static_cast<std::size_t>(rank)))
      sum_ns += std::max(grown->run_wait_ns, 0.0);
  return sum_ns;
}

/// Links that are slow, and not because nobody comes to serve them: packets are lost there, or they alone of all are
/// many times slower and their nodes' ranks do not wait for CPUs much longer than the others do.
bool are_links_to_blame(const BlameFacts& facts, const LinkFinding& found) {
  if (!found.named()) return false;
  if (found.lost) return true;
  if (facts.work.nodes() <= 2 || found.times < kPlainTimes) return false;
  double most_ns = 0;
  for (const int node : found.nodes)
    for (const int rank : facts.ranks_of(static_cast<std::size_t>(node)))
      if (const auto grown = facts.usage.of_rank(static_cast<std::size_t>(rank)))
        most_ns = std::max(most_ns, grown->run_wait_ns);
  return most_ns <= 2 * std::max(facts.usage.middle_wait_ns(), 0.0) + kWaitShare * facts.loss_ns;
}

}  // namespace

ShortOfCpus find_shortage(const BlameFacts& facts, const std::optional<LinkFinding>& links) {
  ShortOfCpus found;
  if (links && are_links_to_blame(facts, *links)) return found;
  std::vector<double> steps_ns;
  for (const BlockPair& pair : facts.pairs) steps_ns.push_back(facts.work.block(pair.fault).step_ns);
  const double least_taken_ns = kTakenCpus * median(std::move(steps_ns));
  const double middle_ns = facts.usage.middle_wait_ns(), needed_ns = kWaitShare * facts.loss_ns;
  const auto middle_others = facts.usage.middle_others();
  if (middle_ns >= needed_ns && (!middle_others || middle_others->cpu_ns >= std::max(middle_ns, least_taken_ns))) {
    found.shortage = CpuShortage::shown, found.wait_ns = middle_ns;
    return found;
  }
  for (const std::vector<std::size_t>& machine : facts.usage.machines()) {
    double waits_ns = 0;
    for (const std::size_t node : machine) waits_ns += wait_ns_of(facts, node);
    const auto others = facts.usage.others(machine.front());
    if (waits_ns < needed_ns || !others || waits_ns <= found.wait_ns) continue;
    const bool taken = others->cpu_ns >= least_taken_ns;
    const bool may_be = facts.usage.was_full(machine.front()) && !(links && links->named());
    if (!taken && !may_be) continue;
    found.shortage = taken ? CpuShortage::shown : CpuShortage::possible;
    found.wait_ns = waits_ns;
    found.nodes = machine;
  }
  if (found.nodes.size() == facts.work.nodes()) found.nodes.clear();
  return found;
}

}  // namespace grit
