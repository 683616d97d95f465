#include "analysis/blame/culprit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/blame/blame_facts.hpp"
#include "analysis/blame/communication.hpp"
#include "analysis/blame/culprit_answer.hpp"
#include "analysis/blame/machine_storage.hpp"
#include "analysis/blame/router.hpp"
#include "analysis/blame/shared.hpp"
#include "analysis/blame/slow_nodes.hpp"
#include "analysis/blame/turns.hpp"

namespace grit {
namespace {

constexpr std::size_t kListed = 5;

/// By chance a figure is larger in the fault blocks of all n pairs in one run of 2^n.
bool can_show_something(std::size_t pairs) { return std::exp2(-static_cast<double>(pairs)) <= kByChance; }

Culprit too_few_pairs(const OwnWork& work, std::size_t with_records, std::size_t counted) {
  const auto& graphs = work.graphs();
  return {.text = fmt::format("cannot be told: in only {} of the {} pairs that count both blocks have steps with a "
                              "record of every rank{}, and so few show nothing",
                              with_records, counted,
                              graphs ? fmt::format(" and all spans (of {} steps that were looked at {} lack some)",
                                                   graphs->chosen(), graphs->left_out())
                                     : "")};
}

/// Ranks that do not all meet in one group wait for each other in ways that step records do not show.
Culprit no_spans(const Mesh& mesh) {
  return {.text = fmt::format("cannot be told: there are no spans (collectives.npy), and with {} step records alone do "
                              "not say who waits for whom",
                              to_string(mesh))};
}

/// On a local cluster the links' traffic is carried by the same CPUs as the ranks: where all links became slow together
/// with what all nodes share, the machine is to blame for both, and not the network. (Where CPUs are short everywhere
/// communication is laid to that already.)
void lay_links_to_machine(const BlameFacts& facts, const Communication& communication, std::vector<Suspect>& suspects) {
  if (!communication.all_links_alike() || !facts.plan.topology.local_cluster || communication.cpus_short_everywhere())
    return;
  Suspect* machine = nullptr;
  for (Suspect& suspect : suspects) {
    const bool of_all = suspect.node_name.empty() && suspect.phase != "exposed_comm";
    if (of_all && (machine == nullptr || suspect.share_explained > machine->share_explained)) machine = &suspect;
  }
  if (machine == nullptr) return;
  const double share = std::max(communication.share, 0.0);
  machine->share_explained = std::min(machine->share_explained + share, 1.0);
  machine->excess_ns += share * facts.loss_ns;
  std::erase_if(suspects, [](const Suspect& suspect) { return suspect.resource == "network"; });
}

/// `storage`: what is laid to the storage of machines already, and is not in the facts' own work.
std::vector<Suspect> suspects_of(const BlameFacts& facts, const Communication& communication,
                                 const std::optional<Suspect>& storage) {
  std::vector<Suspect> suspects = slow_node_suspects(facts);
  double slow_share = 0;
  for (const Suspect& suspect : suspects) slow_share += suspect.share_explained;
  const bool slow_nodes_found = !suspects.empty();
  if (storage) suspects.push_back(*storage);
  if (auto router = router_suspect(facts)) suspects.push_back(std::move(*router));
  for (Suspect& suspect : communication_suspects(facts, communication)) suspects.push_back(std::move(suspect));
  // Ranks that wait by turns for CPUs which all nodes share do not differ: the CPUs are short.
  const bool may_be_turns = !slow_nodes_found && !communication.cpus_short_everywhere();
  if (const auto turns = may_be_turns ? turns_suspect(facts) : std::nullopt)
    suspects.push_back(*turns);
  else if (const auto shared = shared_suspect(facts, communication, slow_share))
    suspects.push_back(*shared);
  lay_links_to_machine(facts, communication, suspects);
  return suspects;
}

Culprit name_culprit(const BlameFacts& facts, const std::optional<Suspect>& storage) {
  const Communication communication = look_at_communication(facts);
  std::vector<Suspect> suspects = suspects_of(facts, communication, storage);
  std::stable_sort(suspects.begin(), suspects.end(),
                   [](const Suspect& a, const Suspect& b) { return a.share_explained > b.share_explained; });
  if (suspects.size() > kListed) suspects.resize(kListed);
  std::vector<int> outstanding;
  for (const auto& one : facts.held_up.outstanding()) outstanding.push_back(static_cast<int>(one.node));
  return answer_of(facts.plan, {std::move(suspects), std::move(outstanding), communication.all_links_alike()});
}

}  // namespace

std::optional<Culprit> find_culprit(const CulpritInput& input) {
  if (input.work.ranks() == 0) return std::nullopt;
  if (!input.work.is_one_group() && !input.work.graphs()) return no_spans(input.work.mesh());
  std::vector<BlockPair> pairs = pairs_with_records(input);
  if (pairs.empty() && input.work.is_one_group()) return std::nullopt;
  if (!can_show_something(pairs.size())) return too_few_pairs(input.work, pairs.size(), input.pairs.size());
  const BlameFacts facts(input, std::move(pairs), input.work);
  if (facts.loss_ns <= 0) return std::nullopt;
  const auto waits = storage_waits(facts);
  if (!waits) return name_culprit(facts, std::nullopt);
  const OwnWork of_nodes =
      input.work.without_storage(input.plan, input.records, input.spans, input.clock, waits->waiting);
  const BlameFacts rest(input, facts.pairs, of_nodes);
  return name_culprit(rest, storage_suspect(rest, *waits));
}

}  // namespace grit
