// Who makes the steps slow: from what the ranks did by themselves, never from what the plan says was done
// to them.
//
//   1. Own work. Of every rank the growth of its own work from the baseline to the fault block of each pair, less the
//      median of its peers' (all other ranks: they have the same role): the median over pairs is its excess. The same
//      between one baseline block and the next is noise; below (2 + sqrt(2 ln ranks)) standard errors of it, about
//      where the largest of so many ranks lies by chance, an excess is none. The error is that of a median, 1.253 s /
//      sqrt(pairs), with s from the median absolute value (P. J. Huber, Robust Statistics, 1981).
//   2. Replay (analysis/own_work.hpp): what a step would take with the suspect no slower than the others, with the
//      fault and without; the share of the loss that goes away with it.
//   3. A stop (SIGSTOP) while a rank waits in a collective looks like a slow network in step records: the stopped
//      time that the agent saw counts as its own work.
//   4. Communication that takes longer with normal own work is the network; which node's, only the link test
//      (analysis/links.hpp) can tell, or a check that failed under the fault on one node alone. But where ranks
//      waited for a CPU for a third of the loss, it is the CPUs that are short; unless others took no quarter of a
//      CPU more than at other times (ranks that wait for each other poll, and where cores are shared, wait for turns to
//      poll), or the link test saw that packets are lost on one node's links alone, or that one link alone is many
//      times slower.
//   5. Own work that grows on all nodes alike has no culprit: a shared resource. On a local cluster (one machine),
//      communication over links that all became slow with it is laid to that resource too.
// A suspect that explains at least half of the loss is named. What resource: analysis/resource_class.hpp.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "analysis/own_work.hpp"
#include "harness/base/json.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/verdict.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

/// The share of the loss that a suspect must explain to be named.
constexpr double kNamedShare = 0.5;

struct CulpritInput {
  const Plan& plan;
  const OwnWork& work;  // of its records
  const JsonLines& events;
  const std::optional<JsonLines>& links;  // what the link test measured
  std::span<const int> pairs;             // that count
  std::span<const CheckResult> checks;    // in those blocks
};

/// For a run in which a slowdown was shown. Empty: no pair can be used, or steps are not longer in the middle of the
/// pairs.
std::optional<Culprit> find_culprit(const CulpritInput& input);

/// Does it name who is expected? Empty: it cannot tell, or names a resource whose node cannot be told.
std::optional<bool> names_expected(const Plan& plan, const std::optional<Culprit>& culprit, bool slowdown_shown);

}  // namespace grit
