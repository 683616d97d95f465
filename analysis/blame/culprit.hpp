// Who makes the steps slow: from what the ranks did by themselves, never from what the plan says was done
// to them.
//
//   1. Own work (analysis/blame/held_up.hpp). Of every rank the growth of its own work from the baseline to the fault
//      block of each pair, less that of its peers (analysis/blame/peers.hpp: all other ranks; on a mesh those of its
//      role): the median over pairs is its excess. The same between one baseline block and the next is noise, and an
//      excess within it is none.
//   2. Replay (analysis/blame/replay.hpp): what a step would take with the suspects no slower than the others, with the
//      fault and without; the share of the loss that goes away with it. Up to three nodes that stand out are put right
//      together, and each has its share; of more, the group has one. At most half of the nodes: the others say what is
//      normal. On a mesh where ranks do not all meet in one group it is the spans that say who waits for whom
//      (analysis/records/graph_gains.hpp); what an uneven router of tokens costs is its own
//      (analysis/blame/router.hpp), and no node's.
//   3. Turns. Where no node is slow in all blocks, the last ones of each step (up to three, of at most half of the
//      nodes) are put right: nodes that are slow one after another, as with garbage collections. A node is only named
//      by 2 where turns do not explain it as well.
//   4. A stop (SIGSTOP) while a rank waits in a collective looks like a slow network in step records: the stopped
//      time that the agent saw counts as its own work.
//   5. Communication that takes longer with normal own work is the network; which nodes', only the link test
//      (analysis/blame/links.hpp) can tell, a check of links that failed under the fault on one node alone, or on a
//      mesh that all operations with one node became slower and none without it (analysis/blame/span_links.hpp). But it
//      is the CPUs that are short where others took a quarter of a CPU more than at other times, and the middle rank,
//      or all ranks together (work in bursts holds up one after the other), waited for a CPU for a third of the loss;
//      or all ranks of one machine, for longer than those of other machines (analysis/blame/cpu_shortage.hpp). Where
//      that is neither shown nor excluded, or all CPUs were busy before, so that nobody can be seen to take more, it
//      cannot be told, unless the link test found a slow link. It is the network whatever ranks waited for if the link
//      test saw that packets are lost on one node's links alone, or that of several links some alone are many times
//      slower. What ranks wait longer because they poll for longer, at the baseline's rate, is not counted.
//   6. Own work that grows on all nodes alike has no culprit: a shared resource. On a local cluster (one machine),
//      communication over links that all became slow with it is laid to that resource too.
//   7. What nodes that share a machine wait for its storage for, in input and checkpoint, is no single one's own and no
//      turn's, however unevenly it lies (analysis/blame/machine_storage.hpp): it is the machine's, a shared resource
//      where these are all nodes. It is taken off before 1 to 6 look at what is left, and its share is what a replay
//      without it is shorter by. Beside it a node that explains a fifth is named.
// A suspect that explains at least half of the loss is named, with others that explain a fifth each; or several of
// these that explain half together. What resource: analysis/blame/resource_class.hpp.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "analysis/records/own_work.hpp"
#include "harness/base/json.hpp"
#include "harness/model/collective_record.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"
#include "harness/model/verdict.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

/// The share of the loss that a suspect must explain to be named.
constexpr double kNamedShare = 0.5;

struct CulpritInput {
  const Plan& plan;
  const OwnWork& work;
  // Of what that was made, for one more pass where storage is to be taken off: step records, clock.json or null, and
  // spans.
  std::span<const StepRecord> records;
  const Json& clock;
  std::span<const CollectiveRecord> spans;
  const JsonLines& events;
  const std::optional<JsonLines>& links;  // what the link test measured
  std::span<const int> pairs;             // that count
  std::span<const CheckResult> checks;    // in those blocks
};

/// For a run in which a slowdown was shown. Of fewer than five pairs that can be used nobody is named (one in 2^4 is
/// more than 5 %). Empty: no pair can be used, or steps are not longer in the middle of the pairs.
std::optional<Culprit> find_culprit(const CulpritInput& input);

}  // namespace grit
