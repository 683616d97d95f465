#include "analysis/culprit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "analysis/culprit_answer.hpp"
#include "analysis/evidence.hpp"
#include "analysis/links.hpp"
#include "analysis/median.hpp"
#include "analysis/resource_class.hpp"
#include "analysis/usage_growth.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

/// Of the loss, spent waiting for CPUs: then slow communication is not the network's.
constexpr double kWaitShare = 0.3;
/// So many times slower is no link alone where CPUs are short: in 24 runs on two cores that were busy with other work
/// as well (healthy, with cpu_contention and with disk_contention), whose four test blocks were divided in all six
/// ways, the links that were named, 4 of 144, were up to 2.8 times slower. One limited to 30 to 100 Mbit/s was 6 to 37
/// times.
constexpr double kPlainTimes = 4;
/// CPUs that others must have taken meanwhile, besides as much as the middle rank waited. The machine's busy time is
/// counted in ticks (/proc/stat) and was off by 0.2 of a CPU where tasks sleep and wake in step with them.
constexpr double kTakenCpus = 0.25;
constexpr double kListedShare = 0.05;  // below, a suspect is not worth a line
constexpr std::size_t kListed = 5;
constexpr double kMadToSigma = 1.4826;  // of a normal distribution
constexpr double kMedianError = 1.2533;

/// Each value less the median of all others.
std::vector<double> less_others(const std::vector<double>& values) {
  const std::size_t others = values.size() - 1;
  if (others == 0) return std::vector<double>{0};
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  std::vector<double> result;
  result.reserve(values.size());
  for (const double value : values) {
    const auto self = static_cast<std::size_t>(std::lower_bound(sorted.begin(), sorted.end(), value) - sorted.begin());
    const auto other = [&](std::size_t i) { return sorted[i < self ? i : i + 1]; };
    const double middle = others % 2 == 1 ? other(others / 2) : (other(others / 2 - 1) + other(others / 2)) / 2;
    result.push_back(value - middle);
  }
  return result;
}

std::string share_text(double share) { return fmt::format("{:.0f} %", 100 * std::clamp(share, 0.0, 1.0)); }
std::string duration_text(double ns) { return fmt::format("{}{}", ns < 0 ? "−" : "", format_duration(std::abs(ns))); }

/// Those that count, of which there are records of both blocks.
std::vector<BlockPair> pairs_of(const CulpritInput& input) {
  std::map<int, BlockPair> pairs;
  for (const Block& block : input.plan.blocks) {
    if (!input.work.has(block.index)) continue;
    if (block.kind == BlockKind::baseline) pairs[block.pair].baseline = block.index;
    if (block.kind == BlockKind::fault) pairs[block.pair].fault = block.index;
  }
  std::vector<BlockPair> counted;
  for (const int pair : input.pairs)
    if (const auto found = pairs.find(pair);
        found != pairs.end() && found->second.baseline >= 0 && found->second.fault >= 0)
      counted.push_back(found->second);
  return counted;
}

class Search {
 public:
  explicit Search(const CulpritInput& input)
      : input_(input),
        work_(input.work),
        pairs_(pairs_of(input)),
        usage_(input.plan, input.work, input.events, pairs_),
        others_(usage_.others()),
        accelerator_(input.plan.workload.params.value("compute", "") == "emulated") {}

  std::optional<Culprit> run() {
    if (pairs_.empty() || work_.ranks() == 0) return std::nullopt;
    loss_ns_ = growth([&](int block) { return work_.block(block).step_ns; });
    if (loss_ns_ <= 0) return std::nullopt;
    find_excesses();
    suspect_nodes();
    suspect_communication();
    suspect_all();
    std::sort(suspects_.begin(), suspects_.end(),
              [](const Suspect& a, const Suspect& b) { return a.share_explained > b.share_explained; });
    if (suspects_.size() > kListed) suspects_.resize(kListed);
    return answer_of(input_.plan, {std::move(suspects_), outstanding_, all_links_alike_});
  }

