// How often the culprit that is named is the one that is, in simulated runs on meshes whose noise no rule was made for.
// The bench (tests/bench/mesh_calibration.cpp) runs many of them, a test a few.
#pragma once

#include <algorithm>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "analysis/blame/culprit.hpp"
#include "analysis/records/own_work.hpp"
#include "tests/unit/analysis/culprit_trials.hpp"
#include "tests/unit/analysis/simulated_mesh.hpp"

namespace grit::testing {

struct MeshKind {
  std::string name{};
  AxisValues sizes{};
  int ranks = 8, ranks_per_node = 1;
};

inline std::vector<MeshKind> mesh_kinds() {
  return {{"pp 4", {{Axis::pp, 4}}, 4, 1},
          {"dp 2 × pp 4", {{Axis::dp, 2}, {Axis::pp, 4}}, 8, 1},
          {"tp 4, one group", {{Axis::tp, 4}}, 4, 1},
          {"dp 2 × tp 4", {{Axis::dp, 2}, {Axis::tp, 4}}, 8, 2},
          {"dp 2 × tp 2 × pp 2", {{Axis::dp, 2}, {Axis::tp, 2}, {Axis::pp, 2}}, 8, 1},
          {"dp 4 × tp 2 × pp 4", {{Axis::dp, 4}, {Axis::tp, 2}, {Axis::pp, 4}}, 32, 4},
          {"dp 4 (ep 4)", {{Axis::dp, 4}, {Axis::ep, 4}}, 4, 1},
          {"dp 8 (ep 4 × edp 2) × pp 2", {{Axis::dp, 8}, {Axis::ep, 4}, {Axis::pp, 2}}, 16, 2}};
}

inline std::vector<std::pair<std::string, MeshShape>> mesh_noises() {
  return {{"normal", {}},
          {"block by block", {.block_noise = 0.01}},
          {"heavy tails", {.stalls = 0.01}},
          {"clocks off, spans lost", {.block_noise = 0.003, .clock_error_ns = 50e3, .lost_spans = 1e-4}}};
}

enum class MeshTruth { healthy, one_node, one_rank, two_nodes, in_turn, all_links, node_links, router };

inline std::string to_string(MeshTruth truth) {
  switch (truth) {
    case MeshTruth::healthy:
      return "nobody: healthy";
    case MeshTruth::one_node:
      return "one node";
    case MeshTruth::one_rank:
      return "one rank of a node";
    case MeshTruth::two_nodes:
      return "two nodes";
    case MeshTruth::in_turn:
      return "each in turn";
    case MeshTruth::all_links:
      return "nobody: all links";
    case MeshTruth::node_links:
      return "a node's links";
    case MeshTruth::router:
      return "nobody: the router";
  }
  return "";
}

struct MeshTrial {
  MeshKind mesh{};
  MeshShape noise{};
  MeshTruth truth = MeshTruth::healthy;
  double strength = 0.15;  // by which share the slow works for longer; half of that again of a stall; links: so many
                           // tenths slower; router: three times as much
  std::uint64_t seed = 1;

  [[nodiscard]] bool makes_sense() const {
    if (truth == MeshTruth::one_rank) return mesh.ranks_per_node > 1;
    if (truth == MeshTruth::router) return mesh.sizes.contains(Axis::ep);
    return true;
  }
};

/// Wrong: a node, rank or resource is named that is not to blame. A node beside those that are to blame is wrong, too.
/// Right: what is to blame is named, and nothing else. Of two nodes one may be so much in the other's shadow that it is
/// only listed. The rest cannot be told.
class MeshTrialRun {
 public:
  explicit MeshTrialRun(const MeshTrial& trial)
      : trial_(trial), job_(shape_of(trial), trial.seed), random_(trial.seed + 1000) {
    const int nodes = job_.nodes();
    std::vector<int> order(static_cast<std::size_t>(nodes));
    for (int node = 0; node < nodes; ++node) order[static_cast<std::size_t>(node)] = node;
    std::shuffle(order.begin(), order.end(), random_);
    const int slow = trial.truth == MeshTruth::two_nodes ? 2 : 1;
    slow_ = std::set<int>(order.begin(), order.begin() + slow);
    rank_ = *slow_.begin() * trial.mesh.ranks_per_node +
            static_cast<int>(random_() % static_cast<std::size_t>(trial.mesh.ranks_per_node));
    job_.run(harm());
  }

  [[nodiscard]] const SimulatedMesh& job() const { return job_; }
  [[nodiscard]] const std::set<int>& slow() const { return slow_; }

