#include "harness/scenario/tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/base/result.hpp"
#include "harness/model/burnin.hpp"
#include "harness/model/scenario.hpp"

namespace grit {
namespace {

/// "\"hang\"|\"rank_death\""
template <class Words>
std::string one_of(const Words& words) {
  std::string text;
  for (const auto& word : words) text += fmt::format("{}\"{}\"", text.empty() ? "" : "|", word);
  return text;
}

std::vector<std::string_view> names_of_kinds() {
  std::vector<std::string_view> names;
  for (const BurninKind& kind : kBurninKinds) names.push_back(kind.name);
  return names;
}

/// A part that may also be a function of the options.
std::string part(const std::string& type) { return fmt::format("{0}|fun(o: grit.options): {0}", type); }

std::vector<ScenarioTable> tables_of_run() {
  constexpr bool kRequired = true;
  return {
      {"grit.option",
       "One option, changed by --set NAME=VALUE or --NAME VALUE. Beside these keys it has its default, as [1].",
       {{"help", "string", "one line for people"},
        {"unit",
         "\"count\"|\"number\"|\"time\"|\"bytes\"|\"size\"|\"bit rate\"|\"fraction\"|\"FLOP "
         "rate\"|\"text\"|\"boolean\"",
         "values that are not of it are refused; a default such as \"1s\" says it itself"},
        {"choices", "string[]", "the only values allowed"},
        {"min", "string|number", "the least value allowed"},
        {"max", "string|number", "the greatest value allowed"}}},
      {"grit.mesh",
       "How the ranks share the work, laid out as Megatron does it: tp fastest, then dp, then pp.",
       {{"dp", "grit.count",
         "data parallel: so many copies of the model (default: what the others leave of the ranks)"},
        {"tp", "grit.count", "tensor parallel: so many ranks share each layer (default 1)"},
        {"pp", "grit.count", "pipeline parallel: so many stages of layers (default 1)"},
        {"ep", "grit.count", "expert parallel: so many ranks of dp share the experts; divides dp (default 1)"}}},
      {"grit.coordinates",
       "Of ranks, counted from 0; of several axes all must hold.",
       {{"dp", "grit.count", ""},
        {"tp", "grit.count", ""},
        {"pp", "grit.count", "the pipeline stage"},
        {"ep", "grit.count", "the share of the experts; dp modulo the size of ep"},
        {"edp", "grit.count", "among those that hold the same experts; dp divided by the size of ep"}}},
      {"grit.design",
       "How it is measured.",
       {{"pairs", "grit.count", "pairs of a baseline and a fault block; 6 to 1000 (default 8)"},
        {"max_pairs", "grit.count", "up to so many when it is not clear after `pairs` (default: `pairs`)"},
        {"block", "grit.time|grit.steps", "how long a block is: \"3s\" and four steps that begin after it, or \"40 steps\", or 40", kRequired},
        {"settle", "grit.steps", "first steps of every block, left out of the measurement (default 1)"},
        {"warmup", "grit.steps", "steps before the first block (default 5)"},
        {"hang", "grit.time", "a step that takes longer ends the run, with the outcome \"hang\" (default \"60s\")"},
        {"sham", "boolean",
         "a third block in every pair, in which everything is done but the fault itself (default false)"},
        {"recovery", "grit.time", "after every fault block one without the fault, for so long (default 0: none)"},
        {"restarts", "grit.count",
         "after a rank's death or a node's loss the job starts again from its last checkpoint, at most so many times; "
         "1 to 100 (default 0: the run ends)"},
        {"link_test", "boolean",
         "measures the links between nodes as well, so that a slow one can be named (default false)"}}},
      {"grit.slowdown",
       "At least one of the two.",
       {{"at_least", "grit.fraction", "met when the whole confidence interval of the slowdown lies above it"},
        {"at_most", "grit.fraction", "met when the whole confidence interval lies within plus and minus it"}}},
      {"grit.throughput",
       "At least one of the two: shares of the baseline's steps a second.",
       {{"at_least", "grit.fraction", "met when the whole confidence interval of the share lies above it"},
        {"at_most", "grit.fraction", "met when the whole confidence interval of the share lies below it"}}},
      {"grit.culprit",
       "Who the analysis must name; at least one of the two.",
       {{"node", "grit.nodes", "one of these nodes; \"any\", \"all\" and a share: one of those with a fault"},
        {"resource", one_of(kResources), "what is short"}}},
      {"grit.wrong_values",
       "Values that ranks receive are wrong, and the analysis must name who sent them.",
       {{"from", "grit.nodes", "ranks of these nodes; \"any\", \"all\" and a share: of those with a fault",
         kRequired}}},
      {"grit.recovers",
       "",
       {{"within", "grit.time",
         "met when the interval over blocks of the time until steps are as before lies within; `design.recovery` is at "
         "least as long",
         kRequired}}},
      {"grit.restart",
       "At least one of the three.",
       {{"detected_within", "grit.time", "met when after each death the end of the job was ordered within"},
        {"back_within", "grit.time",
         "met when after each death the job was within that where it had been: started again, and the lost steps "
         "complete"},
        {"goodput_at_least", "grit.fraction",
         "met when the steps that count, at the baseline's step time, are such a share of the whole time"}}},
      {"grit.expect",
       "What is claimed: at least one of the first seven.",
       {{"slowdown", "grit.slowdown", "of the fault blocks against the baseline blocks"},
        {"p99", "grit.slowdown", "the same of the 99th percentile step time of a block"},
        {"throughput", "grit.throughput", "steps a second, as a share of the baseline's"},
        {"checks", "table<string, \"fails\"|\"passes\">", "what checks of the scenario do under the fault"},
        {"wrong_values", "grit.wrong_values", "who sends wrong values"},
        {"restart", "grit.restart", "with design.restarts: how the job comes back; alone"},
        {"outcome", one_of(kExpectableOutcomes), "how the run ends; alone"},
        {"culprit", "grit.culprit", "who it is"},
        {"recovers", "grit.recovers", "with design.recovery: how soon steps are as before"}}},
      {"grit.scenario.params",
       "Every part but name, summary and options may also be a function of the options' values.",
       {{"name", "string", "letters, digits, _ and -; the run directory is named after it", kRequired},
        {"summary", "string", "one line: what is asked"},
        {"options", "table<string, grit.option|string|number|boolean>",
         "what --set can change: { \"1s\", help = \"...\" }, or the default alone"},
        {"workload", part("grit.Workload"), "what is run", kRequired},
        {"mesh", part("grit.mesh"), "how its ranks share the work (default: all of them on dp)"},
        {"faults", part("grit.Fault[]"), "none: baseline against baseline"},
        {"design", part("grit.design"), "how it is measured", kRequired},
        {"checks", part("grit.Check[]"), "health checks made in every block"},
        {"expect", part("grit.expect"), "required, but for a search with a slowdown or an outcome"},
        {"search", part("grit.Search"), "a series of trials instead of one run"},
        {"drive",
         "fun(trial: fun(options: table<string, grit.quantity|string|number|boolean>): grit.TrialResult): "
         "grit.DriveEnd",
         "or one in which each trial decides on the next"},
        {"trials", "grit.count", "with drive: at most so many trials (default 100)"}}}};
}

std::vector<ScenarioTable> tables_of_series() {
  constexpr bool kRequired = true;
  return {{"grit.search.threshold.params",
           "",
           {{"option", "string", "the option whose value is the dose; it is a quantity", kRequired},
            {"from", "grit.quantity|string|number", "the least dose", kRequired},
            {"to", "grit.quantity|string|number", "the greatest", kRequired},
            {"kind", "\"magnitude\"|\"yes_no\"|\"escalate\"",
             "default \"magnitude\" with a slowdown, \"escalate\" with an outcome, else \"yes_no\""},
            {"slowdown", "grit.fraction", "what counts as slowed (magnitude: default \"10%\")"},
            {"outcome", one_of(kExpectableOutcomes), "what the dose is to bring about"},
            {"check", "string", "yes_no: that this check fails more often"},
            {"trials", "grit.count",
             "at most so many (default: as many as a search needs in most cases); for escalate, so many steps (default "
             "12)"},
            {"resolution", "grit.fraction", "how exactly the threshold is to be known, 1% and more (default \"10%\")"},
            {"noise", "grit.fraction", "yes_no: how often an answer far from the threshold is wrong (default \"10%\")"},
            {"scale", "\"log\"|\"linear\"", "how doses are spread (default \"log\")"},
            {"harm", "\"grows\"|\"falls\"", "with the dose (escalate: default \"grows\"; else learnt from the ends)"}}},
          {"grit.search.minimal.params", "", {{"trials", "grit.count", "at most so many (default 100)"}}},
          {"grit.DriveEnd",
           "What drive returns.",
           {{"verdict", "\"reproduced\"|\"not_reproduced\"|\"inconclusive\"", "", kRequired},
            {"text", "string", "the one sentence that says what was found", kRequired}}}};
}

std::vector<ScenarioTable> tables_of_burnin() {
  constexpr bool kRequired = true;
  return {
      {"grit.burnin",
       "What a file of scenarios/burnin returns.",
       {{"name", "string", "letters, digits, _ and -; the directory of its results is named after it", kRequired},
        {"summary", "string", "one line: what it is for"},
        {"rounds", "grit.burnin.round[]", "what every node goes through, in this order", kRequired},
        {"limits", "table<string, grit.burnin.limits>", "by measure: what differs from the measure's own"},
        {"checks", "grit.Check[]", "for the kind \"checks\" (default: all that need no parameters)"},
        {"must_match", fmt::format("({})[]", one_of(kBurninFacts)),
         "facts in which a node that is unlike most of its class is bad (default: cores, numa_nodes, memory_bytes, "
         "gpus, nics, nic_speed, nic_mtu, pcie_width, pcie_speed)"},
        {"false_bad", "grit.fraction", "how probable it is that any healthy node is called bad (default \"1%\")"},
        {"confirm_visits", "grit.count", "how often a suspect is measured again before it is judged (default 6)"},
        {"looks", "grit.count",
         "how often a suspect is judged, after twice as many visits each time, before it stays unclear (default 3)"},
        {"cycles", "grit.count", "how often all rounds are gone through (default 1)"}}},
      {"grit.burnin.round",
       "Kinds or a scenario.",
       {{"name", "string", "letters, digits, _ and -", kRequired},
        {"kinds", fmt::format("({})[]", one_of(names_of_kinds())), "what is measured in each cell, in this order"},
        {"scenario", "string", "or an ordinary run in each cell: the name of a scenario, or its file"},
        {"options", "table<string, grit.quantity|string|number|boolean>", "of the scenario, as --set gives them"},
        {"shape", "\"node\"|\"pair\"|\"group\"",
         "how many nodes a cell has: one; two, with the link between them; several (default: as the kinds need it; of "
         "a "
         "scenario \"group\")"},
        {"sizes", "grit.count[]", "of groups, in nodes, one after the other; 0: all together (default { 0 })"},
        {"visits", "grit.count", "how often each node is measured, in pairs with so many partners (default 1)"},
        {"ranks_per_node", "grit.count", "of pairs and groups (default 1)"},
        {"length", "grit.time", "how long each kind measures (default \"1s\")"},
        {"limit", "grit.time", "a cell that takes longer is ended (default \"60s\")"},
        {"alone", "boolean",
         "where nodes share cores, no other cell runs meanwhile, since it measures rates (default true)"}}},
      {"grit.burnin.limits",
       "",
       {{"tolerance", "grit.fraction",
         "worse than its peers by no more than this is good; of link_loss the share of segments that is good"},
        {"spread", "grit.fraction",
         "one standard deviation of how healthy nodes of a class differ; stating it says that their tails are not "
         "heavy"},
        {"at_least", "grit.quantity|string",
         "a node below it is bad, whatever its peers are; of what is better higher"},
        {"at_most", "grit.quantity|string",
         "the same above it; of what is better lower, and of carrier_losses (default: none)"}}}};
}

}  // namespace

std::vector<std::string> ScenarioTable::names() const {
  std::vector<std::string> names;
  for (const TableKey& key : keys) names.push_back(key.name);
  return names;
}

const std::vector<ScenarioTable>& scenario_tables() {
  static const std::vector<ScenarioTable> tables = [] {
    std::vector<ScenarioTable> all = tables_of_run();
    for (auto* more : {tables_of_series, tables_of_burnin})
      for (ScenarioTable table : more()) all.push_back(std::move(table));
    return all;
  }();
  return tables;
}

const ScenarioTable& scenario_table(std::string_view lua_class) {
  const auto& tables = scenario_tables();
  const auto found =
      std::find_if(tables.begin(), tables.end(), [&](const ScenarioTable& one) { return one.lua_class == lua_class; });
  GRIT_ASSERT(found != tables.end());
  return *found;
}

}  // namespace grit
