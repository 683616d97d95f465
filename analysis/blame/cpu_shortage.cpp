#include "analysis/blame/cpu_shortage.hpp"

#include <algorithm>
#include <numeric>

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

/// If ranks are starved of CPUs, slow links are a symptom. They are the cause where packets are lost on them, or where
/// nothing comes through or they alone of all links are many times slower and their nodes' ranks do not wait for CPUs
/// much longer than others'.
bool are_links_to_blame(const BlameFacts& facts, const LinkFinding& found) {
  if (!found.named()) return false;
  if (found.lost) return true;
  if (facts.work.nodes() <= 2 || (!found.silent && found.times < kPlainTimes)) return false;
  double most_ns = 0;
  const std::vector<int> nodes = found.nodes.empty() ? std::vector{found.a, found.b} : found.nodes;
  for (const int node : nodes)
    for (const int rank : facts.ranks_of(static_cast<std::size_t>(node)))
      if (const auto grown = facts.usage.of_rank(static_cast<std::size_t>(rank)))
        most_ns = std::max(most_ns, grown->run_wait_ns);
  return most_ns <= 2 * std::max(facts.usage.middle_wait_ns(), 0.0) + kWaitShare * facts.loss_ns;
}

/// What must have been waited for and taken, a step.
struct Needed {
  double wait_ns = 0, taken_ns = 0;
};

/// Machines that are short of CPUs while others are not. Shown: its ranks waited for longer than others' did, for a
/// good part of the loss, and others took its CPUs. Possible: that is not shown, but within the error of what was
/// measured, or nobody can be seen to take CPUs that were all busy before.
ShortOfCpus short_machines(const BlameFacts& facts, const std::vector<Machine>& machines, const WaitsShown& shown,
                           const Needed& needed) {
  ShortOfCpus found{.shortage = CpuShortage::shown}, possible{.shortage = CpuShortage::possible};
  for (std::size_t i = 0; i < machines.size(); ++i) {
    const std::size_t node = machines[i].nodes.front();
    std::vector<double> others_ns;
    for (const OthersUsage& one : facts.usage.others_by_pair(node)) others_ns.push_back(one.cpu_ns);
    const double wait_ns = machines[i].wait_ns, most_wait_ns = wait_ns + median_error(machines[i].waits_ns);
    if (most_wait_ns < needed.wait_ns || others_ns.empty()) continue;
    const double taken_ns = median(others_ns), most_taken_ns = taken_ns + median_error(others_ns);
    const bool waited = shown.of_machine[i] && wait_ns >= needed.wait_ns;
    if (waited && taken_ns >= needed.taken_ns)
      found.machines.push_back({machines[i].nodes, wait_ns});
    else if (most_taken_ns >= needed.taken_ns || (waited && facts.usage.was_full(node)))
      possible.machines.push_back({machines[i].nodes, most_wait_ns});
  }
  for (ShortOfCpus* one : {&found, &possible}) {
    std::sort(one->machines.begin(), one->machines.end(),
              [](const ShortMachine& x, const ShortMachine& y) { return x.wait_ns > y.wait_ns; });
    if (one->machines.size() > kBlamedApart) one->machines.resize(kBlamedApart);
    if (!one->machines.empty()) return *one;
  }
  return {};
}

bool are_most_full(const BlameFacts& facts, const std::vector<Machine>& machines) {
  const auto full = std::count_if(machines.begin(), machines.end(),
                                  [&](const Machine& machine) { return facts.usage.was_full(machine.nodes.front()); });
  return 2 * static_cast<std::size_t>(full) > machines.size();
}

}  // namespace

ShortOfCpus find_shortage(const BlameFacts& facts, const std::optional<LinkFinding>& links) {
  if (links && are_links_to_blame(facts, *links)) return {};
  const std::vector<Machine> machines = machines_of(facts);
  const WaitsShown shown = test_waits(machines, facts.pairs.size());
  std::vector<double> steps_ns, waits_ns;
  for (const BlockPair& pair : facts.pairs) steps_ns.push_back(facts.work.block(pair.fault).step_ns);
  for (const Machine& machine : machines) waits_ns.push_back(machine.wait_ns);
  const Needed needed{kWaitShare * facts.loss_ns, kTakenCpus * median(std::move(steps_ns))};
  const double middle_ns = facts.usage.middle_wait_ns();
  const bool all_waited = std::accumulate(waits_ns.begin(), waits_ns.end(), 0.0) >= needed.wait_ns;
  const double of_machine_ns = median(std::move(waits_ns));
  const auto others = facts.usage.middle_others();
  const double taken_ns = others ? others->cpu_ns : 0;
  if (shown.of_all && middle_ns >= needed.wait_ns && (!others || taken_ns >= std::max(middle_ns, needed.taken_ns)))
    return {.shortage = CpuShortage::shown, .wait_ns = middle_ns};
  if (shown.of_all && all_waited && taken_ns >= needed.taken_ns)
    return {.shortage = CpuShortage::shown, .wait_ns = of_machine_ns};
  const bool is_link_named = links && links->named();
  if (machines.size() > 1) {
    ShortOfCpus some = short_machines(facts, machines, shown, needed);
    if (some.shortage == CpuShortage::shown || (some.shortage == CpuShortage::possible && !is_link_named)) return some;
  }
  if (!is_link_named && others && all_waited &&
      (taken_ns >= needed.taken_ns || (shown.of_all && are_most_full(facts, machines))))
    return {.shortage = CpuShortage::possible, .wait_ns = of_machine_ns};
  return {};
}

}  // namespace grit
