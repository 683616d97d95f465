// A burn-in as pure data: what it does (rounds), on whom (hosts), what came of it (cells, observations, findings,
// states). Everything here goes through burnin.jsonl or burnin.json and back unchanged.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/model/scenario.hpp"

namespace grit {

/// A machine as the launcher knows it.
struct BurninHost {
  std::string name{};     // in every output: "n07", "node3"
  std::string address{};  // what the launcher is given; empty: the name
  std::string group{};    // its switch, by the topology; empty: not known
};

/// How many nodes a cell has: one; two that measure the link between them; some that work together.
enum class BurninShape : std::uint8_t { node, pair, group };

/// What a round can measure (`grit measure`, harness/run/measure.hpp), and among how many nodes.
struct BurninKind {
  std::string_view name;
  BurninShape shape;
};
inline constexpr std::array kBurninKinds{
    BurninKind{"facts", BurninShape::node},       BurninKind{"checks", BurninShape::node},
    BurninKind{"compute", BurninShape::node},     BurninKind{"memory", BurninShape::node},
    BurninKind{"storage", BurninShape::node},     BurninKind{"link", BurninShape::pair},
    BurninKind{"collective", BurninShape::group}, BurninKind{"training", BurninShape::group}};
/// nullptr: there is none of that name.
constexpr const BurninKind* find_burnin_kind(std::string_view name) {
  for (const BurninKind& one : kBurninKinds)
    if (one.name == name) return &one;
  return nullptr;
}

/// What the kind "facts" tells of a node, as text; of several data NICs in the order of the rails.
inline constexpr std::array<std::string_view, 20> kBurninFacts{
    "cpu_model", "gpu_model", "cores",      "numa_nodes",   "memory_bytes", "gpus",       "nics",
    "nic_speed", "nic_mtu",   "nic_driver", "nic_firmware", "pcie_width",   "pcie_speed", "kernel",
    "microcode", "bios",      "gpu_driver", "governor",     "smt",          "os"};

/// What every node goes through once, in cells.
struct BurninRound {
  std::string name{};                // "links"; each once in a burn-in
  std::vector<std::string> kinds{};  // what `grit measure` does, in this order (harness/run/measure.hpp)
  std::string scenario{};            // instead: an ordinary run of this scenario, with `options`
  std::map<std::string, std::string> options{};
  BurninShape shape = BurninShape::node;
  std::vector<int> sizes{};  // of group cells, in nodes, one after the other; 0: all that are left together
  int visits = 1;            // how often each node is measured (pairs: with so many partners) before it is judged
  int ranks_per_node = 1;
  std::int64_t length_ns = 0;  // of each kind
  std::int64_t limit_ns = 0;   // a cell that takes longer is ended
  bool alone = true;           // its figures are rates: where nodes share cores no other cell runs meanwhile
};

/// What of a measure's defaults (harness/model/burnin_measures.hpp) a config changes.
struct BurninLimits {
  std::optional<double> tolerance{};  // a fraction; slower than peers by no more than this is good, however sure
  std::optional<double>
      spread{};  // a fraction: what is known of how nodes of one class differ (one standard deviation)
  std::optional<double> at_least{};  // absolute, in the measure's unit; a node beyond it is bad whatever its peers are
  std::optional<double> at_most{};
};

struct BurninConfig {
  std::string name{};  // "quick"
  std::string summary{};
  std::vector<BurninRound> rounds{};
  std::map<std::string, BurninLimits> limits{};  // by measure
  std::vector<ScenarioPlugin> checks{};          // empty: all that need no parameters
  std::string checks_source{};                   // their Lua text, for `grit check --config`; empty likewise
  std::vector<std::string> must_match{};         // facts in which a node that is unlike its class's majority is bad
  double false_bad = 0.01;  // in at most such a share of burn-ins is any healthy node called bad, all measures together
  int confirm_visits = 6;   // of a suspect, before the first look
  int looks = 3;            // after so many times confirm_visits, doubled each time, what is not clear stays so
  int cycles = 1;           // all rounds, so many times
};

/// Puts a round of facts in front where the first one is of several nodes: a cell of several tells them apart by the
/// start of the kernel that each of them has told alone before, since a name such as an alias of ssh's is nothing that
/// a node knows of itself. It also says of which class each node is.
void put_facts_first(BurninConfig& config);

/// The unit that is lost when something dies. `id` follows from the round and the results before it alone, so that a
/// resumed burn-in makes the same ones: "links/1/n03+n07", "links/confirm-1/n03+n12".
struct BurninCell {
  std::string id{};
  std::string round{};
  int visit = 0;                     // counted from 0, over cycles
  bool confirms = false;             // fresh measurement of a suspect beside nodes that are known good
  std::vector<std::string> hosts{};  // by name
  std::string suspect{};             // of one that confirms
  std::int64_t length_ns = 0;
  std::vector<std::string> kinds{};  // what `grit measure` does; of a scenario's cell nothing
};

/// One figure. Of a pair `host` is the sender and `peer` the receiver; else `peer` is empty. A group's figure has one
/// line for each member.
struct BurninObservation {
  std::string measure{};
  std::string host{};
  std::string peer{};
  double value = 0;     // in the measure's unit; of a count: events
  double exposure = 0;  // of a count: in how many trials (segments sent); else 0
  std::string cell{};
  int visit = 0;
  bool confirms = false;
};

enum class BurninCellEnd : std::uint8_t {
  completed,
  failed,       // its processes ended otherwise than with 0
  timed_out,    // it was ended at its limit
  not_started,  // the launcher said that it could not start it, or did not in time
};
std::string_view to_string(BurninCellEnd end);

/// What a check of a node found that is no "ok".
struct BurninAlarm {
  std::string host{}, check{}, subject{}, severity{}, detail{};
  bool of_machine = false;  // of what several local nodes have between them: names nobody
};

/// How often the kernel has seen a data NIC lose its carrier since the interface was made.
struct BurninCarrier {
  std::string nic{};  // "eth0"
  int ifindex = 0;
  std::int64_t lost = 0;  // IFLA_CARRIER_DOWN_COUNT
};

/// Of all data NICs of a node, and of what they stand on (a bond's ports), at one moment.
struct BurninCarriers {
  std::string netns{};       // netns_id() (harness/os/identity.hpp): counts are comparable within one, by ifindex
  std::int64_t read_ns = 0;  // CLOCK_REALTIME of the node
  std::vector<BurninCarrier> nics{};
};

struct BurninCellResult {
  BurninCell cell{};
  BurninCellEnd end = BurninCellEnd::completed;
  int status = 0;  // exit code, or 128 and the signal
  std::vector<BurninObservation> observations{};
  std::map<std::string, std::map<std::string, std::string>> facts{};  // by host and name of the fact
  std::vector<BurninAlarm> alarms{};
  std::map<std::string, std::vector<std::string>> alarm_free{};  // by host: checks that were read and are ok
  std::map<std::string, std::vector<std::string>> skipped{};     // by host: "storage: no disk is here"
  std::map<std::string, std::string> errors{};                   // by host: a wrong result, a full disk ...
  std::map<std::string, std::string> boot_ids{};                 // by host, as the cell began there
  /// By host: as the cell began there, and as it had measured. The second is missing of a cell that did not come to
  /// that, and of a run whose faults take links down.
  std::map<std::string, std::vector<BurninCarriers>> carriers{};
  std::string words{};  // the last 2,000 bytes that launcher and job said, and telling_line()
  std::map<std::string, std::vector<std::string>> kernel_lines{};  // by host, of --console, when it did not complete
  std::vector<std::string> command{};                              // the launcher's words
  int session = 0;  // of the burn-in, in which the cell ran (OpenedBurninLog::session); 0: not known
  std::int64_t started_ns = 0, took_ns = 0;  // CLOCK_REALTIME; how long
};

enum class BurninNodeState : std::uint8_t {
  untested,
  testing,
  suspect,
  good,
  apart,  // slower than its peers for sure and further out than so many of them reach, and it cannot be told whether it
          // is faulty or the slow end of an uneven fleet: it does not go live unless somebody decides that
  bad,
  not_tested,
};
std::string_view to_string(BurninNodeState state);

/// What is known of a node (or a link: `peer`; or a group of nodes) by one measure.
enum class BurninStatus : std::uint8_t {
  clear,    // nothing speaks against it
  suspect,  // to be measured again
  cleared,  // was suspect, and is within the tolerance by fresh measurement, or no further from its peers than they are
            // from each other
  shown,    // worse, at the error rate of the whole burn-in
  apart,  // worse for sure, and by more than so many peers differ from each other; but not told from the slow end of a
          // fleet with heavy tails
  unclear,  // not told from what is tolerated, after all looks; or no peers to hold it against
};
std::string_view to_string(BurninStatus status);
/// The larger, the graver: clear, cleared, unclear, apart, suspect, shown.
int gravity(BurninStatus status);

/// What a finding's measure begins with that is of a health check, or of a fact.
inline constexpr std::string_view kBurninCheckPrefix = "check:", kBurninFactPrefix = "fact:";

struct BurninFinding {
  std::string measure{};  // of burnin_measures(), or "check:NAME", "fact:NAME", "died", "rebooted"
  std::string host{};     // empty: of a group
  std::string peer{};     // of a link between two nodes neither of which is worse by itself
  std::string group{};
  BurninStatus status = BurninStatus::clear;
  double worse = 0, worse_low = 0,
         worse_high = 0;  // than the peers, a fraction of their middle, with its 95 % interval
  double p_noise = 1;     // that it is no worse than the tolerance
  double p_peers = 1;     // that one of its peers is as far from them
  int peers = 0, visits = 0;
  bool of_reference = false;  // against what it was itself, not against its peers
  std::string why{};          // in words, with figures and units; what it was accused of and why it was cleared
};

struct BurninNodeReport {
  std::string host{}, group{}, machine_class{};
  BurninNodeState state = BurninNodeState::untested;
  std::string reason{};                     // one line, the first cause first; empty: good
  std::vector<BurninFinding> findings{};    // all that are not clear, the gravest first
  std::map<std::string, double> figures{};  // by measure: its middle over visits
  std::map<std::string, std::string> facts{};
  std::vector<std::string> skipped{};
  std::vector<std::string> remarks{};  // what is odd and is no reason: a kernel unlike the others'
};

/// Of one measure how the nodes of a class did over the whole cycles, each against its own first one. What is "worse"
/// is a fraction: 0.05 is 5 % less of a rate or 5 % more of a time than then. analysis/burnin/drift.hpp has the rules.
struct BurninDrift {
  struct Point {
    int cycle = 0;                         // from 1
    std::int64_t at_ns = 0;                // the cycle's middle, since the burn-in's first cell
    int nodes = 0;                         // with figures of this cycle and of the first
    double middle = 0, low = 0, high = 0;  // of these nodes; nine of ten are between low and high
  };
  struct Node {
    std::string host{};
    double worse = 0;            // of late than in its first cycle
    double beyond_fleet = 0;     // as much of it is not the fleet's own drift
    std::vector<int> cycles{};   // those of the points in which it has a figure
    std::vector<double> path{};  // worse by cycle, in each of these
  };
  std::string measure{}, round{}, machine_class{};
  int cycles = 0;                // whole ones
  std::vector<Point> points{};   // all cycles, or some of them at even distances, the first and the last among them
  double shift = 0;              // of the middle node of late; 0.05: the fleet got 5 % worse
  bool is_beyond_noise = false;  // that is more than the fleet goes up and down by from cycle to cycle
  int nodes_told = 0;            // of so many nodes it could be told whether they got worse
  std::vector<Node> slower{};    // nodes that got worse by more than the tolerance beyond the fleet, the worst first
  int more_slower = 0;           // that are not listed
};

struct BurninProgress {
  std::string round{};
  int cycle = 0;  // from 0
  int cells_done = 0, cells_planned = 0, cells_running = 0;
  std::map<std::string, int> nodes{};         // by state
  std::int64_t elapsed_ns = 0, left_ns = -1;  // -1: not known yet
};

/// burnin.json: what is shown and exported, and nothing else is.
struct BurninReport {
  BurninConfig config{};
  std::string launcher{};  // "mpirun", "srun", "local cluster"
  std::string started_utc{};
  std::int64_t took_ns = 0;
  bool complete = false;                          // all rounds came to their end
  std::vector<BurninNodeReport> nodes{};          // in the order of the hosts
  std::vector<BurninFinding> links{};             // bad ones between good nodes, and those cleared
  std::vector<BurninFinding> groups{};            // bad ones, and no others
  std::vector<BurninFinding> fleet{};             // its shift against the reference; checks that alarm on most nodes
  std::vector<BurninDrift> drift{};               // of several whole cycles, by measure; judges nobody
  std::vector<BurninObservation> observations{};  // for distributions and the pair matrix
  std::map<std::string, std::int64_t> round_took_ns{};
  std::vector<BurninCellResult> lost{};  // cells that did not complete, without observations
};

/// Of BurninReport::fleet: in the middle its nodes are worse than in the reference by more than the tolerance, for
/// sure.
bool is_slower_fleet(const BurninFinding& finding);

/// Of BurninReport::fleet: most of its nodes lost their carrier at the same time, for which none of them is blamed.
bool is_fleet_without_carrier(const BurninFinding& finding);

/// 0 all good, 1 some bad (node, link or group), 2 none bad but some set apart, not clear or not tested, or rounds that
/// did not come to their end, or the fleet is slower than its reference (is_slower_fleet()) or was without a carrier
/// (is_fleet_without_carrier()).
int exit_code(const BurninReport& report);

Json to_json(const BurninCarriers& carriers);
Json to_json(const BurninCell& cell);
Json to_json(const BurninCellResult& result);
Json to_json(const BurninConfig& config);
Json to_json(const BurninReport& report);
/// Error (usage): not what to_json() writes.
Result<BurninCarriers> burnin_carriers_from_json(const Json& json);
Result<BurninCellResult> burnin_cell_result_from_json(const Json& json);
Result<BurninConfig> burnin_config_from_json(const Json& json);
Result<BurninReport> burnin_report_from_json(const Json& json);

}  // namespace grit
