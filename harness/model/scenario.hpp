// A scenario after Lua: pure data, options resolved, quantities in base units, names checked against the registries.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/mesh.hpp"
#include "harness/model/params.hpp"

namespace grit {

/// Which nodes a fault acts on. Nodes are counted from 0.
struct NodeSelector {
  enum class Kind { list, any, all, fraction, drawn, coordinates };
  Kind kind = Kind::list;
  std::vector<int> nodes{};  // for list
  double share = 0;          // for fraction: 0 < share <= 1; rounded up to at least one node
  std::size_t draw = 0;      // for drawn: place in Scenario::draws
  AxisValues at{};           // for coordinates: the nodes with at least one rank that has all of them
};

/// grit.node(...) and grit.others(...): nodes that are chosen once and may be named in several places. A plan holds the
/// nodes and never the draw.
struct NodeDraw {
  NodeSelector from{};
  std::optional<std::size_t> others_than{};  // chosen among the nodes that this earlier draw left; empty: among all
  std::string where{};                       // "scenarios/x.lua:12", for messages
};

/// When a fault is in force; what every fault takes besides its own parameters (harness/scenario/timing.hpp).
struct Timing {
  std::int64_t after_ns = 0;
  std::int64_t lasts_ns = 0;     // 0: to the block's end
  std::int64_t every_ns = 0;     // from one start to the next, with poisson on average; 0: once
  std::int64_t count = 0;        // 0: as many as fit in the block
  bool poisson = false;          // starts at random
  std::int64_t at_step = 0;      // counted from the start of this step of the block
  std::string label{};           // how `follows` of another fault calls this one; empty: by the fault's name
  std::string follows{};         // counted from an edge of that fault of the same node; empty: of none
  bool follows_applied = false;  // the edge: into force; else off
  std::int64_t swizzle_ns = 0;   // victims begin and end one after another within this time; 0: together
  std::int64_t ramp_ns = 0;      // the dose grows for so long; 0: it is whole from the start
  std::int64_t ramp_steps = 0;
};

struct ScenarioFault {
  std::string name;
  NodeSelector on{};
  Json params = Json::object();         // complete, base units
  std::optional<NodeSelector> peers{};  // of InjectorInfo::peers, which `params` then lacks; empty: it is in `params`
  AxisValues ranks{};   // the coordinates of its ranks, whose nodes `on` then says, and whose parameter `rank` `params`
                        // then lacks; empty: it is in `params`, or the fault has none
  std::string where{};  // "scenarios/x.lua:12", for messages
  Timing timing{};
};

struct ScenarioPlugin {  // a workload or a check
  std::string name;
  Json params = Json::object();
};

/// What a planned check is called everywhere: its parameter `name`, else its plug-in's.
inline std::string check_label(const ScenarioPlugin& planned) {
  const auto name = planned.params.find("name");
  const bool is_given =
      name != planned.params.end() && name->is_string() && !name->get_ref<const std::string&>().empty();
  return is_given ? name->get<std::string>() : planned.name;
}

/// The check that runs what the scenario says, and the one that may start an exporter.
inline constexpr std::string_view kCommandCheck = "command", kMetricsCheck = "openmetrics";

/// A check that runs what the scenario says needs leave like the fault `command` (guard_rails.hpp).
inline bool runs_commands(const ScenarioPlugin& check) {
  const auto exporter = check.params.find("exporter");
  const bool starts_exporter =
      exporter != check.params.end() && (!exporter->is_string() || !exporter->get_ref<const std::string&>().empty());
  return check.name == kCommandCheck || (check.name == kMetricsCheck && starts_exporter);
}

/// A block in time ends so many steps after the one before its end: the step with which rank 0 tells the others that time
/// is over is the first of them. With four the message has three whole steps in which to come to all ranks.
inline constexpr std::uint32_t kEndAhead_steps = 4;

/// How the experiment is laid out. Exactly one of block_steps and block_ns is above 0.
struct Design {
  std::int64_t pairs = 8;      // baseline + fault blocks; at least 6 for a verdict (below, p < 0.05 cannot be reached)
  std::int64_t max_pairs = 0;  // up to so many when it is not clear after `pairs` (looks_of()); 0: never more
  std::int64_t block_steps = 0;   // block length in steps
  std::int64_t block_ns = 0;      // or in time: kEndAhead_steps begin after it, and then it ends
  std::int64_t settle_steps = 1;  // first steps of every block, left out of the measurement
  std::int64_t warmup_steps = 5;  // once, before the first block
  bool sham = false;              // every pair has a third block, in which everything is done but the fault itself
  std::int64_t recovery_ns = 0;   // after every fault block one without it, for so long; 0: none
  bool link_test = false;         // two more fault and baseline blocks in which links are measured instead of steps
  std::int64_t restarts = 0;  // after a rank's death or a node's loss the job starts again from its last checkpoint, at
                              // most so many times; 0: the run ends
  std::int64_t hang_ns = 60'000'000'000;  // a step that takes longer ends the run, with the outcome "hang"
};

/// How a run can end other than by its last block, and a scenario can expect it to; see Verdict::outcome.
inline constexpr std::array<std::string_view, 4> kExpectableOutcomes{"hang", "rank_death", "node_loss", "corruption"};

/// What can be short or slow; Suspect::resource. "router": of tokens to experts, which it spreads unevenly. "unknown":
/// the figures do not tell.
inline constexpr std::array<std::string_view, 5> kResources{"compute", "network", "memory", "storage", "router"};

/// Who the analysis must name.
struct ExpectedCulprit {
  std::optional<NodeSelector>
      on{};                // one of these nodes; any, all, share: one of the nodes with a fault. Empty: whoever
  std::string resource{};  // one of kResources; empty: whichever
};

/// What the scenario claims. Bounds of slowdowns are fractions: 0.10 is 10 % slower than baseline; those of the
/// throughput are shares of the baseline's steps a second.
struct Expectation {
  std::optional<double> slowdown_at_least{};  // reproduced when the effect's CI lies above
  std::optional<double>
      slowdown_at_most{};  // reproduced when the effect's CI lies below it (and above minus it: equivalence)
  std::string outcome{};   // one of kExpectableOutcomes: reproduced when the run ends so; empty: none
  std::optional<ExpectedCulprit> culprit{};
  std::optional<NodeSelector> wrong_values_from{};   // values are wrong, and ranks of these nodes alone sent them; as
                                                     // ExpectedCulprit::on
  std::optional<std::int64_t> recovers_within_ns{};  // after the fault; needs Design::recovery_ns of at least as much
  std::optional<double> p99_at_least{}, p99_at_most{};  // as the slowdown, of the 99th percentile step time of a block
  std::optional<double> throughput_at_least{}, throughput_at_most{};
  // Of every restart, and of the run: Verdict::restarts. Need Design::restarts.
  std::optional<std::int64_t> detected_within_ns{}, back_within_ns{};
  std::optional<double> goodput_at_least{};
  std::map<std::string, bool>
      checks{};  // by a check_label() of Scenario::checks: does it fail under the fault, or pass?
};

/// Does it say something of restarts?
inline bool expects_restart(const Expectation& expect) {
  return expect.detected_within_ns || expect.back_within_ns || expect.goodput_at_least;
}

struct ScenarioOption {
  std::string name;
  std::string value;  // as given by --set, or the default
  std::string default_value;
  std::string unit{};      // of given values: "time", "fraction" ... (unit_name()); empty: any text
  bool is_number = false;  // the default is a Lua number without a unit, and so is any value that is one
  std::string help{};
  std::vector<std::string> choices{};  // the only values allowed; empty: any
  std::optional<double> min{};         // in base units of `unit`
  std::optional<double> max{};
};

struct Scenario {
  std::string name;
  std::string summary;
  std::string file;    // as given on the command line
  std::string source;  // the Lua text
  std::vector<ScenarioOption> options{};
  std::vector<NodeDraw> draws{};  // a draw refers to earlier ones only
  ScenarioPlugin workload{};
  AxisValues mesh{};  // sizes, as Mesh::over() takes them
  std::vector<ScenarioFault> faults{};
  std::vector<ScenarioPlugin> checks{};
  Design design{};
  Expectation expect{};
};

}  // namespace grit