 private:
  /// The middle over the pairs of what a block's figure grew by.
  double growth(const std::function<double(int block)>& figure) const {
    std::vector<double> values;
    for (const BlockPair& pair : pairs_) values.push_back(figure(pair.fault) - figure(pair.baseline));
    return median(std::move(values));
  }

  [[nodiscard]] double stopped_ns(int block, std::size_t rank) const {
    const auto used = usage_.of_block(block, rank);
    return used ? used->stopped_ns : 0;
  }

  /// What a rank did not work for the others: its own work, or, if that is more, the time that it was stopped in.
  [[nodiscard]] double held_up_ns(const BlockPair& pair, std::size_t rank) const {
    const double own = work_.rank(pair.fault, rank).own_ns() - work_.rank(pair.baseline, rank).own_ns();
    return std::max(own, stopped_ns(pair.fault, rank) - stopped_ns(pair.baseline, rank));
  }

  /// The part of it that was spent inside of collectives, so that step records show it as communication.
  [[nodiscard]] double hidden_stop_ns(const BlockPair& pair, std::size_t rank) const {
    const double own = work_.rank(pair.fault, rank).own_ns() - work_.rank(pair.baseline, rank).own_ns();
    return std::max(held_up_ns(pair, rank) - std::max(own, 0.0), 0.0);
  }

