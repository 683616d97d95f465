#include "injectors/ranks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "harness/base/shortened.hpp"
#include "harness/os/closed_object.hpp"
#include "harness/os/cpus.hpp"

namespace grit {

ParamSpec rank_param(std::string default_value) {
  return {.name = kRankParam,
          .unit = Unit::text,
          .default_value = std::move(default_value),
          .help =
              "which ranks of the node: \"0\" is its first, \"0,2-3\" several; \"all\"; or of the whole job, by "
              "coordinates: { tp = 1 }"};
}

bool can_share_a_rank(const std::string& one, const std::string& other) {
  const auto here = cpus_from_list(one), there = cpus_from_list(other);  // written like lists of CPUs
  if (!here || !there) return true;
  return std::any_of(here->begin(), here->end(),
                     [&](int place) { return std::find(there->begin(), there->end(), place) != there->end(); });
}

Result<std::vector<NodeRank>> chosen_ranks(const Target& target) {
  const std::string list = target.params.text(kRankParam), text = shortened(list);
  const std::vector<NodeRank>& all = target.ranks.all;
  std::vector<NodeRank> meant = all;
  if (list != "all") {
    const auto places = cpus_from_list(list);
    if (!places || places->empty())
      return usage_error(
          fmt::format("rank = \"{}\": it is \"all\", a number from 0, or a list such as \"0,2-3\"", text));
    if (static_cast<std::size_t>(places->back()) >= all.size())
      return usage_error(fmt::format("rank = \"{}\": this node has {} rank(s), counted from 0", text, all.size()));
    meant.clear();
    for (const int place : *places) meant.push_back(all[static_cast<std::size_t>(place)]);
  }
  std::vector<NodeRank> chosen;
  for (NodeRank& rank : meant) {
    GRIT_TRY(const bool alive, lives(rank.process));
    if (alive) chosen.push_back(std::move(rank));
  }
  if (meant.empty()) return usage_error("this node has no ranks");
  if (chosen.empty()) return unavailable_error(fmt::format("rank = \"{}\": what it means has ended", text));
  return chosen;
}

Result<bool> lives(const ProcessIdentity& process) {
  GRIT_TRY(const auto state, process_state(process));
  return state && state->state != 'Z' && state->state != 'X';
}

Result<std::optional<ProcessAffinity>> living_affinity(const ProcessIdentity& process) {
  auto now = read_affinity(process);
  if (now) return std::optional(std::move(*now));
  GRIT_TRY(const bool alive, lives(process));
  if (alive) return tl::make_unexpected(now.error());
  return std::optional<ProcessAffinity>();
}

RanksUndo undo_of(const std::vector<NodeRank>& ranks) {
  RanksUndo undo;
  for (const NodeRank& rank : ranks) undo.ranks.push_back(rank.process);
  return undo;
}

Json to_json(const RanksUndo& undo) { return Json{{"ranks", to_json(undo.ranks)}}; }

Result<RanksUndo> ranks_undo_from_json(const Json& record, const std::string& fault) {
  ClosedObject object(record, "undo record of " + fault);
  const Json& ranks = object.array("ranks", kMaxLocalRanks);
  GRIT_CHECK(object.done());
  RanksUndo undo;
  GRIT_TRY(undo.ranks, processes_from_json(ranks));
  return undo;
}

Json to_json(const std::vector<ProcessIdentity>& processes) {
  Json list = Json::array();
  for (const ProcessIdentity& process : processes) list.push_back(to_json(process));
  return list;
}

Result<std::vector<ProcessIdentity>> processes_from_json(const Json& list) {
  std::vector<ProcessIdentity> processes;
  for (const Json& one : list) {
    GRIT_TRY(ProcessIdentity process, process_identity_from_json(one));
    processes.push_back(std::move(process));
  }
  return processes;
}

std::vector<NodeRank> named_of(const NodeRanks& node, const std::vector<ProcessIdentity>& processes) {
  std::vector<NodeRank> named;
  for (const NodeRank& rank : node.all) {
    const auto is_it = [&](const ProcessIdentity& process) {
      return process.pid == rank.process.pid && process.start_ticks == rank.process.start_ticks;
    };
    if (std::any_of(processes.begin(), processes.end(), is_it)) named.push_back(rank);
  }
  return named;
}

Result<std::vector<NodeRank>> living_of(const NodeRanks& node, const std::vector<ProcessIdentity>& processes) {
  std::vector<NodeRank> living;
  for (const NodeRank& rank : named_of(node, processes)) {
    GRIT_TRY(const bool alive, lives(rank.process));
    if (alive) living.push_back(rank);
  }
  return living;
}

Result<std::optional<Segment>> segment_of(const std::vector<ProcessIdentity>& ranks) {
  for (const ProcessIdentity& rank : ranks) {
    GRIT_TRY(const bool alive, lives(rank));
    if (!alive) continue;
    auto segment = Segment::of_process(rank.pid);
    if (segment) return std::optional(std::move(*segment));
    GRIT_TRY(const bool still_alive, lives(rank));
    if (still_alive) return tl::make_unexpected(segment.error());
  }
  return std::optional<Segment>();
}

}  // namespace grit
