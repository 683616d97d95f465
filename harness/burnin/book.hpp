// What a burn-in knows of its nodes so far, and in which state each of them is by that.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "analysis/burnin/carriers.hpp"
#include "analysis/burnin/drift.hpp"
#include "harness/burnin/scheduler.hpp"

namespace grit {

class BurninBook {
 public:
  BurninBook(BurninSetup setup, BurninJudge judge);

  [[nodiscard]] const BurninSetup& setup() const { return setup_; }
  /// Hosts that are neither bad nor given up, in the order of the setup.
  [[nodiscard]] std::vector<std::string> present() const;
  [[nodiscard]] bool is_present(const std::string& host) const;
  /// Of a host that is known; empty before its facts are.
  [[nodiscard]] const std::string& class_of(const std::string& host) const;

  void started(const BurninCell& cell);
  /// Takes in what a cell has found. Returns those of its hosts of which there is nothing, or an error.
  std::vector<std::string> take(const BurninCellResult& result);

  /// A round begins: what its checks and facts said in an earlier cycle is of the past, but of nodes that are bad.
  void begin(const BurninRound& round);
  /// What is known is judged anew, for the measures, facts and checks of this round: all of a single cycle; of many the
  /// last three, and what was measured to confirm a suspicion in this one alone, so that a node that gets slow after
  /// days is not hidden behind its better days. What was ever shown of a node or a link stays so, in the words of then,
  /// and who was set apart in an earlier cycle is not cleared in a later one. `looks`: by finding_key(), how often a
  /// suspicion has been looked at with fresh measurements. Returns what is to be measured again now.
  std::vector<BurninFinding> judge(const BurninRound& round, const std::map<std::string, int>& looks);
  /// Whose carrier was lost by now. A part of judge(); by itself for when no round is judged any more.
  void judge_carriers();
  /// A suspicion that cannot be measured again.
  void leave_unclear(const std::string& round, const std::string& key, const std::string& why);
  /// Is nothing suspected of it, or left unclear, in any round?
  [[nodiscard]] bool is_clear(const std::string& host) const;
  /// The same of these measures alone.
  [[nodiscard]] bool is_clear_in(const std::string& host, const std::set<std::string>& measures) const;

  /// The node is not_tested and takes part in nothing more. `died`: it gets a finding of that name.
  void give_up(const std::string& host, const std::string& why, bool died);
  /// Why nothing came of a node in its last cell, by what it or the launcher said.
  [[nodiscard]] std::string why_lost(const std::string& host) const;
  /// The same without whether it has ever been reached.
  [[nodiscard]] const std::string& last_loss(const std::string& host) const { return nodes_.at(host).last_loss; }
  /// Nobody could do this round, for this reason: that is said of the fleet.
  void skip(const std::string& round, const std::string& why);
  /// All rounds are over: who is clear is good.
  void complete();
  /// All rounds have been gone through once more: the cycle is whole, and shows how nodes drift.
  void count_cycle();
  /// They begin anew: what is known now is kept for complete_by_cycle(), and who is set apart.
  void end_cycle();
  /// The cycle that is under way is left. Of it only what is shown, and who was given up, counts; else all is as it was
  /// at end_cycle().
  void complete_by_cycle();

  /// Changes of state since the last call.
  std::vector<BurninChange> changes();
  [[nodiscard]] std::map<std::string, int> count_states() const;
  [[nodiscard]] BurninReport report() const;

 private:
  /// Which start of a node's kernel a cell has met.
  struct Boot {
    std::string id{}, cell{};
    int session = 0;
  };
  struct Node {
    BurninNodeState state = BurninNodeState::untested;
    bool is_started = false, has_answered = false;
    std::string given_up_why{};  // empty: it is not
    std::string last_loss{};
    int cells = 0, lost_cells = 0;
    Boot boot{};                            // of its last cell that said so
    std::vector<std::string> new_starts{};  // which are no fault of its
    std::map<std::string, std::string> facts{};
    std::map<std::string, BurninAlarm> critical{};  // by check, of the last reading
    std::map<std::string, std::string> warnings{};  // likewise
    int facts_read = 0, checks_read = 0;            // how often
    std::vector<std::string> skipped{}, odd_facts{};
    std::vector<BurninFinding> died{};
  };

  [[nodiscard]] BurninEvidence evidence(const std::string& round) const;
  void take_time(const BurninCellResult& result);
  void take_checks(const BurninCellResult& result, const std::string& host);
  void take_boot(const BurninCellResult& result, const std::string& host);
  void take_loss(const BurninCellResult& result, const std::string& host);
  /// What is odd and what alarms is read once more before it counts.
  void add_read_again(BurninFinding finding, int read, std::vector<BurninFinding>& findings);
  void add_cleared(const std::string& round, std::string_view prefix, std::vector<BurninFinding>& findings);
  void judge_facts(const std::string& round, std::vector<BurninFinding>& findings);
  void judge_checks(const std::string& round, std::vector<BurninFinding>& findings);
  /// Takes out of `findings` what is shown, now or before, of nodes and links.
  void keep_shown(std::vector<BurninFinding>& findings);
  /// Puts back what was set apart at the end of an earlier cycle and would now be nothing, or not clear.
  void keep_apart(const std::string& round, std::vector<BurninFinding>& findings) const;
  [[nodiscard]] std::map<std::string, int> alarming_nodes() const;
  [[nodiscard]] BurninNodeState state_of(const std::string& host, const Node& node) const;
  [[nodiscard]] std::string reason_of(const std::string& host, const Node& node) const;
  void update(const std::string& host);
  [[nodiscard]] std::vector<BurninFinding> findings_of(const std::string& host, const Node& node) const;
  [[nodiscard]] BurninNodeReport report_of(const BurninHost& host, const Node& node) const;

  BurninSetup setup_;
  BurninJudge judge_;
  bool is_complete_ = false;
  std::map<std::string, Node> nodes_{};
  std::map<std::string, std::string> classes_{}, groups_{};  // by host
  std::vector<BurninObservation> observations_{};
  std::vector<BurninObservation> recent_{};                             // that are judged
  std::deque<std::size_t> counts_by_cycle_{};                           // of recent_, for the cycles before this one
  std::vector<BurninCycle> cycles_{};                                   // whole ones
  std::int64_t first_ns_ = 0, cycle_first_ns_ = 0, cycle_last_ns_ = 0;  // of cells, CLOCK_REALTIME; 0: none yet
  std::map<std::string, int> looks_{};                                  // of the round that is judged
  std::map<std::string, int> read_at_{};                          // by key: how often it was read when it was suspected
  std::set<std::string> looked_at_{};                             // keys, of all rounds
  std::map<std::string, std::vector<BurninFinding>> findings_{};  // by round, without those of shown_
  std::map<std::string, BurninFinding> shown_{};  // of nodes and links, by key, of all rounds and cycles
  std::map<std::string, std::vector<BurninFinding>> findings_of_cycle_{};  // at the end of the last whole cycle
  std::set<std::string> looked_at_of_cycle_{};                             // likewise
  std::map<std::string, std::map<std::string, BurninFinding>> apart_{};    // by round and key, of earlier cycles
  std::map<std::string, BurninFinding> fleet_{};  // checks that alarm on most nodes, rounds that were skipped; by key
  CarrierHistory carriers_{};
  std::map<std::string, BurninFinding> unclear_carriers_{};  // by host
  std::vector<BurninCellResult> lost_{};
  std::vector<BurninChange> changes_{};
};

}  // namespace grit