  void find_excesses() {
    const std::size_t ranks = work_.ranks();
    std::vector<std::vector<double>> excess(ranks), noise(ranks);
    std::vector<double> values(ranks);
    const auto add = [&](std::vector<std::vector<double>>& to) {
      const auto less = less_others(values);
      for (std::size_t rank = 0; rank < ranks; ++rank) to[rank].push_back(less[rank]);
    };
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      for (std::size_t rank = 0; rank < ranks; ++rank) values[rank] = held_up_ns(pairs_[i], rank);
      add(excess);
      if (i == 0) continue;
      for (std::size_t rank = 0; rank < ranks; ++rank)
        values[rank] =
            work_.rank(pairs_[i].baseline, rank).own_ns() - work_.rank(pairs_[i - 1].baseline, rank).own_ns();
      add(noise);
    }
    const double chances = 2 + std::sqrt(2 * std::log(static_cast<double>(ranks)));
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      for (double& value : noise[rank]) value = std::abs(value);
      const double sigma_ns = kMadToSigma * median(std::move(noise[rank]));
      floor_ns_.push_back(chances * kMedianError * sigma_ns / std::sqrt(static_cast<double>(pairs_.size())));
      excess_ns_.push_back(median(std::move(excess[rank])));
    }
  }

  [[nodiscard]] const std::vector<int>& ranks_of(std::size_t node) const {
    return input_.plan.topology.nodes[node].ranks;
  }

  /// The rank of a node that stands out most; empty when none is beyond its noise.
  [[nodiscard]] std::optional<std::size_t> outstanding_rank(std::size_t node) const {
    std::optional<std::size_t> found;
    for (const int of_node : ranks_of(node)) {
      const auto rank = static_cast<std::size_t>(of_node);
      if (excess_ns_[rank] > floor_ns_[rank] && (!found || excess_ns_[rank] > excess_ns_[*found])) found = rank;
    }
    return found;
  }

  [[nodiscard]] double longest_hidden_stop_ns(const BlockPair& pair, const std::vector<int>& ranks) const {
    double most_ns = 0;
    for (const int rank : ranks) most_ns = std::max(most_ns, hidden_stop_ns(pair, static_cast<std::size_t>(rank)));
    const double communication =
        work_.block(pair.fault).communication_ns() - work_.block(pair.baseline).communication_ns();
    return std::min(most_ns, std::max(communication, 0.0));
  }

  void suspect_nodes() {
    for (std::size_t node = 0; node < work_.nodes(); ++node) {
      const auto rank = outstanding_rank(node);
      if (!rank) continue;
      const auto& ranks = ranks_of(node);
      std::vector<double> gains, rank_gains, hidden;
      for (const BlockPair& pair : pairs_) {
        const double hidden_ns = longest_hidden_stop_ns(pair, ranks);
        const auto rank_gain = [&](int block) {
          return work_.rank(block, *rank).gain_ns / static_cast<double>(work_.block(block).steps);
        };
        hidden.push_back(hidden_ns);
        gains.push_back(work_.node_gain_ns(pair.fault, node) - work_.node_gain_ns(pair.baseline, node) + hidden_ns);
        rank_gains.push_back(rank_gain(pair.fault) - rank_gain(pair.baseline) + hidden_ns);
      }
      const double gain_ns = median(std::move(gains)), share = gain_ns / loss_ns_;
      best_gain_ns_ = std::max(best_gain_ns_, gain_ns - median(hidden));
      hidden_ns_ = std::max(hidden_ns_, median(std::move(hidden)));
      outstanding_.push_back(static_cast<int>(node));
      if (share < kListedShare) continue;
      const bool one_rank = ranks.size() == 1 || median(std::move(rank_gains)) >= 0.8 * gain_ns;
      suspects_.push_back(own_work_suspect(node, *rank, one_rank, share));
    }
  }

  [[nodiscard]] WorkGrowth growth_of(std::size_t rank) const {
    WorkGrowth result{.others = others_, .accelerator = accelerator_};
    for (std::size_t phase = 0; phase < kOwnPhases.size(); ++phase) {
      result.phase_ns[phase] = growth([&](int block) { return work_.rank(block, rank).phase_ns(phase); });
      std::vector<double> before;
      for (const BlockPair& pair : pairs_) before.push_back(work_.rank(pair.baseline, rank).phase_ns(phase));
      result.baseline_ns[phase] = median(std::move(before));
    }
    result.usage = usage_.of_rank(rank);
    return result;
  }

  /// "last at the collective in 98 % of the fault steps (22 % of the baseline's), by 10 ms".
  [[nodiscard]] std::string arrival_text(std::size_t node) const {
    double steps[2] = {}, last[2] = {}, by_ns = 0;
    for (const BlockPair& pair : pairs_)
      for (const bool fault : {false, true}) {
        const int block = fault ? pair.fault : pair.baseline;
        steps[fault] += static_cast<double>(work_.block(block).steps);
        last[fault] += work_.arrivals(block, node).last;
        if (fault) by_ns += work_.arrivals(block, node).by_ns;
      }
    if (last[1] == 0) return "";
    return fmt::format("; last at the collective in {} of the fault steps ({} of the baseline's), by {}",
                       share_text(last[1] / steps[1]), share_text(last[0] / steps[0]),
                       format_duration(by_ns / last[1]));
  }

  [[nodiscard]] Suspect own_work_suspect(std::size_t node, std::size_t rank, bool one_rank, double share) const {
    const WorkGrowth grown = growth_of(rank);
    const ResourceClass cause = classify(grown);
    const bool in_collectives = grown.usage && grown.usage->stopped_ns > 2 * grown.total_ns();
    Suspect suspect;
    suspect.node = static_cast<int>(node);
    suspect.node_name = node_name(node);
    suspect.rank = one_rank ? static_cast<int>(rank) : -1;
    suspect.phase = in_collectives ? "exposed_comm" : kOwnPhases[grown.phase()];
    suspect.resource = cause.resource;
    suspect.excess_ns = excess_ns_[rank];
    suspect.share_explained = std::clamp(share, 0.0, 1.0);
    suspect.why = fmt::format("its own work grew by {} a step more than its peers' (noise up to {}), most in {}; {}{}",
                              duration_text(excess_ns_[rank]), format_duration(floor_ns_[rank]), suspect.phase,
                              cause.why, arrival_text(node));
    return suspect;
  }

  [[nodiscard]] std::string node_name(std::size_t node) const {
    return name_of_node(input_.plan, input_.plan.topology.nodes[node].index);
  }

  void suspect_communication() {
    const double grown_ns = growth([&](int block) { return work_.block(block).communication_ns(); }) - hidden_ns_;
    communication_share_ = grown_ns / loss_ns_;
    const double wait_ns = usage_.middle_wait_ns();
    wait_share_ = wait_ns / loss_ns_;
    std::vector<double> steps_ns;
    for (const BlockPair& pair : pairs_) steps_ns.push_back(work_.block(pair.fault).step_ns);
    others_took_cpus_ = !others_ || others_->cpu_ns >= std::max(wait_ns, kTakenCpus * median(std::move(steps_ns)));
    if (communication_share_ < kListedShare) return;
    Suspect suspect;
    suspect.phase = "exposed_comm";
    suspect.resource = "network";
    suspect.excess_ns = grown_ns;
    suspect.share_explained = std::clamp(communication_share_, 0.0, 1.0);
    suspect.why = fmt::format("communication that no work hides grew by {} a step", duration_text(grown_ns));
    place_communication(suspect);
    // Links are slow, too, when nobody comes to serve them.
    if (!waits()) suspects_.push_back(std::move(suspect));
  }

  /// Did ranks wait for CPUs that others took? Packets that are lost on one node's links alone are not lost for that,
  /// and a link that alone of all is many times slower is not slow for that: whoever lacks CPUs is late on all of its
  /// links.
  [[nodiscard]] bool waits() const { return wait_share_ >= kWaitShare && !not_for_cpus_ && others_took_cpus_; }

  void place_communication(Suspect& suspect) {
    const auto found = input_.links ? judge_links(link_changes(*input_.links)) : std::nullopt;
    const bool link_alone = found && found->a >= 0 && work_.nodes() > 2;
    not_for_cpus_ = found && found->named() && (found->lost || (link_alone && found->times >= kPlainTimes));
    if (found && found->node >= 0 && static_cast<std::size_t>(found->node) < work_.nodes()) {
      suspect.node = found->node;
      suspect.node_name = node_name(static_cast<std::size_t>(found->node));
      suspect.why += "; link test: " + found->text;
    } else if (found && found->a >= 0 && static_cast<std::size_t>(found->b) < work_.nodes()) {
      suspect.node_name = link_name(static_cast<std::size_t>(found->a), static_cast<std::size_t>(found->b));
      suspect.why += "; link test: " + found->text;
    } else if (found && found->all_alike) {
      all_links_alike_ = true;
      suspect.why += "; link test: all links are slower alike";
    } else {
      if (found && found->nothing) suspect.why += "; the link test found no slow link";
      if (!found && input_.links) suspect.why += "; the link test does not tell whose links";
      place_by_checks(suspect);
    }
    // Two nodes have one link, and all that is slow between them is slow on it.
    const bool nowhere = suspect.node < 0 && suspect.node_name.empty();
    if (nowhere && work_.nodes() == 2 && !(found && found->nothing)) suspect.node_name = link_name(0, 1);
  }

  [[nodiscard]] std::string link_name(std::size_t a, std::size_t b) const {
    return fmt::format("link {}–{}", node_name(a), node_name(b));
  }

  /// A check that failed under the fault, never without it, and on one node alone.
  void place_by_checks(Suspect& suspect) const {
    std::set<std::string> failed;
    std::string name;
    for (const CheckResult& check : input_.checks)
      if (check.fault_failures > 0 && check.baseline_failures == 0) failed.insert(check.node), name = check.name;
    if (failed.size() != 1) return;
    for (std::size_t node = 0; node < work_.nodes(); ++node)
      if (node_name(node) == *failed.begin()) suspect.node = static_cast<int>(node);
    suspect.node_name = *failed.begin();
    suspect.why += fmt::format("; the check {} failed under the fault on {} alone", name, *failed.begin());
  }

  /// Own work that no single node's repair takes away, and waiting for CPUs that all share.
  void suspect_all() {
    const double longest_ns = growth([&](int block) { return work_.block(block).longest_ns; });
    const double own_share = (longest_ns - best_gain_ns_) / loss_ns_;
    std::vector<double> grown(work_.nodes(), 0);
    for (std::size_t rank = 0; rank < work_.ranks(); ++rank) {
      double& most = grown[static_cast<std::size_t>(work_.node_of(rank))];
      most = std::max(most, growth([&](int block) { return work_.rank(block, rank).own_ns(); }));
    }
    const bool own_alike =
        own_share >= kListedShare && *std::min_element(grown.begin(), grown.end()) >= 0.5 * longest_ns;
    if (!own_alike && !waits()) return;
    // Of one machine all links and all own work became slow together: the links are served by what has become short.
    const bool machine = own_alike && all_links_alike_ && input_.plan.topology.local_cluster;
    if (machine) std::erase_if(suspects_, [](const Suspect& suspect) { return suspect.resource == "network"; });
    const WorkGrowth middle = middle_growth();
    // Where waiting for CPUs is what it comes from, most is in communication; own work has its phases to go by.
    const bool own_most = own_alike && own_share >= communication_share_;
    const ResourceClass cause =
        waits() && !own_most && middle.usage ? classify_wait(*middle.usage, others_) : classify(middle);
    Suspect suspect;
    suspect.phase = own_alike ? kOwnPhases[middle.phase()] : "exposed_comm";
    suspect.resource = cause.resource;
    suspect.excess_ns = own_share * loss_ns_;
    const double communication = waits() || machine ? std::max(communication_share_, 0.0) : 0;
    suspect.share_explained = std::clamp((own_alike ? own_share : 0) + communication, 0.0, 1.0);
    suspect.why = fmt::format("all nodes alike: own work grew by {} a step in the middle; {}",
                              duration_text(middle.total_ns()), cause.why);
    suspects_.push_back(std::move(suspect));
  }

  [[nodiscard]] WorkGrowth middle_growth() const {
    std::vector<WorkGrowth> all;
    for (std::size_t rank = 0; rank < work_.ranks(); ++rank) all.push_back(growth_of(rank));
    const auto middle = [&](const auto& figure) {
      std::vector<double> values;
      for (const WorkGrowth& one : all) values.push_back(figure(one));
      return median(std::move(values));
    };
    WorkGrowth result{.others = others_, .accelerator = accelerator_};
    for (std::size_t phase = 0; phase < kOwnPhases.size(); ++phase) {
      result.phase_ns[phase] = middle([&](const WorkGrowth& one) { return one.phase_ns[phase]; });
      result.baseline_ns[phase] = middle([&](const WorkGrowth& one) { return one.baseline_ns[phase]; });
    }
    if (std::any_of(all.begin(), all.end(), [](const WorkGrowth& one) { return !one.usage; })) return result;
    result.usage.emplace();
    for (const auto counter : kUsageCounters)
      (*result.usage).*counter = middle([&](const WorkGrowth& one) { return (*one.usage).*counter; });
    return result;
  }

  const CulpritInput& input_;
  const OwnWork& work_;
  const std::vector<BlockPair> pairs_;
  const UsageGrowth usage_;
  const std::optional<OthersUsage> others_;  // by which it grew
  const bool accelerator_;
  double loss_ns_ = 0;               // by which a step is longer
  std::vector<double> excess_ns_{};  // by rank
  std::vector<double> floor_ns_{};   // by rank
  std::vector<int> outstanding_{};   // nodes with a rank beyond its noise
  double best_gain_ns_ = 0;          // of the node whose repair helps most, its hidden stops aside
  double hidden_ns_ = 0;             // its stops inside of collectives
  double communication_share_ = 0, wait_share_ = 0;
  bool all_links_alike_ = false;
  bool others_took_cpus_ = true;
  bool not_for_cpus_ = false;  // packets are lost on a node's links, or one link alone is slow
  std::vector<Suspect> suspects_{};
};

}  // namespace

std::optional<Culprit> find_culprit(const CulpritInput& input) { return Search(input).run(); }

}  // namespace grit
