// grit score: do the health checks catch it? A scorecard of finished runs.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "analysis/report/export/score_json.hpp"
#include "analysis/report/score_runs.hpp"
#include "analysis/report/text/score_text.hpp"
#include "harness/base/units.hpp"
#include "harness/cli/arguments.hpp"
#include "harness/cli/commands.hpp"
#include "harness/health/check.hpp"
#include "injectors/injector.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

struct ScoreCommand {
  std::vector<std::string> places{};
  std::string out{}, alarm = "warning", min{}, max{}, fault{};
  bool json = false;
};

/// Runs below a directory: itself, or all that are in it (a series has its trials in a folder).
std::vector<fs::path> runs_in(const fs::path& place) {
  std::error_code error;
  if (fs::exists(place / "plan.json", error)) return {place};
  std::vector<fs::path> runs;
  for (fs::recursive_directory_iterator entry(place, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().filename() == "plan.json") runs.push_back(entry->path().parent_path());
  std::sort(runs.begin(), runs.end());
  return runs;
}

/// Of the dose where the fault has one, else of how long it lasts.
DamageCell cell_of(const PlannedFault& fault) {
  DamageCell cell{.fault = fault.name};
  const Injector* injector = find_injector(fault.name);
  const std::string dose = injector != nullptr ? injector->info().dose.param : "";
  if (dose.empty() || !fault.params.contains(dose)) {
    const bool ends = !fault.pulses.empty() && fault.pulses.front().end_ns >= 0;
    if (!ends) return cell;
    const std::int64_t length_ns = fault.pulses.front().end_ns - fault.pulses.front().start_ns;
    cell.magnitude = format_quantity(length_ns, Unit::time_ns);
    cell.unit = "s", cell.dose = static_cast<double>(length_ns) / kNsPerS;
    return cell;
  }
  const auto& params = injector->info().params;
  const auto spec = std::find_if(params.begin(), params.end(), [&](const ParamSpec& one) { return one.name == dose; });
  const Json& value = fault.params.at(dose);
  if (spec == params.end() || !value.is_number()) return cell;
  cell.magnitude = fmt::format("{} {}", dose, format_quantity(value, spec->unit));
  const double number = value.get<double>();
  cell.dose = spec->unit == Unit::time_ns ? number / kNsPerS : number;
  if (spec->unit == Unit::time_ns) cell.unit = "s";
  if (spec->unit == Unit::bytes || spec->unit == Unit::size_bytes) cell.unit = "bytes";
  if (spec->unit == Unit::bits_per_s) cell.unit = "bit/s";
  if (spec->unit == Unit::fraction) cell.unit = "share";
  cell.harm_grows = injector->info().dose.no_effect < number;
  return cell;
}

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

void describe_checks(ScoreInput& input) {
  for (ScoredCheck& one : input.checks)
    if (const Check* check = find_check(one.name)) one.unproven = check->info.untripped;
}

Result<int> score_runs(const ScoreCommand& command) {
  ScoreInput input;
  std::size_t runs = 0;
  for (const std::string& place : command.places) {
    const std::vector<fs::path> found = runs_in(place);
    if (found.empty())
      return usage_error(fmt::format("{} is no run directory and has none in it (a run has a plan.json)", place));
    for (const fs::path& run : found) GRIT_CHECK(add_finished_run(input, run, cell_of));
    runs += found.size();
  }
  describe_checks(input);
  input.origin.scenario = fmt::format("{} runs", runs);
  input.origin.command = "grit score";
  for (const std::string& place : command.places) input.origin.command += " " + place;
  const Scorecard card = score(input, command.alarm == "critical" ? AlarmFrom::critical : AlarmFrom::warning);
  GRIT_TRY(const auto demand, demand_of(command, input, card));
  const fs::path out = command.out.empty() ? fs::path(command.places.front()) : fs::path(command.out);
  GRIT_TRY(const fs::path page, write_scorecard(out, input, card, demand));
  fmt::print("{}", command.json ? json_text(to_json(input, card), 1) + "\n" : score_text(input, card, demand, page));
  return demand ? static_cast<int>(demand->decision) : 0;
}

}  // namespace

void add_score(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("score", "do the health checks catch it? A scorecard of finished runs");
  command->footer(
      "Runs with one fault on one node, sham blocks (design = { sham = true }) and checks; each fault block is an "
      "injection.\n"
      "exit code: 0; with --min or --max: 0 met, 1 not met, 2 cannot tell yet\n"
      "example: grit score runs/link_flap/20261123T081500Z-7 runs/link_mtu --out scores/monday --min recall=90%");
  auto options = std::make_shared<ScoreCommand>();
  command->add_option("run", options->places, "run directories, or directories with runs in them")->required();
  command->add_option("--out", options->out,
                      "where score.html, score.json and score.csv go (default: the first place)");
  command->add_option("--alarm", options->alarm, "from where on an outcome is an alarm: warning or critical")
      ->check(one_of({"warning", "critical"}))
      ->capture_default_str();
  command->add_option("--min", options->min,
                      "recall=90%: each kind of damage is found in so many injections, with 95 % confidence");
  command->add_option("--for", options->fault, "--min for the kinds of this fault only");
  command->add_option("--max", options->max,
                      "false_alarms=0.1/h: no check alarms more often on a healthy node, with 95 % confidence");
  command->add_flag("--json", options->json, "print score.json on standard output and nothing else");
  command->callback([options, &action] { action = [options] { return score_runs(*options); }; });
}

}  // namespace grit
