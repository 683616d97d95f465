// numa_placement: the ranks may run on the CPUs, and so on the NUMA nodes, that they had at the first reading of the
// run, and each can have one of its own. Not since the block began: a fault can act before the block's first reading.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/numa_nodes_of.hpp"
#include "harness/health/checks/ranks_here.hpp"
#include "harness/os/proc_stat.hpp"

namespace grit {
namespace {

constexpr std::size_t kMostRanks = 60;  // are named

struct Bound {
  std::int64_t start_ticks = 0;  // with the pid: this process and no other
  Cpus cpus{};
};

std::string list_of(const Cpus& cpus) { return fmt::format("CPU{} {}", cpus.size() == 1 ? "" : "s", to_list(cpus)); }

class RankPlaces {
 public:
  Result<std::vector<Outcome>> read(const CheckInput& input) {
    if (input.rank_pids.empty()) return std::vector{not_here("no ranks: there are some in a run only")};
    const auto nodes = cpus_by_numa_node(input.sys);
    std::vector<Outcome> outcomes;
    Cpus all, all_at_first;
    bool all_known = true;
    for (const RankHere& rank : ranks_here(input)) {
      const auto stat = read_proc_stat(rank.pid);
      const auto cpus = affinity_of_thread(rank.pid);  // of its main thread: others may be bound as its library likes
      all_known = all_known && stat && cpus;
      if (!stat || !cpus) {
        if (outcomes.size() < kMostRanks) outcomes.push_back({.subject = rank.name, .detail = "has ended"});
        continue;
      }
      const Bound& first = first_of(rank.pid, *stat, *cpus);
      all.insert(all.end(), cpus->begin(), cpus->end());
      all_at_first.insert(all_at_first.end(), first.cpus.begin(), first.cpus.end());
      if (outcomes.size() < kMostRanks) outcomes.push_back(compare(rank, first.cpus, *cpus, nodes));
    }
    if (all_known) outcomes.push_back(crowd(input, count_of(all), count_of(all_at_first)));
    return outcomes;
  }

 private:
  const Bound& first_of(int pid, const ProcStat& stat, const Cpus& cpus) {
    Bound& first = first_[pid];
    if (first.start_ticks != stat.start_ticks || first.cpus.empty()) first = {stat.start_ticks, cpus};
    return first;
  }

  static std::size_t count_of(Cpus cpus) {
    std::sort(cpus.begin(), cpus.end());
    return static_cast<std::size_t>(std::unique(cpus.begin(), cpus.end()) - cpus.begin());
  }

  static Outcome compare(const RankHere& rank, const Cpus& first, const Cpus& now, const std::map<int, Cpus>& nodes) {
    Outcome outcome{
        .severity = Severity::ok, .subject = rank.name, .detail = fmt::format("may run on {}", list_of(now))};
    // One that may run on more than before lost nothing.
    if (std::includes(now.begin(), now.end(), first.begin(), first.end())) return outcome;
    outcome.severity = Severity::critical;
    outcome.detail = fmt::format("may run on {} only, on {} at first", list_of(now), list_of(first));
    const auto nodes_first = numa_nodes_of(nodes, first), nodes_now = numa_nodes_of(nodes, now);
    if (!std::includes(nodes_now.begin(), nodes_now.end(), nodes_first.begin(), nodes_first.end()))
      outcome.detail += fmt::format(": NUMA node {}, was {}", fmt::join(nodes_now, ","), fmt::join(nodes_first, ","));
    outcome.detail.resize(std::min<std::size_t>(outcome.detail.size(), 280));
    outcome.hint = fmt::format("taskset -cp {}; who binds processes: numad, a cpuset", rank.pid);
    return outcome;
  }

  static Outcome crowd(const CheckInput& input, std::size_t cpus, std::size_t cpus_at_first) {
    const std::size_t ranks = input.rank_pids.size();
    const auto cores = static_cast<std::size_t>(std::max(0, input.node.cores));
    Outcome outcome{.severity = Severity::ok,
                    .value = static_cast<double>(ranks) / static_cast<double>(std::max<std::size_t>(1, cpus)),
                    .unit = "count",
                    .detail = fmt::format("{} ranks on {} CPUs", ranks, cpus)};
    if (cpus >= ranks) return outcome;
    if (cpus_at_first >= ranks) outcome.severity = Severity::critical;
    // On a machine that has fewer CPUs than ranks nobody could do better.
    if (cpus_at_first < ranks && cores >= ranks) outcome.severity = Severity::warning;
    if (outcome.severity != Severity::ok) {
      outcome.detail = fmt::format("{} ranks share {} of {} CPUs", ranks, cpus, cores);
      outcome.hint = "bind each rank to CPUs of its own: the launcher's option (mpirun --bind-to, srun --cpu-bind)";
    }
    return outcome;
  }

  std::map<int, Bound> first_{};  // of the run
};

}  // namespace

const Check& numa_placement() {
  static const Check check{
      .info = {.name = "numa_placement",
               .summary = "The ranks keep the CPUs and the NUMA nodes they had, and each has a CPU",
               .counts = true,
               .trips = "affinity_squeeze",
               .proven = "a process that lost CPUs"},
      .make = keeping<RankPlaces>(&RankPlaces::read)};
  return check;
}

}  // namespace grit
