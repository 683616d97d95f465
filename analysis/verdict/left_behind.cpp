#include "analysis/verdict/left_behind.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "analysis/facts/wording.hpp"

namespace grit {
namespace {

/// What faults change of their nodes goes with these where they are namespaces, as on a local cluster that did not end
/// well, whether or not every agent lived to say so.
bool went_with_its_node(const Plan& plan, const RunEvidence& evidence, const FaultEvidence& fault) {
  const bool failed =
      std::any_of(fault.blocks.begin(), fault.blocks.end(), [](const auto& window) { return window.revert_failed; });
  return plan.topology.local_cluster && fault.reach == Reach::node && !evidence.finished && !failed;
}

/// After the cluster's end a process that outlives it takes off what is the machine's.
bool was_mended_later(const Plan& plan, const RunEvidence& evidence, const FaultEvidence& fault) {
  return plan.topology.local_cluster && fault.reach == Reach::machine && evidence.machine_mended;
}

/// How somebody mends the node. A local cluster's journals lie in the run directory, and its nodes are gone.
std::string how_to_revert(const Plan& plan, const std::string& node) {
  if (plan.topology.local_cluster)
    return "Run `grit revert --journal FILE` for each file in `journal` of the run directory";
  return fmt::format("Run `grit revert` on {} before it is used for anything else", node);
}

std::string residue_text(const Residue& residue) {
  constexpr std::size_t kNamed = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(kNamed, residue.differences.size()); ++i)
    text += (i == 0 ? "" : "; ") + residue.differences[i];
  if (residue.differences.size() > kNamed) text += fmt::format("; and {} more", residue.differences.size() - kNamed);
  return fmt::format("{}: {} is not as it was before the run: {}", kLeftBehind, residue.node, text);
}

}  // namespace

std::vector<std::string> left_behind(const Plan& plan, const RunEvidence& evidence, std::vector<FaultResult>& faults) {
  std::vector<std::string> reasons;
  for (std::size_t i = 0; i < faults.size(); ++i) {
    FaultResult& fault = faults[i];
    if (fault.unreverted == 0) continue;
    if (went_with_its_node(plan, evidence, evidence.faults[i])) {
      reasons.push_back(place_of(fault) +
                        ": still in force when the run was cut off; its node was a namespace, which went with the run");
      fault.unreverted = 0;
    } else if (was_mended_later(plan, evidence, evidence.faults[i])) {
      reasons.push_back(place_of(fault) +
                        ": still in force when the run was cut off; taken off when the cluster had ended");
      fault.unreverted = 0;
    } else {
      reasons.push_back(fmt::format("{}: {} may still be in force (after {} windows){}. {}", kNotReverted,
                                    place_of(fault), fault.unreverted, evidence.faults[i].last_error(),
                                    how_to_revert(plan, fault.node)));
    }
  }
  for (const Residue& residue : evidence.residue) reasons.push_back(residue_text(residue));
  return reasons;
}

std::string mend_sentence(const Plan& plan, const std::vector<FaultResult>& faults) {
  constexpr std::size_t kNamed = 3;
  std::vector<std::string> places;
  for (const FaultResult& fault : faults)
    if (fault.unreverted > 0) places.push_back(place_of(fault));
  if (places.empty()) return {};
  const std::size_t more = places.size() > kNamed ? places.size() - kNamed : 0;
  places.resize(places.size() - more);
  return fmt::format(
      "{}: {}{} may still be in force: run `grit revert{}. ", kNotReverted, fmt::join(places, ", "),
      more > 0 ? fmt::format(" and {} more faults", more) : "",
      plan.topology.local_cluster ? " --journal FILE` for each file in `journal` of the run directory" : "` there");
}

}  // namespace grit
