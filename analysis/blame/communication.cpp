#include "analysis/blame/communication.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "analysis/blame/span_links.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

std::string link_name(const BlameFacts& facts, std::size_t a, std::size_t b) {
  return fmt::format("link {}–{}", facts.node_name(a), facts.node_name(b));
}

/// A check of links that failed under the fault, never without it, and on one node alone. What checks say of other
/// things than links (disks, clocks) is no reason to lay slow communication to their node.
void place_by_checks(const BlameFacts& facts, Suspect& suspect) {
  std::set<std::string> failed;
  std::string name;
  for (const CheckResult& check : facts.input.checks)
    if (check.of_links && check.fault_failures > 0 && check.baseline_failures == 0)
      failed.insert(check.node), name = check.name;
  if (failed.size() != 1) return;
  for (std::size_t node = 0; node < facts.work.nodes(); ++node)
    if (facts.node_name(node) == *failed.begin()) suspect.node = static_cast<int>(node), suspect.nodes = {suspect.node};
  suspect.node_name = *failed.begin();
  suspect.why += fmt::format("; the check {} failed under the fault on {} alone", name, *failed.begin());
}

void place_by_spans(const BlameFacts& facts, Suspect& suspect) {
  const auto slow = node_of_slow_spans(facts);
  if (!slow) return;
  suspect.node = static_cast<int>(slow->node);
  suspect.nodes = {suspect.node};
  suspect.node_name = facts.node_name(slow->node);
  suspect.why += "; " + slow->why;
}

void place_on_link(const BlameFacts& facts, Suspect& suspect, int a, int b) {
  suspect.node_name = link_name(facts, static_cast<std::size_t>(a), static_cast<std::size_t>(b));
  suspect.nodes = {a, b};
}

/// "; nothing to compare on link node0–node2 and 3 more, over which no transfer came through under the fault".
std::string silent_text(const BlameFacts& facts, const std::vector<SilentLink>& silent) {
  constexpr std::size_t kNames = 3;
  std::vector<std::string> names;
  bool transfers_only = true;
  for (const SilentLink& link : silent) {
    transfers_only = transfers_only && link.transfers_only;
    if (names.size() < kNames && static_cast<std::size_t>(link.b) < facts.work.nodes())
      names.push_back(link_name(facts, static_cast<std::size_t>(link.a), static_cast<std::size_t>(link.b)));
  }
  const std::string more =
      silent.size() > names.size() ? fmt::format(" and {} more", silent.size() - names.size()) : std::string();
  return fmt::format("; nothing to compare on {}{}, over which no {} came through under the fault",
                     fmt::join(names, ", "), more, transfers_only ? "transfer" : "message");
}

/// One for each node of which the link test says that its links are slow, with its part of the share.
std::vector<Suspect> by_node(const BlameFacts& facts, const Suspect& whole, const LinkFinding& found) {
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
std::vector<Suspect> network_suspects(const BlameFacts& facts, const Communication& communication) {
  const auto& found = communication.links;
  const auto exists = [&](int node) { return node >= 0 && static_cast<std::size_t>(node) < facts.work.nodes(); };
  Suspect suspect;
  suspect.phase = "exposed_comm";
  suspect.resource = "network";
  suspect.excess_ns = communication.share * facts.loss_ns;
  suspect.share_explained = std::clamp(communication.share, 0.0, 1.0);
  suspect.why = fmt::format("communication that no work hides grew by {} a step", duration_text(suspect.excess_ns));
  if (found && found->named()) suspect.why += "; link test: " + found->text;
  if (!communication.silent.empty() && !(found && found->silent))
    suspect.why += silent_text(facts, communication.silent);
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
    if (suspect.nodes.empty() && suspect.node_name.empty() && !(found && found->nothing))
      place_by_spans(facts, suspect);
  }
  // Two nodes have one link, and all that is slow between them is slow on it.
  const bool nowhere = suspect.nodes.empty() && suspect.node_name.empty();
  if (nowhere && facts.work.nodes() == 2 && !(found && found->nothing)) place_on_link(facts, suspect, 0, 1);
  return {suspect};
}

