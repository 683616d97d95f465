// grit score: do the health checks catch it? Runs the kinds of damage of a scenario, one after another, and makes a
// scorecard; or makes one of runs that are finished.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "analysis/report/export/score_json.hpp"
#include "analysis/report/score_runs.hpp"
#include "analysis/report/text/score_text.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/base/printable.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/base/shortened.hpp"
#include "harness/base/units.hpp"
#include "harness/cli/arguments.hpp"
#include "harness/cli/commands.hpp"
#include "harness/cli/damage_cell.hpp"
#include "harness/cli/finished_runs.hpp"
#include "harness/cli/scenario_options.hpp"
#include "harness/cli/shipped_scenarios.hpp"
#include "harness/health/check.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/damage_runs.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUsualAlarm = "warning";

struct ScoreCommand {
  std::vector<std::string> places{};
  ScenarioOptions scenario{};
  std::string out{}, alarm = kUsualAlarm, min{}, max{}, fault{}, time{};
  int port = 0;
  bool json = false;
  const CLI::App* app = nullptr;

  [[nodiscard]] bool was_given(const char* option) const { return app->get_option(option)->count() > 0; }
};

/// "recall=90%", "false_alarms=0.1/h".
Result<double> demanded(const std::string& text, const std::string& name, const std::string& example) {
  const Failure wrong = usage_error(fmt::format("{}: write it as {}", text, example));
  if (!text.starts_with(name + "=")) return wrong;
  const std::string value = text.substr(name.size() + 1);
  if (value.ends_with("%")) {
    const auto share = parse_quantity(value, Unit::fraction);
    if (!share) return wrong;
    return share->get<double>();
  }
  double number = 0;
  const char* end = value.data() + value.size() - (value.ends_with("/h") ? 2 : 0);
  const auto [rest, error] = std::from_chars(value.data(), end, number);
  if (error != std::errc() || rest != end || number < 0) return wrong;
  return number;
}

Result<std::optional<DemandResult>> demand_of(const ScoreCommand& command, const ScoreInput& input,
                                              const Scorecard& card) {
  std::optional<DemandResult> result;
  if (!command.min.empty()) {
    GRIT_TRY(const double least, demanded(command.min, "recall", "--min recall=90%"));
    result = demand_recall(input, card, least, command.fault);
  }
  if (command.max.empty()) return result;
  GRIT_TRY(const double most, demanded(command.max, "false_alarms", "--max false_alarms=0.1/h"));
  DemandResult other = demand_false_alarms(input, card, most);
  // Both are asked: not met before cannot tell before met.
  const auto is_worse = [](DemandDecision one) {
    return one == DemandDecision::not_met ? 2 : one == DemandDecision::cannot_tell ? 1 : 0;
  };
  if (!result || is_worse(other.decision) > is_worse(result->decision)) result = std::move(other);
  return result;
}

bool names_damage(const std::string& set) { return set.starts_with(std::string(kDamageOption) + "="); }

/// The command as it was given, without --damage, --out, --time and what only says how to score.
std::vector<std::string> words_of(const ScoreCommand& command) {
  const ScenarioOptions& options = command.scenario;
  std::vector<std::string> words{"grit", "score", command.places.front()};
  for (const std::string& set : options.sets)
    if (!names_damage(set)) words.insert(words.end(), {"--set", set});
  if (options.nodes) words.insert(words.end(), {"-n", std::to_string(*options.nodes)});
  if (options.ranks_per_node) words.insert(words.end(), {"--ranks-per-node", std::to_string(*options.ranks_per_node)});
  if (options.seed) words.insert(words.end(), {"--seed", std::to_string(*options.seed)});
  if (options.pairs) words.insert(words.end(), {"--pairs", std::to_string(*options.pairs)});
  if (command.port != 0) words.insert(words.end(), {"--port", std::to_string(command.port)});
  const std::vector<std::string> allowed = options.allow.words();
  words.insert(words.end(), allowed.begin(), allowed.end());
  return words;
}

