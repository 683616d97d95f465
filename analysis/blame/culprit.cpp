#include "analysis/blame/culprit.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "analysis/blame/culprit_answer.hpp"
#include "analysis/blame/held_up.hpp"
#include "analysis/blame/links.hpp"
#include "analysis/blame/replay.hpp"
#include "analysis/blame/resource_class.hpp"
#include "analysis/facts/evidence.hpp"
#include "analysis/facts/usage_growth.hpp"
#include "analysis/stats/median.hpp"
#include "harness/base/units.hpp"

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
constexpr double kListedShare = 0.05;  // below, a suspect is not worth a line
constexpr double kByChance = 0.05;     // how often something is taken for shown that is not there
constexpr double kMostTurns = 0.8;     // of all turns: whoever had them is named
constexpr std::size_t kListed = 5;

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

/// The middle over the pairs of what a block's figure grew by.
double growth(const std::vector<BlockPair>& pairs, const std::function<double(int block)>& figure) {
  std::vector<double> values;
  for (const BlockPair& pair : pairs) values.push_back(figure(pair.fault) - figure(pair.baseline));
  return median(std::move(values));
}

/// What all steps of the search go by. Nothing of it changes once it is made.
struct Facts {
  Facts(const CulpritInput& from, std::vector<BlockPair> counted)
      : input(from),
        plan(from.plan),
        work(from.work),
        pairs(std::move(counted)),
        usage(plan, work, from.events, pairs),
        accelerator(plan.workload.params.value("compute", "") == "emulated"),
        loss_ns(growth(pairs, [&](int block) { return work.block(block).step_ns; })),
        held_up(plan, work, usage, pairs),
        replay(work, held_up, pairs, std::max(loss_ns, 1.0)) {}
  Facts(const Facts&) = delete;  // its parts refer to each other
  Facts& operator=(const Facts&) = delete;

  [[nodiscard]] std::string node_name(std::size_t node) const {
    return name_of_node(plan, plan.topology.nodes[node].index);
  }
  [[nodiscard]] const std::vector<int>& ranks_of(std::size_t node) const { return plan.topology.nodes[node].ranks; }

  const CulpritInput& input;
  const Plan& plan;
  const OwnWork& work;
  const std::vector<BlockPair> pairs;
  const UsageGrowth usage;
  const bool accelerator;  // forward and backward are not the CPU's
  const double loss_ns;    // by which a step is longer
  const HeldUp held_up;
  const Replay replay;
};

// --- Own work
// ---------------------------------------------------------------------------------------------------------

/// Without what others took.
WorkGrowth growth_of(const Facts& facts, std::size_t rank) {
  WorkGrowth result{.accelerator = facts.accelerator};
  for (std::size_t phase = 0; phase < kOwnPhases.size(); ++phase) {
    result.phase_ns[phase] =
        growth(facts.pairs, [&](int block) { return facts.work.rank(block, rank).phase_ns(phase); });
    std::vector<double> before;
    for (const BlockPair& pair : facts.pairs) before.push_back(facts.work.rank(pair.baseline, rank).phase_ns(phase));
    result.baseline_ns[phase] = median(std::move(before));
  }
  result.usage = facts.usage.of_rank(rank);
  return result;
}

/// Of several ranks, figure by figure; `of_all` makes one of theirs. Usage only where it is known of each.
WorkGrowth growth_of(const Facts& facts, std::span<const std::size_t> ranks,
                     const std::function<double(std::vector<double>)>& of_all) {
  std::vector<WorkGrowth> all;
  for (const std::size_t rank : ranks) all.push_back(growth_of(facts, rank));
  const auto merged = [&](const auto& figure) {
    std::vector<double> values;
    for (const WorkGrowth& one : all) values.push_back(figure(one));
    return of_all(std::move(values));
  };
  WorkGrowth result{.others = facts.usage.middle_others(), .accelerator = facts.accelerator};
  for (std::size_t phase = 0; phase < kOwnPhases.size(); ++phase) {
    result.phase_ns[phase] = merged([&](const WorkGrowth& one) { return one.phase_ns[phase]; });
    result.baseline_ns[phase] = merged([&](const WorkGrowth& one) { return one.baseline_ns[phase]; });
  }
  if (std::any_of(all.begin(), all.end(), [](const WorkGrowth& one) { return !one.usage; })) return result;
  result.usage.emplace();
  for (const auto counter : kUsageCounters)
    (*result.usage).*counter = merged([&](const WorkGrowth& one) { return (*one.usage).*counter; });
  return result;
}

