// How terminal, page and files put a burn-in's results.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/model/burnin.hpp"

namespace grit {

/// Nodes by what becomes of them, and what else is wrong.
struct BurninCounts {
  int nodes = 0, good = 0, bad = 0;
  int apart = 0;          // slower for sure, cause not known
  int unclear = 0;        // suspect to the end
  int not_tested = 0;     // given up, or the burn-in has not come to them
  int slower_fleets = 0;  // measures (of a class) in which the whole fleet is slower than its reference
  int bad_links = 0, apart_links = 0, unclear_links = 0;
  int bad_groups = 0;
};
BurninCounts counts_of(const BurninReport& report);

/// "5 of 8 nodes may go live."; of a burn-in that has not come to its end "So far 0 of 8 nodes may go live.".
std::string burnin_sentence(const BurninReport& report);
/// "2 bad, 1 set apart, 1 not tested; 1 bad link between good nodes"; empty: everything is good.
std::string burnin_rest(const BurninReport& report);
/// How often any healthy node is called bad, how uneven healthy nodes may be for that, and what it does not speak of.
std::string burnin_claim(const BurninReport& report);
/// A node that is good by itself, of a group that is bad.
bool is_apart_by_group(const BurninNodeReport& node);
/// What to do about what was set apart: what would tell whether it is faulty, and how to use such nodes as they are.
/// Empty: nothing was.
std::string apart_advice(const BurninReport& report);
/// What is good though it is slower: by measure, only those that some figure is of. Empty: no figures.
std::string burnin_tolerances(const BurninReport& report);

/// A fraction that somebody set, as short as it can be said: "1 %", "0.05 %".
std::string level_text(double fraction);
/// "good", "bad", "set apart", "not clear", "not tested".
std::string_view state_words(BurninNodeState state);
/// "bad", "set apart", "not clear", "cleared", "clear".
std::string_view status_words(BurninStatus status);
/// A figure with its unit: "12.3 GFLOP/s", "0.5 %", "3.1 ms". A measure that is not known: the plain number.
std::string burnin_figure(std::string_view measure, double value);
/// "matrix products", "check link_up", "nic_speed unlike that of its peers", "does not answer".
std::string accusation(std::string_view measure);
/// "n07", "n01 to n07", "group leaf1", "the fleet".
std::string place_of(const BurninFinding& finding);
/// "5.1 % (4.6 .. 5.6 %)" worse than its peers; empty where the finding is of no rate and no time.
std::string worse_text(const BurninFinding& finding);
/// The finding in words; made of its figures where it brings none.
std::string finding_text(const BurninFinding& finding);

/// "matrix products"; with its round or its class where the measure has several of them.
std::string drift_name(const BurninReport& report, const BurninDrift& drift);
/// What changed over the cycles, a sentence each: fleets, then single nodes; or that it cannot be told. Empty: nothing.
std::vector<std::string> drift_texts(const BurninReport& report);
/// How often these are wrong, and what that rests on. Empty: nothing is told of drift.
std::string drift_claim(const BurninReport& report);

/// The measure's tolerance in this burn-in: that of its config, or the measure's own.
double tolerance_of(const BurninConfig& config, std::string_view measure);

/// A text that many nodes share, with their names.
struct SharedText {
  std::string text{};
  std::vector<std::string> hosts{};
};
/// What was skipped, those of most nodes first.
std::vector<SharedText> skipped_in(const BurninReport& report);
/// What is odd of nodes and is no reason, likewise.
std::vector<SharedText> remarks_in(const BurninReport& report);
/// "all 8 nodes", "n01, n02, n03 and 13 more".
std::string hosts_text(const std::vector<std::string>& hosts, std::size_t of);

}  // namespace grit