/// What only says how to score, if it is not as it comes.
std::vector<std::string> scoring_words(const ScoreCommand& command) {
  std::vector<std::string> words;
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {option, value});
  };
  add("--min", command.min);
  add("--max", command.max);
  add("--for", command.fault);
  if (command.alarm != kUsualAlarm) words.insert(words.end(), {"--alarm", command.alarm});
  if (command.json) words.emplace_back("--json");
  return words;
}

/// The command that makes the same scorecard again: with what was chosen when it was planned.
std::string again_command(const ScoreCommand& command, const Damages& damages) {
  std::vector<std::string> words = damages.command_line;
  const auto add = [&](const std::string& option, const std::string& value) {
    if (std::find(words.begin(), words.end(), option) == words.end()) words.insert(words.end(), {option, value});
  };
  add("-n", std::to_string(damages.nodes));
  add("--seed", std::to_string(damages.seed));
  add("--pairs", std::to_string(damages.pairs));
  if (command.alarm != kUsualAlarm) add("--alarm", command.alarm);
  return shell_command(words);
}

/// Of finished runs there is nothing left to choose.
Status check_no_scenario_options(const ScoreCommand& command) {
  for (const char* option :
       {"--set", "--nodes", "--ranks-per-node", "--seed", "--pairs", "--time", "--port", "--allow-management",
        "--allow-destructive", "--allow-command", "--allow-gpu-settings", "--max-victims", "--free-memory"})
    if (command.was_given(option))
      return usage_error(
          fmt::format("{} is for a scenario, whose runs are still to come; {} is a directory of finished "
                      "ones",
                      option, shortened(command.places.front())));
  return {};
}

Failure nothing_to_score(const ScoreInput& input) {
  std::vector<std::string> why;
  for (const NotRun& one : input.not_run) why.push_back(fmt::format("{}: {}: {}", one.damage, one.what, one.reason));
  return unavailable_error(
      fmt::format("no kind of damage could be done, so there is nothing to score; {}", fmt::join(why, "; ")));
}

Failure under_mpi(const std::string& scenario) {
  return usage_error(
      fmt::format("grit score SCENARIO makes its own cluster on this machine. On real nodes run each kind of damage by "
                  "itself and score what came of it: mpirun ... grit run {} --damage NAME --out DIRECTORY/NAME, then, "
                  "without mpirun, grit score DIRECTORY",
                  shell_word(scenario)));
}

void describe_checks(ScoreInput& input) {
  for (ScoredCheck& one : input.checks)
    if (const Check* check = find_check(one.name)) one.unproven = check->info.untripped;
}

/// "2026-11-23 08:15 UTC" of utc_stamp()'s "20261123T081500Z"; what is none stays as it is.
std::string readable_time(const std::string& stamp) {
  if (stamp.size() != 16 || stamp[8] != 'T') return stamp;
  const std::string_view all = stamp;
  return fmt::format("{}-{}-{} {}:{} UTC", all.substr(0, 4), all.substr(4, 2), all.substr(6, 2), all.substr(9, 2),
                     all.substr(11, 2));
}

void set_origin(ScoreInput& input, const ScoreCommand& command, const FinishedRuns& found) {
  if (const auto run = read_json(found.runs.front() / "run.json"); run && run->is_object())
    input.origin.started_utc = readable_time(text_at(*run, "started_utc"));
  if (const auto& damages = found.damages) {
    input.origin.scenario = damages->scenario, input.origin.seed = damages->seed;
    input.origin.command = again_command(command, *damages);
    return;
  }
  input.origin.scenario = fmt::format("{} runs", found.runs.size());
  std::vector<std::string> words{"grit", "score"};
  words.insert(words.end(), command.places.begin(), command.places.end());
  if (command.alarm != kUsualAlarm) words.insert(words.end(), {"--alarm", command.alarm});
  input.origin.command = shell_command(words);
}

