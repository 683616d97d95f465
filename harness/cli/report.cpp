// grit report: verdict and report.html again from the directory of a run or a series, also of a run that was cut off.
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "analysis/report/finish.hpp"
#include "analysis/verdict/cost.hpp"
#include "harness/base/printable.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/base/shortened.hpp"
#include "harness/base/units.hpp"
#include "harness/cli/commands.hpp"
#include "harness/cli/find_run.hpp"
#include "harness/cli/fleet_options.hpp"
#include "harness/model/attempt.hpp"
#include "harness/model/series.hpp"
#include "harness/run/execution.hpp"

namespace grit {

namespace {

constexpr double kMostADay = 86'400;  // once a second

/// What the run's slowdown costs a fleet that the command line describes.
struct CostOptions {
  FleetOptions fleet{};
  double per_day = 0;  // 0: not said
  std::string times_a_day{};

  void add_to(CLI::App& command) {
    fleet.add_to(command, "1");
    command.add_option("--per-day", times_a_day,
                       "how often a day such a node has the fault, for one that comes and goes: what a week costs");
  }

  /// Before anything is judged: a wrong job mix or rate is said at once.
  Status parse() {
    if (!times_a_day.empty()) {
      const auto times = parse_quantity(times_a_day, Unit::number);
      per_day = times ? times->get<double>() : 0;
      if (!(per_day > 0 && per_day <= kMostADay))
        return usage_error(fmt::format("--per-day: '{}' is not a number above 0 and up to {}, e.g. --per-day 0.5",
                                       shortened(times_a_day), kMostADay));
    }
    fleet.fleet.bad_nodes = fleet.bad_nodes.value_or(1);
    return fleet.parse();
  }

  /// What a fault costs depends on its dose: of a series there is no one cost.
  [[nodiscard]] Status check_not_asked(const std::string& series) const {
    if (!fleet.asked() && times_a_day.empty()) return {};
    const auto trial = std::filesystem::path(series) / trial_directory(1);
    return usage_error(
        fmt::format("a series has no cost of its own, each of its trials has: grit report {} with the same options",
                    shell_word(trial.string())));
  }

  void print(const Verdict& verdict) const {
    if (fleet.asked())
      fmt::print("  cost      {}\n", cost_text(fleet.fleet, verdict, per_day));
    else if (per_day > 0 && !verdict.lost_each_time)
      fmt::print("  cost      no fault that comes and goes was shown to cost anything\n");
    else if (per_day > 0)
      fmt::print("  cost      {}\n", cost_text(verdict, per_day));
  }
};

/// What else to make of the run.
struct ExportOptions {
  std::string csv{}, trace{}, steps{};
  CLI::Option* csv_option = nullptr;
  CLI::Option* trace_option = nullptr;

  void add_to(CLI::App& command) {
    csv_option = command.add_option("--csv", csv, "write CSV files to this directory (default: csv in the run's)")
                     ->expected(0, 1);
    trace_option = command
                       .add_option("--trace", trace,
                                   "write a trace for Perfetto or chrome://tracing (default: trace.json in the run's "
                                   "directory; about 700 bytes a rank and step)")
                       ->expected(0, 1);
    command.add_option("--steps", steps, "only these steps of the run in the trace: 100..200")->needs(trace_option);
  }

  /// Says on standard error what it wrote: standard output may be JSON.
  [[nodiscard]] Status write(const std::filesystem::path& run, bool is_series) const {
    Exports exports;
    if (csv_option->count() > 0) exports.csv_directory = csv.empty() ? run / "csv" : std::filesystem::path(csv);
    if (trace_option->count() > 0)
      exports.trace_file = trace.empty() ? run / "trace.json" : std::filesystem::path(trace);
    if (!steps.empty()) {
      GRIT_TRY(exports.trace_steps, parse_step_range(steps));
    }
    GRIT_TRY(const std::vector<std::string> lines, is_series ? export_series(run, exports) : export_run(run, exports));
    for (const std::string& line : lines) fmt::print(stderr, "grit: wrote {}\n", line);
    return {};
  }
};

/// Some seconds of work deserve a word.
void announce(const std::filesystem::path& run) {
  constexpr double kLargeBytes = 500e6;
  std::error_code none;
  const auto bytes = static_cast<double>(std::filesystem::file_size(run / "steps.npy", none));
  if (!none && bytes > kLargeBytes) fmt::print(stderr, "grit: judging {:.1f} GB of step records\n", bytes / 1e9);
}

/// A run with restarts keeps them until it is over, and removes them if it can.
void name_checkpoints(const std::filesystem::path& run) {
  const auto directory = checkpoint_directory(run, 1);
  std::error_code unreadable, vanished;
  if (!std::filesystem::is_directory(directory, unreadable)) return;
  double bytes = 0;
  std::filesystem::directory_iterator entry(directory, unreadable);
  for (const std::filesystem::directory_iterator end; !unreadable && entry != end; entry.increment(unreadable))
    if (const auto size = entry->file_size(vanished); !vanished) bytes += static_cast<double>(size);
  fmt::print(stderr,
             "grit: {} has {:.1f} MB of checkpoints, from which the run starts again as long as it goes on. Was it "
             "killed? Then nobody needs them: rm -r {}\n",
             printable(directory.string()), bytes / 1e6, shell_word(directory.string()));
}

}  // namespace

void add_report(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "report", "judge the directory of a run or a series again and write its report, also after a crash");
  command->footer(
      "examples: grit report            the latest run; grit report link_flap: the latest of that scenario\n"
      "          grit report runs/link_flap/20261123T081500Z-7\n"
      "          grit report runs/link_flap/20261123T081500Z-7 --fleet 8192 --jobs 1024:70%,128:30%\n"
      "          grit report runs/link_flap/20261123T081500Z-7 --csv --trace --steps 100..200");
  auto cost = std::make_shared<CostOptions>();
  cost->add_to(*command);
  auto exports = std::make_shared<ExportOptions>();
  exports->add_to(*command);
  auto run = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  command->add_option("run", *run,
                      "the directory of the run, or of the series; or a scenario's name, for its latest here (default: "
                      "the latest of all in runs/)");
  command->add_flag("--json", *json, "print verdict.json on standard output and nothing else");
  command->callback([run, json, cost, exports, &action] {
    action = [run, json, cost, exports]() -> Result<int> {
      GRIT_CHECK(cost->parse());
      GRIT_TRY(*run, find_run(*run));
      announce(*run);
      std::error_code unreadable;
      const bool series = std::filesystem::exists(std::filesystem::path(*run) / "series.json", unreadable);
      if (series) GRIT_CHECK(cost->check_not_asked(*run));
      const auto finished = series ? finish_series(*run) : finish_run(*run);
      if (!finished) return with_context(finished.error(), "cannot report " + *run);
      const auto code = print_verdict(*run, *json);
      if (!*json) cost->print(*finished);
      GRIT_CHECK(exports->write(*run, series));
      name_checkpoints(*run);
      return code;
    };
  });
}

}  // namespace grit
