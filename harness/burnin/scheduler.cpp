#include "harness/burnin/scheduler.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <set>
#include <string_view>
#include <utility>

#include "harness/burnin/book.hpp"
#include "harness/burnin/teams.hpp"

namespace grit {
namespace {

/// What a node that was lost among others is asked when it is alone: it needs nobody for that.
const std::vector<std::string> kAloneKinds{"facts"};
constexpr int kAloneTries = 2;
/// Of an own node that came through in no cell with others while these did: no more of them are lost to it.
constexpr int kCompanyTries = 2;
/// What a run says of a fault that it could not have (harness/run/run_figures.cpp): perhaps no node can have it. A
/// fault that was kept, or something left behind, is the node's own.
constexpr std::string_view kNotApplied = "was not applied";

std::string without_name(std::string text, const std::string& name) {
  if (name.empty()) return text;
  for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at)) text.erase(at, name.size());
  return text;
}

/// Which of the round's kinds say something about a measure.
std::vector<std::string> kinds_of(const BurninFinding& finding, const std::vector<std::string>& kinds) {
  const auto says = [&](const std::string& kind) {
    const std::string& measure = finding.measure;
    if (measure.starts_with(kBurninFactPrefix)) return kind == "facts";
    if (measure.starts_with(kBurninCheckPrefix)) return kind == "checks";
    if (measure == "slowest_core") return kind == "compute";
    if (measure == "wrong_results") return kind == "compute" || kind == "collective" || kind == "training";
    return measure == kind || measure.starts_with(kind + "_");
  };
  std::vector<std::string> wanted;
  std::ranges::copy_if(kinds, std::back_inserter(wanted), says);
  return wanted.empty() ? kinds : wanted;
}

}  // namespace

struct BurninScheduler::Private {
  /// What is measured again because of one suspicion, or of several of the same node or link.
  struct Suspect {
    std::string host{}, peer{};
    std::vector<std::string> kinds{};
    std::vector<std::string> keys{};
    std::set<std::string> measures{};
    int visits = 0;  // in this look
    int before = 0;  // in those before it
  };
  enum class Step : std::uint8_t { visits, made_up, judged };

  Private(BurninSetup setup, BurninJudge judge)
      : book(std::move(setup), std::move(judge)), rounds(book.setup().config.rounds), choice(book.setup().seed) {
    begin_round();
    advance();
  }

  [[nodiscard]] const BurninRound& round() const { return rounds[round_index]; }
  [[nodiscard]] bool is_over() const { return finished || given_up; }
  [[nodiscard]] bool works_together() const { return round().shape != BurninShape::node; }
  [[nodiscard]] std::size_t cells_at_a_time() const {
    const bool one = round().alone && book.setup().shares_cores;
    return one ? 1 : static_cast<std::size_t>(std::max(book.setup().parallel, 1));
  }

  // --- rounds and visits
  void begin_round();
  void end_round();
  void turn();
  void advance();
  void draw_visit();
  void make_up();
  void note_silent_nodes();
  void decide_on_failed();
  void look();
  void confirm(const std::vector<BurninFinding>& findings);
  [[nodiscard]] std::vector<Suspect> suspects_of(const std::vector<BurninFinding>& findings) const;
  [[nodiscard]] std::vector<std::string> good_company(const Suspect& suspect, const std::vector<std::string>& able,
                                                      const std::vector<std::string>& clear);
  [[nodiscard]] std::size_t size_of_visit() const;
  [[nodiscard]] std::vector<std::string> taking_part() const;
  void add_cell(const BurninTeam& team, const std::string& label, int visit, const std::vector<std::string>& kinds,
                const std::string& suspect);

  // --- cells
  void start_cells();
  void take_lost(const BurninCell& cell, const std::string& host, const std::string& error);
  void take_failed(const BurninCell& cell, const std::string& host, const std::string& error);
  void drop_cells_of(const std::string& host);
  void count_company(const BurninCell& cell, const std::vector<std::string>& lost);

  BurninBook book;
  std::vector<BurninRound> rounds;
  SeededChoice choice;
  std::deque<BurninCell> queue{};
  std::vector<BurninCell> offered{};
  std::map<std::string, BurninCell> running{};
  std::map<std::string, int> lost_alone{};  // in a row
  int confirming_visits = 0;                // of all suspects, each a number of its own
  int cells_alone = 0;
  bool finished = false, given_up = false;