/// Of finished runs.
Result<int> score_runs(const ScoreCommand& command) {
  GRIT_TRY(const FinishedRuns found, find_finished_runs(command.places));
  ScoreInput input;
  input.not_run = found.not_run;
  if (found.runs.empty()) return nothing_to_score(input);
  for (const fs::path& run : found.runs) GRIT_CHECK(add_finished_run(input, run, damage_cell));
  describe_checks(input);
  set_origin(input, command, found);
  const Scorecard card = score(input, command.alarm == "critical" ? AlarmFrom::critical : AlarmFrom::warning);
  GRIT_TRY(const auto demand, demand_of(command, input, card));
  const fs::path out = command.out.empty() ? fs::path(command.places.front()) : fs::path(command.out);
  GRIT_TRY(const fs::path page, write_scorecard(out, input, card, demand));
  fmt::print("{}", command.json ? json_text(to_json(input, card), 1) + "\n" : score_text(input, card, demand, page));
  const bool any_failed = std::any_of(input.not_run.begin(), input.not_run.end(),
                                      [](const NotRun& one) { return one.what != "not run here"; });
  if (demand && demand->decision == DemandDecision::not_met) return static_cast<int>(DemandDecision::not_met);
  return static_cast<int>(any_failed ? DemandDecision::cannot_tell : demand ? demand->decision : DemandDecision::met);
}

/// The command that goes on with what was interrupted.
std::string go_on_command(const ScoreCommand& command, const fs::path& directory) {
  std::vector<std::string> words = words_of(command);
  for (const std::string& set : command.scenario.sets)
    if (names_damage(set)) words.insert(words.end(), {"--damage", set.substr(set.find('=') + 1)});
  const std::vector<std::string> scoring = scoring_words(command);
  words.insert(words.end(), scoring.begin(), scoring.end());
  words.insert(words.end(), {"--out", directory.string()});
  return shell_command(words);
}

Result<DamageSetup> setup_of(const ScoreCommand& command) {
  ScenarioOptions options = command.scenario;
  GRIT_TRY(FoundScenario found, options.find());
  GRIT_TRY(const Topology topology, options.local_topology_or_error());
  GRIT_TRY(const Allowed allowed, options.allow.allowed());
  DamageSetup setup{.file = std::move(found.file),
                    .source = std::move(found.source),
                    .seed = options.seed,
                    .fresh_seed = options.choose_seed(),
                    .allowed = allowed,
                    .topology = topology,
                    .directory = command.out,
                    .command_line = words_of(command),
                    .json = command.json,
                    .port = command.port};
  if (options.pairs) setup.pairs = *options.pairs;
  for (auto& set : found.sets) {
    if (set.first == kDamageOption)
      setup.chosen.push_back(std::move(set.second));
    else
      setup.sets.push_back(std::move(set));
  }
  if (command.time.empty()) return setup;
  const auto most = parse_quantity(command.time, Unit::time_ns);
  if (!most) return with_context(most.error(), "--time");
  setup.most_ns = most->get<std::int64_t>();
  return setup;
}

Result<int> score_scenario(const ScoreCommand& command) {
  GRIT_TRY(const bool in_job, started_by_mpi());
  if (in_job) return run_in_job([&](const Job&) -> Result<int> { return under_mpi(command.scenario.scenario); });
  GRIT_TRY(const DamageSetup setup, setup_of(command));
  GRIT_TRY(const DamagesEnd end, run_damages(setup));
  if (end.interrupted) {
    const auto finished = std::count_if(end.damages.all.begin(), end.damages.all.end(),
                                        [](const Damage& one) { return one.state == Damage::State::finished; });
    fmt::print(stderr, "grit: interrupted, with {} of {} kinds of damage finished. Go on: {}\n", finished,
               end.damages.all.size(), printable(go_on_command(command, end.directory)));
    return static_cast<int>(DemandDecision::cannot_tell);
  }
  ScoreCommand finished = command;
  finished.places = {end.directory.string()};
  finished.out.clear();
  return score_runs(finished);
}