  /// Empty: no slowdown was shown, so that nobody is looked for.
  std::optional<std::optional<Culprit>> judge() {
    const NodeClocks clocks(job_.plan, nullptr);
    OwnWork work = own_work(job_.plan, job_.records, nullptr);
    add_graphs(work, job_.plan, job_.records, job_.spans, clocks);
    if (!slowdown_shown(job_, work)) return std::nullopt;
    const JsonLines events;
    const std::optional<JsonLines> links;
    return std::optional(
        find_culprit({job_.plan, work, job_.records, Json(), job_.spans, events, links, job_.pairs, {}}));
  }

  void count(TrialCounts& counts) {
    const auto judged = judge();
    if (!judged) return;
    ++counts.runs;
    std::vector<Suspect> named;
    if (*judged) named.assign((*judged)->suspects.begin(), (*judged)->suspects.begin() + (*judged)->named);
    const bool wrong = std::any_of(named.begin(), named.end(), [&](const Suspect& one) { return is_wrong(one); });
    counts.wrong += wrong ? 1 : 0;
    counts.right += !wrong && is_right(named, *judged ? (*judged)->suspects : named) ? 1 : 0;
  }

  [[nodiscard]] bool is_wrong(const Suspect& suspect) const {
    const bool by_turns = suspect.node_name.ends_with("in turn") || suspect.node_name == "one node after another";
    if (by_turns) return trial_.truth != MeshTruth::in_turn;
    if (suspect.resource == "router") return trial_.truth != MeshTruth::router;
    const bool links = trial_.truth == MeshTruth::all_links || trial_.truth == MeshTruth::node_links;
    if ((suspect.resource == "network") != links) return true;
    if (trial_.truth == MeshTruth::healthy) return true;
    if (trial_.truth == MeshTruth::in_turn || trial_.truth == MeshTruth::router || trial_.truth == MeshTruth::all_links)
      return !suspect.nodes.empty();
    if (trial_.truth == MeshTruth::one_rank && suspect.rank >= 0 && suspect.rank != rank_) return true;
    // Two nodes have one link.
    if (links && job_.nodes() == 2) return false;
    return std::any_of(suspect.nodes.begin(), suspect.nodes.end(), [&](int node) { return !slow_.contains(node); });
  }

  [[nodiscard]] bool is_right(const std::vector<Suspect>& named, const std::vector<Suspect>& listed) const {
    if (trial_.truth == MeshTruth::healthy) return named.empty();
    if (named.empty()) return false;
    if (trial_.truth == MeshTruth::one_node || trial_.truth == MeshTruth::two_nodes ||
        trial_.truth == MeshTruth::one_rank) {
      std::set<int> nodes;
      for (const Suspect& suspect : listed) nodes.insert(suspect.nodes.begin(), suspect.nodes.end());
      return nodes == slow_;
    }
    return true;
  }

 private:
  static MeshShape shape_of(const MeshTrial& trial) {
    MeshShape shape = trial.noise;
    shape.sizes = trial.mesh.sizes, shape.ranks = trial.mesh.ranks, shape.ranks_per_node = trial.mesh.ranks_per_node;
    return shape;
  }

  [[nodiscard]] MeshHarm harm() {
    MeshHarm harm;
    const double more = trial_.strength;
    switch (trial_.truth) {
      case MeshTruth::healthy:
        break;
      case MeshTruth::one_node:
      case MeshTruth::two_nodes:
        harm.factor = [this, more](int rank, int) { return slow_.contains(job_.node_of(rank)) ? 1 + more : 1; };
        break;
      case MeshTruth::one_rank:
        harm.factor = [this, more](int rank, int) { return rank == rank_ ? 1 + more : 1; };
        break;
      case MeshTruth::in_turn:
        harm.stall_ns = [this, more](int rank, int step) {
          if (rank == 0) of_step_ = static_cast<int>(random_() % static_cast<std::size_t>(job_.nodes()));
          (void)step;
          return job_.node_of(rank) == of_step_ ? 1.5 * more * 48e6 : 0.0;
        };
        break;
      case MeshTruth::all_links:
        harm.transfer = [more](const std::vector<int>&) { return 1 + 10 * more; };
        break;
      case MeshTruth::node_links:
        harm.transfer = [this, more](const std::vector<int>& ranks) {
          const auto inside = [&](int rank) { return slow_.contains(job_.node_of(rank)); };
          const auto in = std::count_if(ranks.begin(), ranks.end(), inside);
          return in > 0 && in < static_cast<std::ptrdiff_t>(ranks.size()) ? 1 + 10 * more : 1;
        };
        break;
      case MeshTruth::router:
        harm.imbalance = 3 * more;
        break;
    }
    return harm;
  }

  MeshTrial trial_;
  SimulatedMesh job_;
  std::mt19937_64 random_;
  std::set<int> slow_{};
  int rank_ = -1, of_step_ = -1;
};

}  // namespace grit::testing