  // Of the round.
  int cycle = 0;
  std::size_t round_index = 0;
  Step step = Step::visits;
  int visit = 0, visits = 0;  // each size of groups is a visit of its own
  std::vector<std::size_t> sizes{};
  std::vector<std::string> order{};
  BurninMeetings met{};
  std::map<std::string, int> led{};              // in how many cells it was the first node
  std::set<std::string> came_through{};          // has figures of cells with others
  std::map<std::string, int> lost_in_company{};  // while it has none
  std::map<std::string, std::string> failed{};   // why it is given up after the visits, unless nobody can do the round
  std::map<std::string, std::string> said{};     // by host, its last error
  bool has_figures = false;                      // of anybody
  std::map<std::string, int> looks{};            // by finding_key()
  std::size_t cells_done = 0, cells_a_visit = 0;
};

void BurninScheduler::Private::begin_round() {
  step = Step::visits;
  visit = 0;
  order = shuffled_hosts(book.present(), choice);
  sizes = round().shape == BurninShape::group ? group_sizes(round().sizes, order.size())
                                              : std::vector<std::size_t>{round().shape == BurninShape::pair ? 2U : 1U};
  visits = std::max(round().visits, 1) * static_cast<int>(sizes.size());
  if (round().shape == BurninShape::pair) met = planned_meetings(order, visits);
  led.clear(), came_through.clear(), lost_in_company.clear(), looks.clear();
  failed.clear(), said.clear(), has_figures = false;
  cells_done = cells_a_visit = 0;
  book.begin(round());
}

void BurninScheduler::Private::end_round() {
  if (++round_index == rounds.size()) {
    round_index = 0;
    ++cycle;
    book.count_cycle();
  }
  if (cycle < book.setup().config.cycles && !book.present().empty()) {
    if (round_index == 0) book.end_cycle();
    return begin_round();
  }
  round_index = rounds.size() - 1;  // what progress speaks of
  finished = true;
  book.complete();
}

std::size_t BurninScheduler::Private::size_of_visit() const {
  return sizes[static_cast<std::size_t>(visit) % sizes.size()];
}

std::vector<std::string> BurninScheduler::Private::taking_part() const {
  std::vector<std::string> hosts = book.present();
  std::erase_if(hosts, [&](const std::string& host) {
    if (failed.contains(host)) return true;
    const auto lost = lost_in_company.find(host);
    return lost != lost_in_company.end() && lost->second >= kCompanyTries;
  });
  return hosts;
}

void BurninScheduler::Private::add_cell(const BurninTeam& team, const std::string& label, int of_visit,
                                        const std::vector<std::string>& kinds, const std::string& suspect) {
  const bool is_group = team.size() > 2;
  queue.push_back({.id = fmt::format("{}/{}/{}", round().name, label,
                                     is_group ? fmt::format("{}+{}", team.front(), team.size() - 1)
                                              : fmt::format("{}", fmt::join(team, "+"))),
                   .round = round().name,
                   .visit = of_visit,
                   .confirms = !suspect.empty(),
                   .hosts = team,
                   .suspect = suspect,
                   .length_ns = round().length_ns,
                   .kinds = kinds});
}

void BurninScheduler::Private::draw_visit() {
  const std::vector<std::string> hosts = taking_part();
  std::vector<BurninTeam> teams;
  if (round().shape == BurninShape::pair) {
    teams = draw_pairs(order, {hosts.begin(), hosts.end()}, visit, met);
  } else if (round().shape == BurninShape::group) {
    teams = draw_groups(shuffled_hosts(hosts, choice), size_of_visit());
  } else {
    for (const std::string& host : shuffled_hosts(hosts, choice)) teams.push_back({host});
  }
  choose_leaders(teams, led);
  const int number = cycle * visits + visit;
  for (const BurninTeam& team : teams) add_cell(team, std::to_string(number), number, round().kinds, "");
  cells_a_visit = teams.size();
}