/// Ranks waited longer for CPUs, but not so that it is shown to be the reason: their waits are as long as that by
/// chance, too, or all CPUs were busy before, so that nobody is seen to take more of them. And no link test says that a
/// link is slow.
Suspect untold_suspect(const BlameFacts& facts, const Communication& communication) {
  const auto& machines = communication.cpus.machines;
  const std::size_t node = machines.empty() ? 0 : machines.front().nodes.front();
  const double wait_ns = machines.empty() ? communication.cpus.wait_ns : machines.front().wait_ns;
  Suspect suspect;
  suspect.phase = "exposed_comm";
  suspect.resource = "unknown";
  suspect.excess_ns = communication.share * facts.loss_ns;
  suspect.share_explained = std::clamp(communication.share, 0.0, 1.0);
  suspect.why = fmt::format(
      "communication that no work hides grew by {} a step, and ranks{} together waited {} longer for CPUs{}. {} tells "
      "these apart",
      duration_text(suspect.excess_ns), machines.empty() ? "" : " of " + names_text(facts, machines.front().nodes),
      format_duration(wait_ns),
      facts.usage.was_full(node) ? ", all of which were busy in the baseline blocks already, so that nobody can be "
                                   "seen to take more of them"
                                 : " at most, which is not shown to be by chance, and not to be the reason",
      facts.input.links ? "A machine with CPUs to spare" : "A link test (link_test = true), or CPUs to spare,");
  return suspect;
}

/// A machine that is short of CPUs which others took: what its ranks waited for, of what communication grew by.
Suspect starved_suspect(const BlameFacts& facts, const ShortMachine& machine, double share) {
  Usage waited;
  waited.run_wait_ns = machine.wait_ns;
  const ResourceClass cause = classify_wait(waited, facts.usage.others(machine.nodes.front()));
  Suspect suspect;
  if (machine.nodes.size() == 1) suspect.node = static_cast<int>(machine.nodes.front());
  suspect.node_name = names_text(facts, machine.nodes);
  suspect.phase = "exposed_comm";
  suspect.resource = cause.resource;
  suspect.share_explained = std::clamp(std::min(machine.wait_ns / facts.loss_ns, share), 0.0, 1.0);
  suspect.excess_ns = suspect.share_explained * facts.loss_ns;
  suspect.why = fmt::format("all ranks of its machine together: {}", cause.why);
  add_nodes(suspect, machine.nodes);
  return suspect;
}

}  // namespace

Communication look_at_communication(const BlameFacts& facts) {
  Communication found;
  const double grown_ns = growth(facts.pairs, [&](int block) { return facts.work.block(block).communication_ns(); });
  found.share = (grown_ns - facts.replay.hidden_ns()) / facts.loss_ns;
  if (facts.input.links) {
    LinkFigures figures = link_figures(*facts.input.links);
    found.links = judge_links(figures);
    found.silent = std::move(figures.silent);
  }
  found.cpus = find_shortage(facts, found.links);
  return found;
}
std::vector<Suspect> communication_suspects(const BlameFacts& facts, const Communication& communication) {
  if (communication.cpus_short_everywhere()) return {};
  std::vector<Suspect> suspects;
  double left = communication.share;
  if (communication.cpus.shortage == CpuShortage::shown)
    for (const ShortMachine& machine : communication.cpus.machines) {
      suspects.push_back(starved_suspect(facts, machine, left));
      left -= suspects.back().share_explained;
    }
  if (left < kListedShare) return suspects;
  Communication rest = communication;
  rest.share = left;
  if (communication.cpus.shortage == CpuShortage::possible) {
    suspects.push_back(untold_suspect(facts, rest));
    return suspects;
  }
  for (Suspect& suspect : network_suspects(facts, rest))
    if (suspect.share_explained >= kListedShare) suspects.push_back(std::move(suspect));
  return suspects;
}

}  // namespace grit