std::vector<std::size_t> all_ranks(const Facts& facts) {
  std::vector<std::size_t> ranks(facts.work.ranks());
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) ranks[rank] = rank;
  return ranks;
}

/// "last at the collective in 98 % of the fault steps (22 % of the baseline's), by 10 ms".
std::string arrival_text(const Facts& facts, std::size_t node) {
  double steps[2] = {}, last[2] = {}, by_ns = 0;
  for (const BlockPair& pair : facts.pairs)
    for (const bool fault : {false, true}) {
      const int block = fault ? pair.fault : pair.baseline;
      steps[fault] += static_cast<double>(facts.work.block(block).steps);
      last[fault] += facts.work.arrivals(block, node).last;
      if (fault) by_ns += facts.work.arrivals(block, node).by_ns;
    }
  if (last[1] == 0) return "";
  return fmt::format("; last at the collective in {} of the fault steps ({} of the baseline's), by {}",
                     share_text(last[1] / steps[1]), share_text(last[0] / steps[0]), format_duration(by_ns / last[1]));
}

/// Is it one rank of the node, and not the node? Yes when four fifths of what the node's repair gains is that rank's.
bool is_one_rank(const Facts& facts, const NodeShare& node) {
  if (facts.ranks_of(node.who.node).size() == 1) return true;
  std::vector<double> gains_ns, hidden_ns;
  for (std::size_t i = 0; i < facts.pairs.size(); ++i) {
    const auto gain_ns = [&](int block) {
      return facts.work.rank(block, node.who.rank).gain_ns / static_cast<double>(facts.work.block(block).steps);
    };
    gains_ns.push_back(gain_ns(facts.pairs[i].fault) - gain_ns(facts.pairs[i].baseline) +
                       facts.held_up.hidden_ns(i, node.who.node));
  }
  const std::size_t only[] = {node.who.node};
  const double alone_ns = facts.replay.share(only) * facts.loss_ns;
  return alone_ns > 0 && median(std::move(gains_ns)) >= 0.8 * alone_ns;
}

Suspect own_work_suspect(const Facts& facts, const NodeShare& node) {
  const std::size_t rank = node.who.rank;
  WorkGrowth grown = growth_of(facts, rank);
  grown.others = facts.usage.others(node.who.node);
  const ResourceClass cause = classify(grown);
  const bool in_collectives = grown.usage && grown.usage->stopped_ns > 2 * grown.total_ns();
  Suspect suspect;
  suspect.node = static_cast<int>(node.who.node);
  suspect.nodes = {suspect.node};
  suspect.node_name = facts.node_name(node.who.node);
  suspect.rank = is_one_rank(facts, node) ? static_cast<int>(rank) : -1;
  suspect.phase = in_collectives ? "exposed_comm" : kOwnPhases[grown.phase()];
  suspect.resource = cause.resource;
  suspect.excess_ns = facts.held_up.excess_ns(rank);
  suspect.share_explained = std::clamp(node.share, 0.0, 1.0);
  suspect.why = fmt::format("its own work grew by {} a step more than its peers' (noise up to {}), most in {}; {}{}",
                            duration_text(suspect.excess_ns), format_duration(facts.held_up.floor_ns(rank)),
                            suspect.phase, cause.why, arrival_text(facts, node.who.node));
  return suspect;
}

/// Nodes that are slow in all pairs, each with its share. At most half of the nodes: the others say what is normal.
std::vector<NodeShare> slow_nodes(const Facts& facts) {
  const auto& outstanding = facts.held_up.outstanding();
  const std::size_t most = std::min({outstanding.size(), facts.work.nodes() / 2, kBlamedApart});
  std::vector<HeldUp::Outstanding> first(outstanding.begin(), outstanding.begin() + static_cast<std::ptrdiff_t>(most));
  std::vector<NodeShare> shares = facts.replay.shares(first);
  std::erase_if(shares, [](const NodeShare& node) { return node.share < kListedShare; });
  // Only those which are slow with the others put right, and without one that explains nothing.
  if (shares.size() < first.size()) {
    first.clear();
    for (const NodeShare& node : shares) first.push_back(node.who);
    shares = facts.replay.shares(first);
  }
  if (!facts.replay.are_slow(shares)) return {};
  return shares;
}

