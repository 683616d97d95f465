// What all steps of the search for the culprit go by, made once from the records, the kernel's counters and the plan's
// topology; and how names and numbers of them are put into words.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "analysis/blame/culprit.hpp"
#include "analysis/blame/held_up.hpp"
#include "analysis/blame/replay.hpp"
#include "analysis/blame/resource_class.hpp"
#include "analysis/facts/usage_growth.hpp"
#include "analysis/records/own_work.hpp"

namespace grit {

/// Below this share of the loss a suspect is not worth a line.
constexpr double kListedShare = 0.05;
/// How often something is taken for shown that is not there.
constexpr double kByChance = 0.05;
/// Of a figure that stands out: others that stay below this share of it have not what it has.
constexpr double kStill = 0.2;

/// Of the pairs that count, those of which there are records of both blocks, and spans where they are needed
/// (OwnWork::can_replay()).
std::vector<BlockPair> pairs_with_records(const CulpritInput& input);

/// By how much a block's figure is larger in the fault block of a pair than in its baseline block: the middle over the
/// pairs.
double growth(std::span<const BlockPair> pairs, const std::function<double(int block)>& figure);

/// Nothing of it changes once it is made. Durations are of a step.
struct BlameFacts {
  /// `of_nodes`: the own work that is theirs, all of it or without what is some machine's (machine_storage.hpp).
  BlameFacts(const CulpritInput& from, std::vector<BlockPair> counted, const OwnWork& of_nodes);
  BlameFacts(const BlameFacts&) = delete;  // its parts refer to each other
  BlameFacts& operator=(const BlameFacts&) = delete;

  [[nodiscard]] std::string node_name(std::size_t node) const;
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

/// By how much the phases and counters of a rank grew; what others took of its machine is not in it.
WorkGrowth growth_of(const BlameFacts& facts, std::size_t rank);
/// Of several ranks, figure by figure; `of_all` makes one of theirs. Usage only where it is known of each.
WorkGrowth growth_of(const BlameFacts& facts, std::span<const std::size_t> ranks,
                     const std::function<double(std::vector<double>)>& of_all);

/// Of these ranks together in each pair (`ranks`: by pair), and then the middle over the pairs: of what goes by turns
/// no rank has its part in most pairs. What others took of their machines is not in it.
WorkGrowth growth_by_pair(const BlameFacts& facts, const std::vector<std::vector<std::size_t>>& ranks);

std::vector<std::size_t> all_ranks(const BlameFacts& facts);

/// "node0, node3, node5, node6, node7 and 9 more nodes".
std::string names_text(const BlameFacts& facts, std::span<const std::size_t> nodes);
/// Writes these nodes, in ascending order, into Suspect::nodes.
void add_nodes(Suspect& suspect, std::span<const std::size_t> nodes);
/// "45 %"
std::string share_text(double share);
/// "−20 µs", "3 ms".
std::string duration_text(double ns);

}  // namespace grit
