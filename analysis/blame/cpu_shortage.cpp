#include "analysis/blame/cpu_shortage.hpp"

#include <algorithm>

#include "analysis/stats/median.hpp"
#include "analysis/stats/noise_floor.hpp"
#include "analysis/stats/sign_flip.hpp"

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

/// A machine, and by how much longer all its ranks together waited for a CPU in each pair.
struct Machine {
  std::vector<std::size_t> nodes{};
  std::vector<double> waits_ns{};  // by pair
  double wait_ns = 0;              // the middle of them
};

std::vector<Machine> machines_of(const BlameFacts& facts) {
  std::vector<Machine> machines;
  for (const std::vector<std::size_t>& nodes : facts.usage.machines()) {
    Machine& machine = machines.emplace_back(Machine{nodes, std::vector<double>(facts.pairs.size(), 0.0)});
    for (const std::size_t node : nodes)
      for (const int rank : facts.ranks_of(node))
        for (std::size_t pair = 0; pair < facts.pairs.size(); ++pair)
          if (const auto grown = facts.usage.of_pair(facts.pairs[pair], static_cast<std::size_t>(rank)))
            machine.waits_ns[pair] += grown->run_wait_ns;
    machine.wait_ns = median(machine.waits_ns);
  }
  return machines;
}

/// What is asked of the waits: did they grow over all machines, and on which machine more than on the others.
struct WaitsShown {
  bool of_all = false;
  std::vector<bool> of_machine{};  // as machines_of()
};

/// One exact test over the pairs of all these questions together (p_among_all()): by chance something is shown with a
/// probability of kByChance at most, however many machines there are and whatever their waits are like.
WaitsShown test_waits(const std::vector<Machine>& machines, std::size_t pairs) {
  std::vector<std::vector<double>> rows(1, std::vector<double>(pairs, 0.0));
  for (const Machine& machine : machines)
    for (std::size_t pair = 0; pair < pairs; ++pair) rows.front()[pair] += machine.waits_ns[pair];
  if (machines.size() > 1) {
    rows.resize(1 + machines.size(), std::vector<double>(pairs, 0.0));
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      std::vector<double> waits_ns;
      for (const Machine& machine : machines) waits_ns.push_back(machine.waits_ns[pair]);
      const std::vector<double> excess_ns = less_others(waits_ns, std::vector<double>(waits_ns.size(), 1.0));
      for (std::size_t i = 0; i < machines.size(); ++i) rows[1 + i][pair] = excess_ns[i];
    }
  }
  const std::vector<double> p = p_among_all(rows);
  WaitsShown shown{.of_all = p.front() <= kByChance};
  shown.of_machine.resize(machines.size(), false);
  for (std::size_t i = 1; i < p.size(); ++i) shown.of_machine[i - 1] = p[i] <= kByChance;
  return shown;
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
  if (links && are_links_to_blame(facts, *links)) return {};
  const std::vector<Machine> machines = machines_of(facts);
  const WaitsShown shown = test_waits(machines, facts.pairs.size());
  std::vector<double> steps_ns, waits_ns;
  for (const BlockPair& pair : facts.pairs) steps_ns.push_back(facts.work.block(pair.fault).step_ns);
  for (const Machine& machine : machines) waits_ns.push_back(machine.wait_ns);
  const double taken_ns = kTakenCpus * median(std::move(steps_ns)), needed_ns = kWaitShare * facts.loss_ns;
  const double middle_ns = facts.usage.middle_wait_ns(), of_machine_ns = median(waits_ns);
  double all_ns = 0;
  for (const Machine& machine : machines) all_ns += machine.wait_ns;
  const auto others = facts.usage.middle_others();
  const bool named_link = links && links->named();
  if (shown.of_all && middle_ns >= needed_ns && (!others || others->cpu_ns >= std::max(middle_ns, taken_ns)))
    return {.shortage = CpuShortage::shown, .wait_ns = middle_ns};
  if (shown.of_all && all_ns >= needed_ns && others && others->cpu_ns >= taken_ns)
    return {.shortage = CpuShortage::shown, .wait_ns = of_machine_ns};
  ShortOfCpus found, possible;
  for (std::size_t i = 0; i < machines.size() && machines.size() > 1; ++i) {
    const std::size_t node = machines[i].nodes.front();
    std::vector<double> others_ns;
    for (const OthersUsage& one : facts.usage.others_by_pair(node)) others_ns.push_back(one.cpu_ns);
    const double wait_ns = machines[i].wait_ns, most_wait_ns = wait_ns + median_error(machines[i].waits_ns);
    if (most_wait_ns < needed_ns || others_ns.empty()) continue;
    const double most_others_ns = median(others_ns) + median_error(others_ns);
    const bool waited = shown.of_machine[i] && wait_ns >= needed_ns;
    if (waited && median(others_ns) >= taken_ns)
      found.shortage = CpuShortage::shown, found.machines.push_back({machines[i].nodes, wait_ns});
    else if (!named_link && (most_others_ns >= taken_ns || (waited && facts.usage.was_full(node))))
      possible.shortage = CpuShortage::possible, possible.machines.push_back({machines[i].nodes, most_wait_ns});
  }
  for (ShortOfCpus* short_of : {&found, &possible}) {
    auto& all = short_of->machines;
    std::sort(all.begin(), all.end(),
              [](const ShortMachine& x, const ShortMachine& y) { return x.wait_ns > y.wait_ns; });
    if (all.size() > kBlamedApart) all.resize(kBlamedApart);
    if (short_of->shortage != CpuShortage::none) return *short_of;
  }
  const auto full = std::count_if(machines.begin(), machines.end(),
                                  [&](const Machine& machine) { return facts.usage.was_full(machine.nodes.front()); });
  const bool most_full = 2 * static_cast<std::size_t>(full) > machines.size();
  if (!named_link && others && all_ns >= needed_ns && (others->cpu_ns >= taken_ns || (shown.of_all && most_full)))
    return {.shortage = CpuShortage::possible, .wait_ns = of_machine_ns};
  return {};
}

}  // namespace grit