/// "node0, node3, node5, node6, node7 and 9 more nodes".
std::string names_text(const Facts& facts, std::span<const std::size_t> nodes) {
  constexpr std::size_t kNames = 5;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(nodes.size(), kNames); ++i) names.push_back(facts.node_name(nodes[i]));
  if (nodes.size() > kNames) return fmt::format("{} and {} more nodes", fmt::join(names, ", "), nodes.size() - kNames);
  if (names.size() < 2) return fmt::format("{}", fmt::join(names, ""));
  const std::string last = names.back();
  names.pop_back();
  return fmt::format("{} and {}", fmt::join(names, ", "), last);
}

/// What these nodes, and no others, have in common: ", which alone have kernel 6.1.0-9", or nothing.
std::string shared_attribute(const Facts& facts, std::span<const std::size_t> nodes) {
  const auto& all = facts.plan.topology.nodes;
  const auto distinguishes = [&](const auto& attribute) {
    const auto value = attribute(all[nodes.front()]);
    const auto alike = [&](std::size_t node) { return attribute(all[node]) == value; };
    const auto with = std::count_if(all.begin(), all.end(), [&](const Node& node) { return attribute(node) == value; });
    return std::all_of(nodes.begin(), nodes.end(), alike) && static_cast<std::size_t>(with) == nodes.size();
  };
  const Node& first = all[nodes.front()];
  if (distinguishes([](const Node& node) { return node.kernel; })) return ", which alone have kernel " + first.kernel;
  if (distinguishes([](const Node& node) { return node.cpu_model; })) return ", which alone have " + first.cpu_model;
  if (distinguishes([](const Node& node) { return node.cores; }))
    return fmt::format(", which alone have {} cores", first.cores);
  return "";
}

void add_nodes(Suspect& suspect, std::span<const std::size_t> nodes) {
  for (const std::size_t node : nodes) suspect.nodes.push_back(static_cast<int>(node));
  std::sort(suspect.nodes.begin(), suspect.nodes.end());
}

/// More nodes than are blamed one by one, all of which stand out: by what goes when all of them are put right.
std::optional<Suspect> slow_group(const Facts& facts) {
  const auto& outstanding = facts.held_up.outstanding();
  if (outstanding.size() <= kBlamedApart || 2 * outstanding.size() > facts.work.nodes()) return std::nullopt;
  std::vector<std::size_t> nodes, ranks;
  for (const auto& one : outstanding) nodes.push_back(one.node), ranks.push_back(one.rank);
  const double share = facts.replay.share(nodes);
  std::vector<NodeShare> shares;
  for (const auto& one : outstanding) shares.push_back({one, share / static_cast<double>(nodes.size())});
  if (share < kNamedShare || !facts.replay.are_slow(shares)) return std::nullopt;
  const WorkGrowth grown = growth_of(facts, ranks, [](std::vector<double> values) { return median(values); });
  const ResourceClass cause = classify(grown);
  std::vector<double> excess_ns;
  for (const std::size_t rank : ranks) excess_ns.push_back(facts.held_up.excess_ns(rank));
  Suspect suspect;
  suspect.phase = kOwnPhases[grown.phase()];
  suspect.resource = cause.resource;
  suspect.excess_ns = median(std::move(excess_ns));
  suspect.share_explained = std::clamp(share, 0.0, 1.0);
  suspect.node_name = names_text(facts, nodes);
  suspect.why = fmt::format(
      "the own work of these {} nodes{} grew by {} a step more than the others', in the middle, "
      "most in {}; {}",
      nodes.size(), shared_attribute(facts, nodes), duration_text(suspect.excess_ns), suspect.phase, cause.why);
  add_nodes(suspect, nodes);
  return suspect;
}

/// All nodes, and all but the kBlamedApart that had most turns, must have been the last for longer than by chance: what
/// goes by turns is not the work of a few.
bool are_turns_shown(const Facts& facts) {
  const std::vector<double>& turns = facts.replay.turns();
  std::vector<std::size_t> nodes(turns.size());
  for (std::size_t node = 0; node < nodes.size(); ++node) nodes[node] = node;
  std::sort(nodes.begin(), nodes.end(), [&](std::size_t x, std::size_t y) { return turns[x] > turns[y]; });
  const auto rest = std::span(nodes).subspan(std::min(kBlamedApart, nodes.size() / 2));
  return facts.replay.turns_p(nodes) <= kByChance && facts.replay.turns_p(rest) <= kByChance;
}

