// How often the culprit that is named is the one that is, in simulated runs whose noise no rule was made for. The bench
// (tests/bench/culprit_calibration.cpp) runs many of them, a test a few.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "analysis/blame/culprit.hpp"
#include "analysis/records/block_times.hpp"
#include "analysis/records/own_work.hpp"
#include "analysis/stats/effect.hpp"
#include "tests/unit/analysis/simulated_steps.hpp"

namespace grit::testing {

/// What the kernel counted for ranks and machines: waiting for CPUs, and CPU time of others.
enum class Counted {
  nothing,
  one_node,  // of several: its counters alone are there
  quiet,     // a tenth of variation
  busy       // ranks wait for tens of ms a block, and others take a CPU, now more, now less, with and without a fault
};

struct NoiseKind {
  std::string name{};
  JobShape shape{};  // its noise; nodes and ranks are the trial's
  Counted counted = Counted::nothing;
};

inline std::vector<NoiseKind> noise_kinds() {
  return {{"normal", {}},
          {"heavy tails", {.stalls = 0.01}},
          {"block by block", {.block_noise = 0.01}},
          {"two roles", {.block_noise = 0.003, .two_roles = true}},
          {"unequal nodes", {.block_noise = 0.003, .unequal = true}},
          {"one node counted", {.local_cluster = false}, Counted::one_node},
          {"busy machines", {.local_cluster = false, .block_noise = 0.003}, Counted::busy}};
}

/// What really is. Of the network: `network` without a link test, `no_link` with one in which no link is slow.
enum class Truth { one_rank, one_node, two_nodes, group, in_turn, network, no_link, one_link, node_links, few_cpus };

inline bool has_link_test(Truth truth) {
  return truth == Truth::no_link || truth == Truth::one_link || truth == Truth::node_links;
}

struct Trial {
  NoiseKind kind{};
  Truth truth = Truth::network;
  int nodes = 4, ranks_per_node = 1;
  double share = 0.1;  // of a step of 37 ms: what the truth costs
  std::uint64_t seed = 1;

  /// A group needs more nodes than are blamed one by one, one rank of a node needs another; which machine is short of
  /// CPUs can be told only where they are counted.
  [[nodiscard]] bool makes_sense() const {
    if (truth == Truth::group) return nodes >= 16;
    if (truth == Truth::one_rank) return ranks_per_node > 1;
    return truth != Truth::few_cpus || kind.counted != Counted::one_node;
  }
};

/// Wrong: a node, rank, link or resource is named that is not to blame. Neither: it cannot be told.
struct TrialCounts {
  int runs = 0, right = 0, wrong = 0;  // of those in which a slowdown was shown: else nobody is looked for
  TrialCounts& operator+=(const TrialCounts& other) {
    runs += other.runs, right += other.right, wrong += other.wrong;
    return *this;
  }
};

template <class Job>
bool slowdown_shown(const Job& job, const OwnWork& work) {
  std::vector<PairTimes> pairs(job.pairs.size());
  for (const Block& block : job.plan.blocks) {
    PairTimes& pair = pairs[static_cast<std::size_t>(block.pair)];
    const double step_ns = work.block(block.index).step_ns;
    pair.pair = block.pair;
    if (block.kind == BlockKind::fault)
      pair.fault_mean_ns = pair.fault_median_ns = step_ns;
    else
      pair.baseline_mean_ns = pair.baseline_median_ns = step_ns;
  }
  const std::vector<Effect> effects = paired_effects(pairs, 1);
  return std::any_of(effects.begin(), effects.end(), [](const Effect& effect) { return effect.ci_low > 0; });
}

/// One run of a trial.
class TrialRun {
 public:
  explicit TrialRun(const Trial& trial) : trial_(trial), job_(shape_of(trial), trial.seed), random_(trial.seed + 1000) {
    draw_culprits();
    std::vector<int> turn(static_cast<std::size_t>(trial.kind.shape.steps));
    const auto harm = [&](int node, int rank, int step, RankStep& own) {
      int& of_step = turn[static_cast<std::size_t>(step)];
      if (rank == 0) of_step = draw(trial_.nodes);
      const bool slow = trial_.truth == Truth::in_turn ? node == of_step : slow_nodes_.contains(node);
      if (slow && (trial_.truth != Truth::one_rank || rank == rank_)) own.forward += cost_ns();
    };
    const bool own_work = trial.truth <= Truth::in_turn;
    job_.run(own_work ? Harm(harm) : Harm(), [&](int) { return own_work ? 0 : cost_ns(); });
    if (trial.kind.counted != Counted::nothing || trial.truth == Truth::few_cpus) count_usage();
  }

  /// Empty: no slowdown was shown, so that nobody is looked for.
  std::optional<std::optional<Culprit>> judge() {
    const OwnWork work = own_work(job_.plan, job_.records, nullptr);
    if (!slowdown_shown(job_, work)) return std::nullopt;
    std::optional<JsonLines> links;
    if (has_link_test(trial_.truth)) links = test_links();
    return std::optional(find_culprit({job_.plan, work, job_.records, Json(), {}, job_.events, links, job_.pairs, {}}));
  }