/// Who came through in no cell with others has perhaps only been in bad company.
void BurninScheduler::Private::make_up() {
  std::vector<std::string> good, missing;
  for (const std::string& host : book.present())
    if (!failed.contains(host)) (came_through.contains(host) ? good : missing).push_back(host);
  if (good.empty()) return;
  const std::size_t size = std::min(*std::ranges::min_element(sizes), good.size() + 1);
  std::size_t next = 0;
  for (const std::string& host : missing) {
    BurninTeam team{host};
    while (team.size() < std::max<std::size_t>(size, 2)) team.push_back(good[next++ % good.size()]);
    const int number = cycle * visits + visits - 1;
    add_cell(team, fmt::format("{}-again", number), number, round().kinds, "");
  }
}

void BurninScheduler::Private::note_silent_nodes() {
  const std::vector<std::string> present = book.present();
  for (const std::string& host : present)
    if (!came_through.contains(host)) {
      const std::string why = present.size() < 2 ? "there is no other node left to measure it with"
                                                 : "it came through in no cell with others: " + book.last_loss(host);
      failed.try_emplace(host, fmt::format("{}: {}", round().name, why));
    }
}

/// What nobody can do is no reason against anybody. What a launcher says is no node's own word: one of them alone may
/// be why the cells of all others end so.
void BurninScheduler::Private::decide_on_failed() {
  const std::vector<std::string> present = book.present();
  std::set<std::string> words;
  for (const std::string& host : present) {
    const auto error = said.find(host);
    const bool has_said = failed.contains(host) && error != said.end();
    words.insert(has_said ? without_name(error->second, host) : "");
  }
  if (!has_figures && present.size() >= 2 && words.size() == 1 && !words.begin()->empty()) {
    book.skip(round().name, said.at(present.front()));
    for (const std::string& host : present) lost_alone.erase(host);
  } else {
    for (const auto& [host, why] : failed) book.give_up(host, why, false);
  }
  failed.clear();
}

void BurninScheduler::Private::look() {
  const std::vector<BurninFinding> suspects = book.judge(round(), looks);
  confirm(suspects);
  if (queue.empty()) end_round();
}

std::vector<BurninScheduler::Private::Suspect> BurninScheduler::Private::suspects_of(
    const std::vector<BurninFinding>& findings) const {
  std::vector<Suspect> suspects;
  for (const BurninFinding& finding : findings) {
    const std::string key = finding_key(finding);
    const auto looked = looks.find(key);
    const int done = looked == looks.end() ? 0 : looked->second;
    const bool is_read =
        finding.measure.starts_with(kBurninFactPrefix) || finding.measure.starts_with(kBurninCheckPrefix);
    const int first = std::max(book.setup().config.confirm_visits, 1);
    const int more = is_read ? 1 : first << std::max(done - 1, 0), before = is_read || done == 0 ? 0 : more;
    auto known = std::ranges::find_if(
        suspects, [&](const Suspect& one) { return one.host == finding.host && one.peer == finding.peer; });
    if (known == suspects.end()) known = suspects.insert(suspects.end(), {.host = finding.host, .peer = finding.peer});
    known->keys.push_back(key);
    known->measures.insert(finding.measure);
    known->visits = std::max(known->visits, more), known->before = std::max(known->before, before);
    for (const std::string& kind : kinds_of(finding, round().kinds))
      if (std::ranges::find(known->kinds, kind) == known->kinds.end()) known->kinds.push_back(kind);
  }
  return suspects;
}

/// `clear`: of those that are `able` to be it, nodes of which nothing is suspected; where there are fewer than two,
/// also those that are clear in what is confirmed.
std::vector<std::string> BurninScheduler::Private::good_company(const Suspect& suspect,
                                                                const std::vector<std::string>& able,
                                                                const std::vector<std::string>& clear) {
  const auto is_own = [&](const std::string& host) { return host == suspect.host || host == suspect.peer; };
  std::vector<std::string> good = clear;
  std::erase_if(good, is_own);
  if (good.size() < 2) {
    good = able;
    std::erase_if(good,
                  [&](const std::string& host) { return is_own(host) || !book.is_clear_in(host, suspect.measures); });
  }
  std::vector<std::string> like, other;
  for (const std::string& host : good)
    (book.class_of(host) == book.class_of(suspect.host) ? like : other).push_back(host);
  if (works_together() && like.size() < 2) like.insert(like.end(), other.begin(), other.end());
  return shuffled_hosts(like, choice);
}

