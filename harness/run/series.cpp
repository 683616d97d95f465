#include "harness/run/series.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "analysis/report/finish.hpp"
#include "analysis/series/search.hpp"
#include "analysis/series/trial.hpp"
#include "harness/agent/node_lock.hpp"
#include "harness/base/caught.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/base/printable.hpp"
#include "harness/os/identity.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/held_signals.hpp"
#include "harness/scenario/planner.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

using TrialExecutor = std::function<Result<fs::path>(const Execution&)>;

/// The faults' names, or their labels; numbered where they are the same.
std::vector<std::string> names_of(const std::vector<ScenarioFault>& faults) {
  std::vector<std::string> names;
  std::map<std::string, int> seen;
  for (const ScenarioFault& fault : faults) {
    const std::string& name = fault.timing.label.empty() ? fault.name : fault.timing.label;
    const int number = ++seen[name];
    names.push_back(number == 1 ? name : fmt::format("{} (no. {})", name, number));
  }
  return names;
}

Series new_series(const SeriesSetup& setup) {
  const Scenario& scenario = setup.loaded.scenario;
  return Series{.scenario = scenario.name,
                .summary = scenario.summary,
                .file = scenario.file,
                .seed = setup.seed,
                .sets = setup.sets,
                .nodes = static_cast<int>(setup.topology.nodes.size()),
                .ranks_per_node = static_cast<int>(setup.topology.nodes.front().ranks.size()),
                .local_cluster = setup.topology.local_cluster,
                .command_line = setup.command_line,
                .faults = names_of(scenario.faults),
                .search = setup.loaded.search};
}

class SeriesRunner {
 public:
  SeriesRunner(const SeriesSetup& setup, TrialExecutor execute)
      : setup_(setup),
        execute_(std::move(execute)),
        series_(setup.earlier ? *setup.earlier : new_series(setup)),
        recorded_(series_.trials.size()) {}

  Result<int> run() {
    // What would refuse a trial refuses the series, before there is a directory.
    GRIT_TRY(const Plan first, plan_trial(Trial{}));
    GRIT_CHECK(check_guards(first));
    series_.emulated = first.emulated;
    GRIT_CHECK(make_directory());
    const Status went = series_.search.kind == SearchSpec::Kind::drive ? drive() : search();
    if (!went && !series_.interrupted) return ended_by(went.error());
    GRIT_CHECK(save());
    if (auto finished = finish_series(directory_); !finished)
      return with_context(finished.error(), "cannot finish the series");
    return print_verdict(directory_, setup_.json);
  }

 private:
  Status make_directory() {
    directory_ = setup_.directory;
    if (directory_.empty())
      directory_ = fs::path("runs") / series_.scenario / fmt::format("{}-{}", utc_stamp(realtime_ns()), series_.seed);
    directory_ = fs::absolute(directory_).lexically_normal();
    if (setup_.earlier) return {};
    GRIT_CHECK(create_run_directory(directory_));
    std::error_code ignored;
    for (const char* of_a_run : {"env", "journal"}) fs::remove(directory_ / of_a_run, ignored);
    GRIT_CHECK(write_file_durably(directory_ / "scenario.lua", setup_.loaded.scenario.source));
    GRIT_CHECK(save());
    return {};
  }

  /// An error of the harness: said in series.json and the verdict, and nothing is left when nothing was measured.
  Result<int> ended_by(const Error& error) {
    const bool any = std::any_of(series_.trials.begin(), series_.trials.end(),
                                 [](const Trial& trial) { return trial.result.has_value(); });
    std::error_code ignored;
    if (!any && error.kind != ErrorKind::internal) fs::remove_all(directory_, ignored);
    if (any) {
      series_.error = error.message;
      GRIT_CHECK(save());
      if (auto finished = finish_series(directory_); !finished) return tl::make_unexpected(finished.error());
    }
    return Failure(error);
  }

  Status save() const { return write_file_durably(directory_ / "series.json", json_text(to_json(series_), 1) + "\n"); }

  Status search() {
    while (!series_.interrupted) {
      const auto request = next_trial(series_);
      if (!request) return {};
      Trial trial{.dose = request->dose, .faults = request->faults, .why = request->why};
      if (trial.dose) trial.overrides = {{series_.search.option, dose_text(series_.search, *trial.dose)}};
      GRIT_CHECK(run_trial(std::move(trial)));
    }
    return {};
  }

  Status drive() {
    std::size_t asked = 0;
    const auto trial = [&](const Overrides& overrides) -> Result<Json> {
      if (asked < recorded_) return recorded(asked++, overrides);
      ++asked;
      if (static_cast<std::int64_t>(series_.trials.size()) >= series_.search.trials)
        return usage_error(fmt::format("{}: drive asked for more than {} trials: raise `trials` in the scenario",
                                       series_.file, series_.search.trials));
      GRIT_CHECK(run_trial(Trial{.overrides = overrides}));
      if (series_.interrupted) return internal_error("interrupted");
      return to_json(*series_.trials.back().result);
    };
    GRIT_TRY(const DriveEnd end, drive_scenario(series_.file, setup_.loaded.scenario.source, series_.sets, trial));
    series_.said_verdict = end.verdict;
    series_.said_text = end.text;
    return {};
  }