/// A scenario is a Lua file or the name of one that comes with grit; directories are finished runs.
Result<int> score_what_is_named(const ScoreCommand& command) {
  std::vector<std::string> scenarios;
  for (const std::string& place : command.places) {
    std::error_code unreadable;
    if (fs::is_directory(place, unreadable)) continue;
    const auto found = find_scenario(place);
    if (!found || found->extension() != ".lua" || !fs::is_regular_file(*found, unreadable))
      return usage_error(
          fmt::format("{}: neither a directory with finished runs nor a scenario: name a Lua file or one that comes "
                      "with grit (`grit "
                      "list scenarios`; `grit score scorecard` runs grit's own), or directories of runs",
                      shortened(place)));
    scenarios.push_back(place);
  }
  if (scenarios.empty()) {
    GRIT_CHECK(check_no_scenario_options(command));
    return score_runs(command);
  }
  if (command.places.size() > 1)
    return usage_error(
        fmt::format("a scorecard is run of one scenario at a time: grit score {}; several that are finished make one "
                    "together: grit "
                    "score DIRECTORY DIRECTORY ...",
                    shell_word(scenarios.front())));
  ScoreCommand one = command;
  one.scenario.scenario = scenarios.front();
  return score_scenario(one);
}

}  // namespace

void add_score(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "score", "do the health checks catch it? A scorecard of a scenario's damages, or of finished runs");
  command->footer(
      "A scenario: each choice of its option `damage` is run on a cluster of this machine, --damage NAME (repeated: "
      "several)\nonly that; called again with the same --out it goes on where it was cut off.\n"
      "Finished runs: with one fault on one node, sham blocks (design = { sham = true }) and checks; each fault block "
      "is an injection.\n"
      "exit code: 0; with --min or --max: 0 met, 1 not met, 2 cannot tell yet; 2 also when a kind of damage failed, or "
      "was interrupted\n"
      "--min judges the kinds of damage that were done: what cannot be done here is listed, and changes no exit code\n"
      "examples: grit score scorecard --out scores/monday\n"
      "          grit score scorecard --damage link_down_1s --damage one_cpu --time 10min\n"
      "          grit score runs/link_flap/20261123T081500Z-7 runs/link_mtu --out scores/tuesday --min recall=90%");
  auto options = std::make_shared<ScoreCommand>();
  options->app = command;
  command
      ->add_option("scenario", options->places,
                   "a scenario to run (its Lua file, or the name of one that comes with grit); or directories with "
                   "finished runs")
      ->required();
  command->add_option("--out", options->out,
                      "where all runs and the scorecard go (default: scores/<scenario>/<UTC time>-<seed>; of finished "
                      "runs: the first directory)");
  command->add_option("--time", options->time,
                      "how long all runs together may take, e.g. 1h: then there are fewer injections of each kind; "
                      "refused when there is not time for 6");
  options->scenario.add_flags_to(*command);
  add_port_option(*command, options->port);
  command->add_option("--alarm", options->alarm, "from where on an outcome is an alarm: warning or critical")
      ->check(one_of({"warning", "critical"}))
      ->capture_default_str();
  command->add_option("--min", options->min,
                      "recall=90%: each kind of damage is found in so many injections, with 95 % confidence");
  command->add_option("--for", options->fault, "--min for the kinds of this fault only");
  command->add_option("--max", options->max,
                      "false_alarms=0.1/h: no check alarms more often on a healthy node, with 95 % confidence");
  command->add_flag("--json", options->json, "print score.json on standard output and nothing else");
  command->callback([options, &action] { action = [options] { return score_what_is_named(*options); }; });
}

}  // namespace grit
