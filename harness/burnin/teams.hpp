// Who is in the cells of a visit: every node once, each time in other company.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "harness/model/burnin.hpp"
#include "harness/scenario/seeded_choice.hpp"

namespace grit {

using BurninTeam = std::vector<std::string>;  // the hosts of a cell

/// In an order drawn anew.
std::vector<std::string> shuffled_hosts(const std::vector<std::string>& hosts, SeededChoice& choice);

/// Pairs that have met in this round or will by what is planned, each way round.
using BurninMeetings = std::set<std::pair<std::string, std::string>>;

/// Those of visits 0 .. visits - 1 of a tournament over `order`.
BurninMeetings planned_meetings(const std::vector<std::string>& order, int visits);

/// Pairs of visit `visit` (from 0) by tournament_partner() (harness/run/link_test.hpp) over `order`, which stays the
/// same all the round. Only those `present` are paired; who has no partner by that (their number is odd, or the partner
/// is gone) meets another one that it has not met yet, who then is in two pairs. Meetings are noted.
std::vector<BurninTeam> draw_pairs(const std::vector<std::string>& order, const std::set<std::string>& present,
                                   int visit, BurninMeetings& met);

/// Groups of `size` nodes, of all when there are fewer. Who is left over is filled up with nodes of other groups: the
/// figures of a group depend on its size.
std::vector<BurninTeam> draw_groups(const std::vector<std::string>& shuffled, std::size_t size);

/// Sizes of group cells as they come about among so many nodes, each once. 0 and what is more than there are: all.
std::vector<std::size_t> group_sizes(const std::vector<int>& sizes, std::size_t nodes);

/// Puts another node first in each team, one that was it least often so far (`led`, counted up here): a job's first
/// rank has work that the others do not have, which must not be one node's in each visit. No node leads two teams.
void choose_leaders(std::vector<BurninTeam>& teams, std::map<std::string, int>& led);

/// The cells of one confirming visit, in their order. `good`: nodes that are clear in what is confirmed; `turn` takes
/// others of them each time, and another node as the first of each cell.
///   node    good, suspect, good
///   pair    suspect with two good ones, and between these cells the two with each other; of a link (`peer`): it,
///           between cells in which each of its ends meets a good one
///   group   the suspect among size - 1 good ones, and one more good one in its place
/// Fewer where there are not so many. None: the suspect cannot be told from its company, for nobody is good.
std::vector<BurninTeam> confirming_teams(BurninShape shape, std::size_t size, const std::string& host,
                                         const std::string& peer, const std::vector<std::string>& good,
                                         std::size_t turn);

}  // namespace grit