  /// A trial from before the series was cut off: drive() comes to it again.
  [[nodiscard]] Result<Json> recorded(std::size_t index, const Overrides& overrides) const {
    const Trial& trial = series_.trials[index];
    if (trial.overrides == overrides) return to_json(*trial.result);
    return internal_error(
        fmt::format("drive() asked for another trial {} than before the series was cut off", trial.number));
  }

  [[nodiscard]] Result<Plan> plan_trial(const Trial& trial) const {
    Overrides all = series_.sets;
    all.insert(all.end(), trial.overrides.begin(), trial.overrides.end());
    GRIT_TRY(LoadedScenario loaded, evaluate_scenario(series_.file, setup_.loaded.scenario.source, all));
    return make_plan(
        loaded.scenario, setup_.topology,
        PlanRequest{.seed = series_.seed, .trial = trial.number, .allowed = setup_.allowed, .faults = trial.faults});
  }

  Status run_trial(Trial trial) {
    trial.number = static_cast<int>(series_.trials.size()) + 1;
    trial.begun_utc = utc_stamp(realtime_ns());
    GRIT_TRY(trial.boot_id, boot_id());
    auto plan = plan_trial(trial);
    if (!plan && !trial.faults) return tl::make_unexpected(plan.error());
    if (!plan) {  // a fault that follows one which is left out
      trial.result = TrialResult{.outcome = "not_planned", .sentence = plan.error().message};
      series_.trials.push_back(std::move(trial));
      return save();
    }
    series_.trials.push_back(trial);
    GRIT_CHECK(save());  // the intent
    GRIT_TRY(const fs::path directory, execute_(execution(*plan, trial)));
    GRIT_TRY(const Json document, read_json(directory / "verdict.json"));
    GRIT_TRY(const Verdict verdict, verdict_from_json(document));
    GRIT_TRY(series_.trials.back().result, trial_result(directory, verdict));
    series_.emulated = verdict.emulated;  // as the run found it: that GPUs were played shows only then
    series_.interrupted = verdict.outcome == "interrupted";
    GRIT_CHECK(save());
    if (setup_.json) return {};
    fmt::print("{}\n", printable(trial_line(series_, series_.trials.back())));
    std::fflush(stdout);
    return {};
  }

  [[nodiscard]] Execution execution(const Plan& plan, const Trial& trial) const {
    std::vector<std::string> words{"grit", "run", series_.file};
    for (const Overrides& all : {series_.sets, trial.overrides})
      for (const auto& [name, value] : all) words.insert(words.end(), {"--set", name + "=" + value});
    return Execution{
        .plan = plan,
        .scenario_source = setup_.loaded.scenario.source,
        .scenario_file = series_.file,
        .run_directory = directory_ / trial_directory(trial.number),
        .series = setup_.directory.empty() ? directory_ : fs::path(),
        .command_line = std::move(words),
        .json = setup_.json,
        .port = setup_.port,
        .heading = fmt::format("trial {} of at most {}: {}{}", trial.number, series_.search.trials,
                               trial_subject(series_, trial), trial.why.empty() ? "" : " (" + trial.why + ")")};
  }

  const SeriesSetup& setup_;
  TrialExecutor execute_;
  Series series_;
  std::size_t recorded_;  // trials from before the series was cut off
  fs::path directory_{};
};

}  // namespace

Result<int> run_series_on_local_cluster(const SeriesSetup& setup) {
  GRIT_TRY(const NodeLock lock, NodeLock::acquire());
  const HeldSignals signals;
  return SeriesRunner(setup, run_on_local_cluster).run();
}

Result<int> run_series_under_mpi(const Job& job, const SeriesSetup& setup) {
  const std::string another = "trial";
  const auto run_trial = [&](const Execution& execution) {
    auto directory = caught([&] { return run_under_mpi(job, execution); });
    if (!directory) job.all_failed_or_abort(directory.error());
    return directory;
  };
  if (job.rank() == 0) {
    const auto execute = [&](const Execution& execution) {
      static_cast<void>(job.broadcast(another));
      return run_trial(execution);
    };
    auto code = caught([&] { return SeriesRunner(setup, execute).run(); });
    const Json end{{"ok", code.has_value()}, {"code", code ? *code : static_cast<int>(code.error().kind)}};
    static_cast<void>(job.broadcast(json_text(end)));
    return code;
  }
  for (;;) {
    const std::string word = job.broadcast("");
    if (word == another) {
      static_cast<void>(run_trial({}));  // rank 0 has the same error, and ends the series
      continue;
    }
    GRIT_TRY(const Json end, parse_json(word));
    if (end.at("ok").get<bool>()) return end.at("code").get<int>();
    return Failure(Error{static_cast<ErrorKind>(end.at("code").get<int>()), ""});
  }
}

}  // namespace grit