  /// Right: all that is slow is named, as what it is, and nothing else; where it is the network and nobody knows whose,
  /// the network without a node or link.
  void count(TrialCounts& counts) {
    const auto judged = judge();
    if (!judged) return;
    ++counts.runs;
    const std::vector<Suspect> named =
        *judged ? std::vector<Suspect>((*judged)->suspects.begin(), (*judged)->suspects.begin() + (*judged)->named)
                : std::vector<Suspect>();
    const bool wrong = std::any_of(named.begin(), named.end(), [&](const Suspect& one) { return is_wrong(one); });
    counts.wrong += wrong ? 1 : 0;
    counts.right += !wrong && is_right(named) ? 1 : 0;
  }

 private:
  static JobShape shape_of(const Trial& trial) {
    JobShape shape = trial.kind.shape;
    shape.nodes = trial.nodes, shape.ranks_per_node = trial.ranks_per_node;
    if (trial.truth == Truth::few_cpus) shape.local_cluster = false;
    return shape;
  }

  [[nodiscard]] double cost_ns() const { return 37e6 * trial_.share; }
  int draw(int below) { return static_cast<int>(random_() % static_cast<std::size_t>(below)); }
  double normal() { return normal_(random_); }

  /// Of two roles only the slower one's ranks, those of odd numbers, hold up the others.
  [[nodiscard]] bool decides(int rank) const { return !trial_.kind.shape.two_roles || rank % 2 == 1; }

  void draw_culprits() {
    std::vector<int> nodes;
    for (const Node& node : job_.plan.topology.nodes)
      if (std::any_of(node.ranks.begin(), node.ranks.end(), [&](int rank) { return decides(rank); }))
        nodes.push_back(node.index);
    std::shuffle(nodes.begin(), nodes.end(), random_);
    const int count = trial_.truth == Truth::two_nodes ? 2 : trial_.truth == Truth::group ? trial_.nodes / 4 : 1;
    const bool of_nodes = trial_.truth != Truth::in_turn && trial_.truth != Truth::network &&
                          trial_.truth != Truth::no_link && trial_.truth != Truth::one_link;
    if (of_nodes) slow_nodes_ = std::set<int>(nodes.begin(), nodes.begin() + count);
    if (trial_.truth == Truth::one_rank) {
      std::vector<int> ranks = job_.plan.topology.nodes[static_cast<std::size_t>(*slow_nodes_.begin())].ranks;
      std::erase_if(ranks, [&](int rank) { return !decides(rank); });
      rank_ = ranks[static_cast<std::size_t>(draw(static_cast<int>(ranks.size())))];
    }
    if (trial_.truth == Truth::one_link)
      link_ = links()[static_cast<std::size_t>(draw(static_cast<int>(links().size())))];
  }

  /// Each node's counters, of a machine of its own. With few CPUs the culprit's ranks wait for four fifths of the loss,
  /// in each block mostly one of them, while others take 0.6 of its CPUs.
  void count_usage() {
    const bool busy = trial_.kind.counted == Counted::busy;
    std::vector<double> blocks_ns(job_.plan.blocks.size(), 0.0);
    for (const StepRecord& record : job_.records)
      if (record.rank == 0) blocks_ns[record.block] += static_cast<double>(record.end_ns - record.start_ns);
    std::vector<double> cpu_ns(rank_count(job_.plan.topology), 0.0), wait_ns = cpu_ns;
    std::vector<double> machine_ns(job_.plan.topology.nodes.size(), 1e12);
    for (const Block& block : job_.plan.blocks)
      for (const bool end : {false, true})
        for (const Node& node : job_.plan.topology.nodes) {
          if (trial_.kind.counted == Counted::one_node && node.index > 0) continue;
          Json event = make_event("usage", node.index, 0);
          event.update({{"block", block.index}, {"edge", end ? "end" : "begin"}, {"ranks", Json::array()}});
          event["machine"] = "boot" + std::to_string(node.index);
          const bool short_of =
              trial_.truth == Truth::few_cpus && slow_nodes_.contains(node.index) && block.kind == BlockKind::fault;
          const int waits = node.ranks[static_cast<std::size_t>(draw(static_cast<int>(node.ranks.size())))];
          const double block_ns = blocks_ns[static_cast<std::size_t>(block.index)];
          double& all_ns = machine_ns[static_cast<std::size_t>(node.index)];
          for (const int rank : node.ranks) {
            const auto i = static_cast<std::size_t>(rank);
            if (end) {
              cpu_ns[i] += 50e6, all_ns += 50e6;
              wait_ns[i] += busy ? 10e6 * std::exp(normal()) : 2e6 * std::exp(0.1 * normal());
              if (short_of && rank == waits)
                wait_ns[i] += 0.8 * cost_ns() * trial_.kind.shape.steps * std::exp(0.2 * normal());
            }
            event["ranks"].push_back({{"rank", rank}, {"cpu_ns", cpu_ns[i]}, {"run_wait_ns", wait_ns[i]}});
          }
          if (end) all_ns += block_ns * (busy ? 0.5 * std::exp(0.8 * normal()) : 0.05 * std::exp(0.1 * normal()));
          if (end && short_of) all_ns += 0.6 * block_ns;
          event["cpu_busy_ns"] = all_ns;
          job_.events.push_back(std::move(event));
        }
  }

