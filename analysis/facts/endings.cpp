#include "analysis/facts/endings.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "analysis/facts/node_names.hpp"
#include "harness/base/json_fields.hpp"

namespace grit {
namespace {

std::string joined(std::vector<std::string> ranks) {
  constexpr std::size_t kNamed = 4;
  const std::size_t more = ranks.size() > kNamed ? ranks.size() - kNamed : 0;
  ranks.resize(ranks.size() - more);
  return fmt::format("{}{}", fmt::join(ranks, "; "), more > 0 ? fmt::format("; and {} more ranks", more) : "");
}

}  // namespace

void Endings::take(const Json& event) {
  causes_.take(event);
  const std::string type = text_at(event, "type");
  if (type == "hang") take_hang(event);
  if (type == "kernel") last_kernel_line_[integer_at(event, "node")] = text_at(event, "text");
}

std::optional<Ending> Endings::decide(const NodeClocks& clocks) const {
  const auto first = causes_.decide(clocks);
  if (!first) return std::nullopt;
  return Ending{outcome_of(first->cause.kind), text_of(*first)};
}

std::string Endings::text_of(const FirstCause::Found& first) const {
  using Kind = EndCause::Kind;
  const std::string node = name_of_node(plan_, first.cause.node);
  switch (first.cause.kind) {
    case Kind::rank_death:
      return death_text(first);
    case Kind::node_loss:
      return loss_text(first);
    case Kind::hang:
      return hang_text();
    case Kind::corruption:
      return fmt::format("rank {} on {} got reduced values that were wrong", first.cause.rank, node);
    case Kind::failed:
      return failure_text(first);
    case Kind::not_recorded:
      return "not everything could be recorded: " + text_at(first.event, "message");
    case Kind::recorder_loss:
      return fmt::format("the recorder was lost: the agent of {} heard nothing of it for {:.1f} s", node,
                         static_cast<double>(integer_at(first.event, "silent_ns", 0)) / 1e9);
    case Kind::stood_still:
      return fmt::format("{} stood still for {:.1f} s: its job was suspended, or the node itself", node,
                         static_cast<double>(integer_at(first.event, "stood_ns", 0)) / 1e9);
    case Kind::told_to_end:
      if (first.cause.rank < 0) return fmt::format("the agent of {} was told to end", node);
      [[fallthrough]];
    case Kind::interrupted:
      return "the run was interrupted before its last block";
  }
  return {};
}

std::string Endings::death_text(const FirstCause::Found& first) const {
  std::string text = fmt::format("rank {} on {} died", first.cause.rank, name_of_node(plan_, first.cause.node));
  if (const std::string how = text_at(first.event, "how"); !how.empty()) text += fmt::format(" ({})", how);
  if (first.rival)
    text += fmt::format(", and rank {} on {} so soon before or after that it cannot be told which was first",
                        first.rival->rank, name_of_node(plan_, first.rival->node));
  return text;
}

std::string Endings::failure_text(const FirstCause::Found& first) const {
  const std::string node = name_of_node(plan_, first.cause.node), message = text_at(first.event, "message");
  const std::string because = message.empty() ? std::string() : ": " + message;
  if (first.cause.rank >= 0) return fmt::format("rank {} on {} gave up{}", first.cause.rank, node, because);
  if (text_at(first.event, "type") != "fault") return "the run failed" + because;
  const std::int64_t id = integer_at(first.event, "fault");
  const auto fault =
      std::find_if(plan_.faults.begin(), plan_.faults.end(), [&](const PlannedFault& f) { return f.id == id; });
  return fmt::format("{} on {} could not be taken off{}", fault == plan_.faults.end() ? "a fault" : fault->name, node,
                     because);
}

std::string Endings::loss_text(const FirstCause::Found& first) const {
  const Json& event = first.event;
  const std::int64_t node = integer_at(event, "lost_node");
  const double silent_s = static_cast<double>(integer_at(event, "t_ns") - integer_at(event, "last_heard_ns")) / 1e9;
  std::string text;
  if (first.death)
    text = fmt::format("rank {} on {} died, and {}", first.death->rank, name_of_node(plan_, node),
                       first.death_before_ns
                           ? fmt::format("{:.2f} s later ", static_cast<double>(*first.death_before_ns) / 1e9)
                           : "before or after that, which cannot be told, ");
  text += fmt::format("{} was lost: its agent fell silent", name_of_node(plan_, node));
  if (integer_at(event, "last_heard_ns", 0) > 0) text += fmt::format(", last heard of {:.1f} s before", silent_s);
  const auto line = last_kernel_line_.find(node);
  if (line != last_kernel_line_.end()) text += fmt::format("; the last line of its kernel's log: \"{}\"", line->second);
  return text;
}

void Endings::take_hang(const Json& event) {
  const auto ranks = event.find("ranks");
  if (ranks == event.end() || !ranks->is_array()) return;
  hang_ns_ = std::max(hang_ns_, integer_at(event, "waited_ns", 0));
  const std::string node = name_of_node(plan_, integer_at(event, "node"));
  for (const Json& rank : *ranks)
    if (rank.is_object())
      hung_ranks_[integer_at(rank, "rank")] = {node, integer_at(rank, "step"), text_at(rank, "phase"),
                                               truth_at(rank, "stopped")};
}

/// The ranks that are not in the collective in which the others wait; when all wait in it, nobody is missing. Ranks
/// of which no agent said anything are counted, too: they are not known to wait.
std::string Endings::hang_text() const {
  std::vector<std::string> missing;
  std::size_t waiting = 0;
  for (const auto& [rank, at] : hung_ranks_) {
    if (at.waits())
      ++waiting;
    else
      missing.push_back(fmt::format("rank {} on {} {} {}, step {}", rank, at.node,
                                    at.stopped ? "is stopped in" : "stands in", at.phase, at.step));
  }
  std::vector<std::string> unheard;
  for (const Node& node : plan_.topology.nodes)
    for (const int rank : node.ranks)
      if (!hung_ranks_.contains(rank)) unheard.push_back(fmt::format("rank {} on {}", rank, node.name));
  std::string text = fmt::format("no step ended within {:.1f} s: ", static_cast<double>(hang_ns_) / 1e9);
  if (missing.empty() && unheard.empty())
    return text + fmt::format("all {} ranks wait in a collective that everybody has entered", waiting);
  if (missing.empty())
    text += fmt::format("{} ranks wait in a collective", waiting);
  else
    text += fmt::format("{}; {} others wait in its collective", joined(std::move(missing)), waiting);
  if (!unheard.empty()) text += "; nothing was heard of " + joined(std::move(unheard));
  return text;
}

}  // namespace grit