/// Whose turn it was, in words; `nodes` are those of which it is shown.
std::string turns_name(const Facts& facts, std::span<const std::size_t> nodes) {
  if (nodes.empty()) return "one node after another";
  if (nodes.size() == facts.work.nodes()) return "each node in turn";
  return names_text(facts, nodes) + " in turn";
}

/// No node is slow, but in each step one is: what goes when in each step the last one is put right.
std::optional<Suspect> slow_by_turns(const Facts& facts) {
  const double share = facts.replay.turns_share();
  const double longest_ns = growth(facts.pairs, [&](int block) { return facts.work.block(block).longest_ns; });
  // Where it is less than half of what own work grew by, most of that is common to all.
  if (share < kListedShare || share * facts.loss_ns < 0.5 * longest_ns || !are_turns_shown(facts)) return std::nullopt;
  const std::vector<double>& turns = facts.replay.turns();
  std::vector<std::size_t> nodes = facts.replay.shown_in_turn();
  double shown = 0, all = 0;
  for (const double turn : turns) all += std::max(turn, 0.0);
  for (const std::size_t node : nodes) shown += turns[node];
  if (nodes.size() < 2 || shown < kMostTurns * all) nodes.clear();
  const WorkGrowth grown = growth_of(facts, all_ranks(facts), [](const std::vector<double>& values) {
    double sum = 0;  // of all: what each does in its turns is long for all
    for (const double value : values) sum += std::max(value, 0.0);
    return sum;
  });
  const ResourceClass cause = classify(grown);
  const bool in_collectives = grown.usage && grown.usage->stopped_ns > 2 * grown.total_ns();
  Suspect suspect;
  suspect.phase = in_collectives ? "exposed_comm" : kOwnPhases[grown.phase()];
  suspect.resource = cause.resource;
  suspect.excess_ns = share * facts.loss_ns;
  suspect.share_explained = std::clamp(share, 0.0, 1.0);
  suspect.node_name = turns_name(facts, nodes);
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < std::min(nodes.size(), kListed); ++i)
    parts.push_back(fmt::format("{} {}", facts.node_name(nodes[i]), share_text(turns[nodes[i]])));
  const std::string of_each = parts.empty() ? ""
                                            : fmt::format(" (by node, on average: {}{})", fmt::join(parts, ", "),
                                                          nodes.size() > kListed ? " ..." : "");
  suspect.why = fmt::format(
      "no node is slow in all blocks, but in its turn: with the last one of each step put right "
      "{} of the loss goes, in the middle of the pairs{}; of all of them together, a step: {}",
      share_text(share), of_each, cause.why);
  add_nodes(suspect, nodes);
  return suspect;
}

// --- Communication
// ----------------------------------------------------------------------------------------------------

/// Is it for want of CPUs that communication takes longer?
enum class CpuShortage { none, shown, possible };

struct Communication {
  double share = 0;  // of the loss, without stops inside of collectives
  std::optional<LinkFinding> links{};
  CpuShortage shortage = CpuShortage::none;
  std::vector<std::size_t> short_nodes{};  // those of the one machine that is short of CPUs, where there are others
  double wait_ns = 0;                      // of these, or of the middle rank, a step longer for a CPU
  [[nodiscard]] bool all_links_alike() const { return links && links->all_alike; }
};

double wait_ns_of(const Facts& facts, std::size_t node) {
  double sum_ns = 0;
  for (const int rank : facts.ranks_of(node))
    if (const auto grown = facts.usage.of_rank(static_cast<std::size_t>(rank)))
      sum_ns += std::max(grown->run_wait_ns, 0.0);
  return sum_ns;
}