  /// Those that meet in the first 16 rounds of a tournament, as in harness/run/link_test.hpp.
  [[nodiscard]] std::vector<std::pair<int, int>> links() const {
    std::vector<std::pair<int, int>> links;
    const int rounds = std::max(trial_.nodes - 1, 1);
    for (int a = 0; a < trial_.nodes; ++a)
      for (int b = a + 1; b < trial_.nodes; ++b)
        if ((a + b) % rounds < 16) links.emplace_back(a, b);
    return links;
  }

  /// Two blocks with the fault and two without; links differ from block to block, single transfers more, and where the
  /// kind has stalls, one in 50 stalls. What is slow is slower by ten times.
  JsonLines test_links() {
    const JobShape& shape = trial_.kind.shape;
    const double of_block = trial_.kind.counted == Counted::busy ? 0.2 : shape.block_noise > 0.005 ? 0.1 : 0.03;
    JsonLines lines;
    for (const int block : {1, 2, 3, 4})
      for (const auto& [a, b] : links()) {
        const bool fault = block % 2 == 0;
        const double scale = shape.two_roles && (a % 2 == 1 || b % 2 == 1) ? 3 : 1;
        const bool slow = fault && (std::pair(a, b) == link_ || (trial_.truth == Truth::node_links &&
                                                                 (slow_nodes_.contains(a) || slow_nodes_.contains(b))));
        const double latency_ns = 5e4 * (slow ? 10 : 1) * std::exp(of_block * scale * normal());
        const double transfer_ns = 4e5 * (slow ? 10 : 1) * std::exp(of_block * scale * normal());
        for (int i = 0; i < 8; ++i) {
          const auto stall = [&] {
            return shape.stalls > 0 && draw(50) == 0 ? std::pow(1 - 1e-6 * draw(999'000), -1 / 1.5) : 1.0;
          };
          const double one_ns = latency_ns * std::exp(3 * of_block * scale * normal());
          const double rate = 4.2e6 / (transfer_ns * 1e-9 * stall() * std::exp(3 * of_block * scale * normal()));
          lines.append({{"block", block},
                        {"kind", fault ? "link_fault" : "link_baseline"},
                        {"a", a},
                        {"b", b},
                        {"latency_ns", {{"median", one_ns}, {"max", one_ns * stall() * (2 + std::abs(normal()))}}},
                        {"bits_per_s", rate}});
        }
      }
    return lines;
  }

  static bool is_by_turns(const Suspect& suspect) {
    return suspect.node_name.ends_with("in turn") || suspect.node_name == "one node after another";
  }

  [[nodiscard]] bool is_wrong(const Suspect& suspect) const {
    const bool network = suspect.resource == "network";
    const bool is_network = trial_.truth >= Truth::network && trial_.truth <= Truth::node_links;
    if (is_by_turns(suspect)) return trial_.truth != Truth::in_turn;
    if (network != is_network) return true;
    if (trial_.truth == Truth::one_link)
      return !suspect.nodes.empty() && suspect.nodes != std::vector{link_.first, link_.second};
    if (trial_.truth == Truth::one_rank && suspect.rank >= 0 && suspect.rank != rank_) return true;
    return std::any_of(suspect.nodes.begin(), suspect.nodes.end(),
                       [&](int node) { return !slow_nodes_.contains(node); });
  }

  [[nodiscard]] bool is_right(const std::vector<Suspect>& named) const {
    if (trial_.truth == Truth::in_turn) return named.size() == 1 && is_by_turns(named.front());
    if (trial_.truth == Truth::one_link) return named.size() == 1 && named.front().nodes.size() == 2;
    if (trial_.truth == Truth::one_rank && (named.empty() || named.front().rank != rank_)) return false;
    if (trial_.truth == Truth::network || trial_.truth == Truth::no_link) return !named.empty();
    std::set<int> nodes;
    for (const Suspect& suspect : named) nodes.insert(suspect.nodes.begin(), suspect.nodes.end());
    return nodes == slow_nodes_;
  }

  Trial trial_;
  SimulatedJob job_;
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_{0, 1};
  std::set<int> slow_nodes_{};  // that are to blame, each in all fault blocks
  int rank_ = -1;
  std::pair<int, int> link_{-1, -1};
};

inline void count_trial(TrialCounts& counts, const Trial& trial) { TrialRun(trial).count(counts); }

}  // namespace grit::testing