void BurninScheduler::Private::confirm(const std::vector<BurninFinding>& findings) {
  const std::vector<Suspect> suspects = suspects_of(findings);
  std::vector<std::string> able = taking_part(), clear;
  if (works_together()) std::erase_if(able, [&](const std::string& host) { return !came_through.contains(host); });
  // Asked once and not of each suspect, which would take the square of a large fleet.
  std::ranges::copy_if(able, std::back_inserter(clear), [&](const std::string& host) { return book.is_clear(host); });
  std::vector<std::vector<std::string>> company;
  int most = 0;
  for (const Suspect& one : suspects) {
    const bool reads = one.kinds.empty() ? false : one.kinds.front() == "facts" || one.kinds.front() == "checks";
    company.push_back(reads ? std::vector<std::string>{} : good_company(one, able, clear));
    const std::size_t size = *std::ranges::min_element(sizes);
    if (confirming_teams(round().shape, size, one.host, one.peer, company.back(), 0).empty()) {
      for (const std::string& key : one.keys)
        book.leave_unclear(round().name, key, "no third node that is known to be good is there to measure it with");
      continue;
    }
    for (const std::string& key : one.keys) ++looks[key];
    most = std::max(most, one.visits);
  }
  for (int turn = 0; turn < most; ++turn)
    for (std::size_t i = 0; i < suspects.size(); ++i) {
      const Suspect& one = suspects[i];
      if (turn >= one.visits) continue;
      const std::size_t size = *std::ranges::min_element(sizes);
      const auto turns = static_cast<std::size_t>(one.before + turn) + i;
      const auto teams = confirming_teams(round().shape, size, one.host, one.peer, company[i], turns);
      if (teams.empty()) continue;
      const int number = ++confirming_visits;
      for (const BurninTeam& team : teams)
        add_cell(team, fmt::format("confirm-{}", number), number, one.kinds, one.host);
    }
}

/// Nothing runs or waits: what comes next?
void BurninScheduler::Private::turn() {
  switch (step) {
    case Step::visits:
      if (visit < visits) {
        draw_visit();
        ++visit;
      } else {
        step = Step::made_up;
        if (works_together()) make_up();
      }
      break;
    case Step::made_up:
      if (works_together()) note_silent_nodes();
      decide_on_failed();
      step = Step::judged;
      [[fallthrough]];
    case Step::judged:
      look();
      break;
  }
}

void BurninScheduler::Private::advance() {
  while (!is_over() && queue.empty() && running.empty()) turn();
  start_cells();
}

void BurninScheduler::Private::start_cells() {
  if (queue.empty()) return;
  std::set<std::string> busy;
  for (const auto& [id, cell] : running) busy.insert(cell.hosts.begin(), cell.hosts.end());
  for (auto cell = queue.begin(); cell != queue.end() && running.size() < cells_at_a_time();) {
    if (std::ranges::any_of(cell->hosts, [&](const std::string& host) { return busy.contains(host); })) {
      ++cell;
      continue;
    }
    busy.insert(cell->hosts.begin(), cell->hosts.end());
    book.started(*cell);
    GRIT_ASSERT(running.emplace(cell->id, *cell).second);
    offered.push_back(std::move(*cell));
    cell = queue.erase(cell);
  }
}

void BurninScheduler::Private::drop_cells_of(const std::string& host) {
  std::erase_if(queue, [&](const BurninCell& cell) {
    return std::ranges::find(cell.hosts, host) != cell.hosts.end() || cell.suspect == host;
  });
}

/// Nothing came of a node, or an error. It is asked alone, twice.
void BurninScheduler::Private::take_lost(const BurninCell& cell, const std::string& host, const std::string& error) {
  const bool alone = cell.hosts.size() == 1;
  if (alone && ++lost_alone[host] >= kAloneTries) {
    if (!error.empty()) return take_failed(cell, host, error);
    book.give_up(host, book.why_lost(host), true);
    return drop_cells_of(host);
  }
  BurninCell again = cell;
  again.hosts = {host};
  again.id = fmt::format("{}/{}/{}-alone-{}", cell.round, cell.visit, host, ++cells_alone);
  if (!alone) {
    again.kinds = kAloneKinds;
    again.confirms = false;
    again.suspect.clear();
  }
  queue.push_front(std::move(again));
}