/// Links that are slow, and not because nobody comes to serve them: packets are lost there, or they alone of all are
/// many times slower and their nodes' ranks do not wait for CPUs much longer than the others do.
bool are_links_to_blame(const Facts& facts, const LinkFinding& found) {
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

/// Did ranks wait for CPUs that others took? Either the middle rank did for a good part of the loss; or all ranks of a
/// machine together: then a burst of other work that holds up one of them after the other may be the loss.
void find_shortage(const Facts& facts, Communication& found) {
  if (found.links && are_links_to_blame(facts, *found.links)) return;
  std::vector<double> steps_ns;
  for (const BlockPair& pair : facts.pairs) steps_ns.push_back(facts.work.block(pair.fault).step_ns);
  const double least_taken_ns = kTakenCpus * median(std::move(steps_ns));
  const double middle_ns = facts.usage.middle_wait_ns(), needed_ns = kWaitShare * facts.loss_ns;
  const auto middle_others = facts.usage.middle_others();
  if (middle_ns >= needed_ns && (!middle_others || middle_others->cpu_ns >= std::max(middle_ns, least_taken_ns))) {
    found.shortage = CpuShortage::shown, found.wait_ns = middle_ns;
    return;
  }
  for (const std::vector<std::size_t>& nodes : facts.usage.machines()) {
    double waits_ns = 0;
    for (const std::size_t node : nodes) waits_ns += wait_ns_of(facts, node);
    const auto others = facts.usage.others(nodes.front());
    if (waits_ns < needed_ns || !others || waits_ns <= found.wait_ns) continue;
    const bool taken = others->cpu_ns >= least_taken_ns;
    const bool may_be = facts.usage.was_full(nodes.front()) && !(found.links && found.links->named());
    if (!taken && !may_be) continue;
    found.shortage = taken ? CpuShortage::shown : CpuShortage::possible;
    found.wait_ns = waits_ns;
    found.short_nodes = nodes;
  }
  if (found.short_nodes.size() == facts.work.nodes()) found.short_nodes.clear();
}

Communication look_at_communication(const Facts& facts) {
  Communication found;
  const double grown_ns = growth(facts.pairs, [&](int block) { return facts.work.block(block).communication_ns(); });
  found.share = (grown_ns - facts.replay.hidden_ns()) / facts.loss_ns;
  if (facts.input.links) found.links = judge_links(link_changes(*facts.input.links));
  find_shortage(facts, found);
  return found;
}

std::string link_name(const Facts& facts, std::size_t a, std::size_t b) {
  return fmt::format("link {}–{}", facts.node_name(a), facts.node_name(b));
}

/// A check that failed under the fault, never without it, and on one node alone.
void place_by_checks(const Facts& facts, Suspect& suspect) {
  std::set<std::string> failed;
  std::string name;
  for (const CheckResult& check : facts.input.checks)
    if (check.fault_failures > 0 && check.baseline_failures == 0) failed.insert(check.node), name = check.name;
  if (failed.size() != 1) return;
  for (std::size_t node = 0; node < facts.work.nodes(); ++node)
    if (facts.node_name(node) == *failed.begin()) suspect.node = static_cast<int>(node), suspect.nodes = {suspect.node};
  suspect.node_name = *failed.begin();
  suspect.why += fmt::format("; the check {} failed under the fault on {} alone", name, *failed.begin());
}

void place_on_link(const Facts& facts, Suspect& suspect, int a, int b) {
  suspect.node_name = link_name(facts, static_cast<std::size_t>(a), static_cast<std::size_t>(b));
  suspect.nodes = {a, b};
}

/// One for each node of which the link test says that its links are slow, with its part of the share.
std::vector<Suspect> by_node(const Facts& facts, const Suspect& whole, const LinkFinding& found) {
  std::vector<Suspect> suspects;
  for (std::size_t i = 0; i < found.nodes.size(); ++i) {
    Suspect& one = suspects.emplace_back(whole);
    one.node = found.nodes[i];
    one.nodes = {one.node};
    one.node_name = facts.node_name(static_cast<std::size_t>(one.node));
    one.excess_ns *= found.parts[i];
    one.share_explained *= found.parts[i];
  }
  return suspects;
}

/// By node or link, as far as the link test or a check tells.
std::vector<Suspect> network_suspects(const Facts& facts, const Communication& communication) {
  const auto& found = communication.links;
  const auto exists = [&](int node) { return node >= 0 && static_cast<std::size_t>(node) < facts.work.nodes(); };
  Suspect suspect;
  suspect.phase = "exposed_comm";
  suspect.resource = "network";
  suspect.excess_ns = communication.share * facts.loss_ns;
  suspect.share_explained = std::clamp(communication.share, 0.0, 1.0);
  suspect.why = fmt::format("communication that no work hides grew by {} a step", duration_text(suspect.excess_ns));
  if (found && found->named()) suspect.why += "; link test: " + found->text;
  if (found && !found->nodes.empty() && std::all_of(found->nodes.begin(), found->nodes.end(), exists))
    return by_node(facts, suspect, *found);
  if (found && exists(found->a) && exists(found->b)) {
    place_on_link(facts, suspect, found->a, found->b);
  } else if (found && found->all_alike) {
    suspect.why += "; link test: all links are slower alike";
  } else {
    if (found && found->nothing) suspect.why += "; the link test found no slow link";
    if (!found && facts.input.links) suspect.why += "; the link test does not tell whose links";
    place_by_checks(facts, suspect);
  }
  // Two nodes have one link, and all that is slow between them is slow on it.
  const bool nowhere = suspect.nodes.empty() && suspect.node_name.empty();
  if (nowhere && facts.work.nodes() == 2 && !(found && found->nothing)) place_on_link(facts, suspect, 0, 1);
  return {suspect};
}

/// Ranks waited longer for CPUs that were all busy, so whether others took more of them does not show, and no link test
/// says that a link is slow, nor that none is.
Suspect untold_suspect(const Facts& facts, const Communication& communication) {
  Suspect suspect;
  suspect.phase = "exposed_comm";
  suspect.resource = "unknown";
  suspect.excess_ns = communication.share * facts.loss_ns;
  suspect.share_explained = std::clamp(communication.share, 0.0, 1.0);
  suspect.why = fmt::format(
      "communication that no work hides grew by {} a step, and ranks together waited {} longer for CPUs, all of which "
      "were busy in the baseline blocks already, so that nobody can be seen to take more of them. {} tells these apart",
      duration_text(suspect.excess_ns), format_duration(communication.wait_ns),
      facts.input.links ? "A machine with CPUs to spare" : "A link test (link_test = true), or CPUs to spare,");
  return suspect;
}

/// One machine of several is short of CPUs that others took: what its ranks waited for, of what communication grew by.
Suspect starved_suspect(const Facts& facts, const Communication& communication) {
  const std::vector<std::size_t>& nodes = communication.short_nodes;
  Usage waited;
  waited.run_wait_ns = communication.wait_ns;
  const ResourceClass cause = classify_wait(waited, facts.usage.others(nodes.front()));
  Suspect suspect;
  if (nodes.size() == 1) suspect.node = static_cast<int>(nodes.front());
  suspect.node_name = names_text(facts, nodes);
  suspect.phase = "exposed_comm";
  suspect.resource = cause.resource;
  suspect.share_explained = std::clamp(std::min(communication.wait_ns / facts.loss_ns, communication.share), 0.0, 1.0);
  suspect.excess_ns = suspect.share_explained * facts.loss_ns;
  suspect.why = fmt::format("all ranks of its machine together: {}", cause.why);
  add_nodes(suspect, nodes);
  return suspect;
}

// --- What all nodes share
// ---------------------------------------------------------------------------------------------

/// Own work that grows on all nodes alike, stops of all at once, and waiting for CPUs that all share. `slow_share`: of
/// the loss, what is laid to nodes already.
std::optional<Suspect> shared_suspect(const Facts& facts, const Communication& communication, double slow_share) {
  const auto longest = [&](int block) { return facts.work.block(block).longest_ns; };
  const double longest_ns = growth(facts.pairs, longest);
  const double own_share = longest_ns / facts.loss_ns - slow_share;
  std::vector<double> grown(facts.work.nodes(), 0);
  for (std::size_t rank = 0; rank < facts.work.ranks(); ++rank) {
    double& most = grown[static_cast<std::size_t>(facts.work.node_of(rank))];
    most = std::max(most, growth(facts.pairs, [&](int block) { return facts.work.rank(block, rank).own_ns(); }));
  }
  const bool own_alike = own_share >= kListedShare && *std::min_element(grown.begin(), grown.end()) >= 0.5 * longest_ns;
  const bool short_of_cpus = communication.shortage == CpuShortage::shown && communication.short_nodes.empty();
  const bool stopped = facts.replay.stopped_at_once();
  if (!own_alike && !short_of_cpus && !stopped) return std::nullopt;
  // Of one machine all links and all own work became slow together: the same CPUs carry the traffic of its links.
  const bool machine = own_alike && communication.all_links_alike() && facts.plan.topology.local_cluster;
  const auto ranks = all_ranks(facts);
  const WorkGrowth middle = growth_of(facts, ranks, [](std::vector<double> values) { return median(values); });
  // Waiting for CPUs shows mostly as communication, so the scheduler's counters say what was short; where most of the
  // growth is in the ranks' own phases, these do.
  const bool own_most = own_alike && own_share >= communication.share;
  ResourceClass cause = classify(middle);
  if (short_of_cpus && !own_most && middle.usage) {
    Usage waited = *middle.usage;
    waited.run_wait_ns = communication.wait_ns;
    cause = classify_wait(waited, middle.others);
  }
  Suspect suspect;
  suspect.phase = own_alike ? kOwnPhases[middle.phase()] : "exposed_comm";
  suspect.resource = cause.resource;
  double share = (own_alike ? own_share : 0) + (stopped ? facts.replay.hidden_ns() / facts.loss_ns : 0);
  if (short_of_cpus || machine) share += std::max(communication.share, 0.0);
  suspect.share_explained = std::clamp(share, 0.0, 1.0);
  suspect.excess_ns = share * facts.loss_ns;
  suspect.why = fmt::format("all nodes alike: own work grew by {} a step in the middle; {}",
                            duration_text(middle.total_ns()), cause.why);
  return suspect;
}

/// Communication that takes longer: the network's, or that of CPUs that are short.
void append_communication(const Facts& facts, const Communication& communication, std::vector<Suspect>& suspects) {
  double left = communication.share;
  if (communication.shortage == CpuShortage::shown) {
    if (communication.short_nodes.empty()) return;  // all nodes': shared_suspect()
    suspects.push_back(starved_suspect(facts, communication));
    left -= suspects.back().share_explained;
  }
  if (left < kListedShare) return;
  Communication rest = communication;
  rest.share = left;
  if (communication.shortage == CpuShortage::possible) {
    suspects.push_back(untold_suspect(facts, rest));
    return;
  }
  for (Suspect& suspect : network_suspects(facts, rest))
    if (suspect.share_explained >= kListedShare) suspects.push_back(std::move(suspect));
}

std::vector<Suspect> suspects_of(const Facts& facts, const Communication& communication) {
  std::vector<Suspect> suspects;
  double slow_share = 0;
  if (const auto group = slow_group(facts)) {
    suspects.push_back(*group);
    slow_share = group->share_explained;
  } else {
    for (const NodeShare& node : slow_nodes(facts)) {
      suspects.push_back(own_work_suspect(facts, node));
      slow_share += suspects.back().share_explained;
    }
  }
  const bool slow_nodes_found = !suspects.empty();
  append_communication(facts, communication, suspects);
  // Ranks that wait by turns for CPUs which all nodes share do not differ: the CPUs are short.
  const bool short_of_cpus = communication.shortage == CpuShortage::shown && communication.short_nodes.empty();
  const auto turns = slow_nodes_found || short_of_cpus ? std::nullopt : slow_by_turns(facts);
  if (turns) suspects.push_back(*turns);
  const auto shared = turns ? std::nullopt : shared_suspect(facts, communication, slow_share);
  if (!shared) return suspects;
  if (communication.all_links_alike() && facts.plan.topology.local_cluster && shared->phase != "exposed_comm")
    std::erase_if(suspects, [](const Suspect& suspect) { return suspect.resource == "network"; });
  suspects.push_back(*shared);
  return suspects;
}

}  // namespace

std::optional<Culprit> find_culprit(const CulpritInput& input) {
  std::vector<BlockPair> pairs = pairs_of(input);
  if (pairs.empty() || input.work.ranks() == 0) return std::nullopt;
  const Facts facts(input, std::move(pairs));
  if (facts.loss_ns <= 0) return std::nullopt;
  const Communication communication = look_at_communication(facts);
  std::vector<Suspect> suspects = suspects_of(facts, communication);
  std::stable_sort(suspects.begin(), suspects.end(),
                   [](const Suspect& a, const Suspect& b) { return a.share_explained > b.share_explained; });
  if (suspects.size() > kListed) suspects.resize(kListed);
  std::vector<int> outstanding;
  for (const auto& one : facts.held_up.outstanding()) outstanding.push_back(static_cast<int>(one.node));
  return answer_of(input.plan, {std::move(suspects), std::move(outstanding), communication.all_links_alike()});
}

}  // namespace grit
