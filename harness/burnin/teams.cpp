#include "harness/burnin/teams.hpp"

#include <algorithm>

#include "harness/run/link_test.hpp"

namespace grit {
namespace {

void note_meeting(BurninMeetings& met, const std::string& a, const std::string& b) {
  met.emplace(a, b);
  met.emplace(b, a);
}

/// The first of `candidates` that `host` has not met, else one that it has; end: there is nobody else.
std::vector<std::string>::const_iterator find_partner(const std::string& host,
                                                      const std::vector<std::string>& candidates,
                                                      const BurninMeetings& met) {
  const auto unmet = std::ranges::find_if(candidates, [&](const std::string& other) {
    return other != host && !met.contains({host, other});
  });
  if (unmet != candidates.end()) return unmet;
  return std::ranges::find_if(candidates, [&](const std::string& other) { return other != host; });
}

/// Another node is the first in each turn: a job's first rank has work that the others do not have.
BurninTeam in_turn(BurninTeam team, std::size_t turn) {
  std::rotate(team.begin(), team.begin() + static_cast<std::ptrdiff_t>(turn % team.size()), team.end());
  return team;
}

std::vector<BurninTeam> in_turns(std::vector<BurninTeam> teams, std::size_t turn) {
  for (BurninTeam& team : teams) team = in_turn(std::move(team), turn);
  return teams;
}

}  // namespace

std::vector<std::string> shuffled_hosts(const std::vector<std::string>& hosts, SeededChoice& choice) {
  std::vector<std::string> shuffled;
  shuffled.reserve(hosts.size());
  for (const int index : choice.order(static_cast<int>(hosts.size())))
    shuffled.push_back(hosts[static_cast<std::size_t>(index)]);
  return shuffled;
}

BurninMeetings planned_meetings(const std::vector<std::string>& order, int visits) {
  BurninMeetings met;
  const int nodes = static_cast<int>(order.size());
  for (int visit = 0; nodes > 1 && visit < std::min(visits, tournament_rounds(nodes)); ++visit)
    for (int node = 0; node < nodes; ++node)
      if (const int partner = tournament_partner(node, visit, nodes); partner > node)
        note_meeting(met, order[static_cast<std::size_t>(node)], order[static_cast<std::size_t>(partner)]);
  return met;
}

std::vector<BurninTeam> draw_pairs(const std::vector<std::string>& order, const std::set<std::string>& present,
                                   int visit, BurninMeetings& met) {
  std::vector<BurninTeam> teams;
  std::vector<std::string> left;
  const int nodes = static_cast<int>(order.size());
  for (int node = 0; nodes > 1 && node < nodes; ++node) {
    const std::string& host = order[static_cast<std::size_t>(node)];
    if (!present.contains(host)) continue;
    const int partner = tournament_partner(node, visit % tournament_rounds(nodes), nodes);
    if (partner < 0 || !present.contains(order[static_cast<std::size_t>(partner)]))
      left.push_back(host);
    else if (node < partner)
      teams.push_back({host, order[static_cast<std::size_t>(partner)]});
  }
  std::vector<std::string> others;  // who is in a pair already
  for (const BurninTeam& team : teams) others.insert(others.end(), team.begin(), team.end());
  while (!left.empty()) {
    const std::string host = left.front();
    left.erase(left.begin());
    auto partner = find_partner(host, left, met);
    const bool is_fresh = partner != left.end() && !met.contains({host, *partner});
    const auto other = find_partner(host, others, met);
    const bool other_is_better = other != others.end() && !is_fresh && !met.contains({host, *other});
    if (partner == left.end() && other == others.end()) continue;
    const bool takes_other = partner == left.end() || other_is_better;
    teams.push_back({host, takes_other ? *other : *partner});
    note_meeting(met, teams.back()[0], teams.back()[1]);
    if (takes_other)
      others.erase(other);  // not the same one again for the next who is left
    else
      left.erase(partner);
  }
  return teams;
}

std::vector<BurninTeam> draw_groups(const std::vector<std::string>& shuffled, std::size_t size) {
  std::vector<BurninTeam> teams;
  if (shuffled.size() < 2) return teams;
  const std::size_t wanted = std::min(std::max<std::size_t>(size, 2), shuffled.size());
  for (std::size_t first = 0; first < shuffled.size(); first += wanted) {
    BurninTeam team(shuffled.begin() + static_cast<std::ptrdiff_t>(first),
                    shuffled.begin() + static_cast<std::ptrdiff_t>(std::min(first + wanted, shuffled.size())));
    for (std::size_t other = 0; team.size() < wanted; ++other) team.push_back(shuffled[other]);
    teams.push_back(std::move(team));
  }
  return teams;
}

std::vector<std::size_t> group_sizes(const std::vector<int>& sizes, std::size_t nodes) {
  std::vector<std::size_t> made;
  for (const int size : sizes.empty() ? std::vector<int>{0} : sizes) {
    const auto wanted = size <= 0 ? nodes : std::min(static_cast<std::size_t>(size), nodes);
    if (std::ranges::find(made, wanted) == made.end()) made.push_back(wanted);
  }
  return made;
}

void choose_leaders(std::vector<BurninTeam>& teams, std::map<std::string, int>& led) {
  std::set<std::string> leads;
  for (BurninTeam& team : teams) {
    const auto before = [&](const std::string& host) { return std::pair(leads.contains(host), led[host]); };
    std::iter_swap(team.begin(), std::ranges::min_element(team, {}, before));
    leads.insert(team.front());
    ++led[team.front()];
  }
}

std::vector<BurninTeam> confirming_teams(BurninShape shape, std::size_t size, const std::string& host,
                                         const std::string& peer, const std::vector<std::string>& good,
                                         std::size_t turn) {
  std::vector<std::string> company;
  for (std::size_t i = 0; i < good.size(); ++i) {
    const std::string& one = good[(i + 2 * turn) % good.size()];
    if (one != host && one != peer) company.push_back(one);
  }
  if (company.size() > 1 && company.size() % 2 == 0 && turn % company.size() >= company.size() / 2)
    std::rotate(company.begin(), company.begin() + 1, company.end());  // an even number has the same couples else
  if (shape == BurninShape::node) {
    if (company.empty()) return {{host}};
    if (company.size() == 1) return {{company[0]}, {host}};
    return {{company[0]}, {host}, {company[1]}};
  }
  if (company.empty()) return {};
  if (shape == BurninShape::pair) {
    if (!peer.empty()) return in_turns({{host, company[0]}, {host, peer}, {peer, company[0]}}, turn);
    if (company.size() == 1) return in_turns({{host, company[0]}}, turn);
    return in_turns({{host, company[0]}, {company[0], company[1]}, {host, company[1]}}, turn);
  }
  const std::size_t companions = std::min(std::max<std::size_t>(size, 2) - 1, company.size());
  BurninTeam with{host}, without;
  for (std::size_t i = 0; i < companions; ++i) with.push_back(company[i]);
  if (companions < company.size()) {
    without = with;
    without.front() = company[companions];
  }
  with = in_turn(std::move(with), turn);
  if (without.empty()) return {with};
  without = in_turn(std::move(without), turn + 1);  // led by another one than `with`
  return turn % 2 == 0 ? std::vector{without, with} : std::vector{with, without};
}

}  // namespace grit
