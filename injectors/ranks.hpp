// Which ranks of a node a fault's parameter `rank` means, and undo records that name ranks; for all faults that act on
// processes or in a rank's shared memory.
#pragma once

#include <string>
#include <vector>

#include "harness/os/thread_affinity.hpp"
#include "harness/record/segment.hpp"
#include "injectors/injector.hpp"

namespace grit {

/// The parameter itself: places on the node, "0" its first rank, or a list "0,2-3"; "all".
ParamSpec rank_param(std::string default_value = "all");

/// Whether two values of that parameter can mean one rank; true also of what is no list.
bool can_share_a_rank(const std::string& one, const std::string& other);

/// Those meant that live. Error (usage): there is no such rank on the node; (unavailable): what is meant has ended.
Result<std::vector<NodeRank>> chosen_ranks(const Target& target);

/// Neither ended nor a zombie, which waits for its parent only.
Result<bool> lives(const ProcessIdentity& process);
/// Nothing: it has ended.
Result<std::optional<ProcessAffinity>> living_affinity(const ProcessIdentity& process);

/// An undo record {"ranks": [identity ...]}.
struct RanksUndo {
  std::vector<ProcessIdentity> ranks{};
};
RanksUndo undo_of(const std::vector<NodeRank>& ranks);
Json to_json(const RanksUndo& undo);
Result<RanksUndo> ranks_undo_from_json(const Json& record, const std::string& fault);

Json to_json(const std::vector<ProcessIdentity>& processes);
Result<std::vector<ProcessIdentity>> processes_from_json(const Json& list);

/// Those of the node's ranks that are these processes, living or not.
std::vector<NodeRank> named_of(const NodeRanks& node, const std::vector<ProcessIdentity>& processes);
/// Those of these that live.
Result<std::vector<NodeRank>> living_of(const NodeRanks& node, const std::vector<ProcessIdentity>& processes);
/// The node's shared memory as a rank has it open, for an undo record that is all there is. Nothing: none of them
/// lives.
Result<std::optional<Segment>> segment_of(const std::vector<ProcessIdentity>& ranks);

}  // namespace grit