/// While nobody has been judged it may be that nobody can do the round.
void BurninScheduler::Private::take_failed(const BurninCell& cell, const std::string& host, const std::string& error) {
  std::string why = fmt::format("{}: {}", cell.id, error);
  if (step == Step::judged)
    book.give_up(host, why, false);
  else
    failed.try_emplace(host, std::move(why));
  drop_cells_of(host);
}

void BurninScheduler::Private::count_company(const BurninCell& cell, const std::vector<std::string>& lost) {
  for (const std::string& host : cell.hosts) {
    if (std::ranges::find(lost, host) == lost.end())
      came_through.insert(host);
    else if (!came_through.contains(host))
      ++lost_in_company[host];
  }
}

BurninScheduler::BurninScheduler(BurninSetup setup, BurninJudge judge)
    : private_(std::make_unique<Private>(std::move(setup), std::move(judge))) {}
BurninScheduler::BurninScheduler(BurninScheduler&&) noexcept = default;
BurninScheduler::~BurninScheduler() = default;

std::vector<BurninCell> BurninScheduler::next() { return std::exchange(private_->offered, {}); }

std::vector<BurninChange> BurninScheduler::take(BurninCellResult result) {
  Private& me = *private_;
  const auto found = me.running.find(result.cell.id);
  GRIT_ASSERT(found != me.running.end());
  const BurninCell cell = found->second;
  result.cell = cell;
  me.running.erase(found);
  ++me.cells_done;
  const std::vector<std::string> lost = me.book.take(result);
  if (me.given_up) return me.book.changes();
  if (cell.hosts.size() > 1) me.count_company(cell, lost);
  for (const std::string& host : cell.hosts)
    if (!me.book.is_present(host)) me.drop_cells_of(host);  // it was started anew
  me.has_figures = me.has_figures || !result.observations.empty();
  for (const auto& [host, error] : result.errors) me.said[host] = error;
  for (const std::string& host : cell.hosts) {
    const auto error = result.errors.find(host);
    const bool of_run = cell.kinds.empty() && error != result.errors.end();
    if (!me.book.is_present(host)) continue;
    if (std::ranges::find(lost, host) != lost.end() && !of_run)
      me.take_lost(cell, host, error == result.errors.end() ? "" : error->second);
    else if (cell.hosts.size() == 1)
      me.lost_alone.erase(host);
    if (!of_run) continue;
    if (error->second.find(kNotApplied) != std::string::npos) {
      me.take_failed(cell, host, error->second);
    } else {  // it kept a fault, or something of the run
      me.book.give_up(host, fmt::format("{}: {}", cell.id, error->second), false);
      me.drop_cells_of(host);
    }
  }
  me.advance();
  return me.book.changes();
}

bool BurninScheduler::done() const {
  return private_->is_over() && private_->running.empty() && private_->queue.empty();
}

std::vector<BurninChange> BurninScheduler::give_up(const std::string& why) {
  Private& me = *private_;
  if (me.is_over()) return me.book.changes();
  me.given_up = true;
  me.queue.clear();
  for (const BurninCell& cell : std::exchange(me.offered, {})) me.running.erase(cell.id);
  if (me.has_figures)  // else it may be that nobody can do the round
    for (const auto& [host, reason] : me.failed) me.book.give_up(host, reason, false);
  me.book.judge_carriers();
  if (me.cycle > 0)
    me.book.complete_by_cycle();
  else
    for (const std::string& host : me.book.present()) me.book.give_up(host, why, false);
  return me.book.changes();
}

BurninProgress BurninScheduler::progress() const {
  const Private& me = *private_;
  BurninProgress progress{.round = me.round().name,
                          .cycle = me.cycle,
                          .cells_done = static_cast<int>(me.cells_done),
                          .cells_running = static_cast<int>(me.running.size()),
                          .nodes = me.book.count_states()};
  const auto visits_left = static_cast<std::size_t>(std::max(me.visits - me.visit, 0));
  const bool more = !me.is_over() && me.step == Private::Step::visits;
  progress.cells_planned = static_cast<int>(me.cells_done + me.running.size() + me.queue.size() +
                                            (more ? visits_left * me.cells_a_visit : 0));
  return progress;
}

BurninReport BurninScheduler::report() const { return private_->book.report(); }

}  // namespace grit
