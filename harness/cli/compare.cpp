// grit compare: the same workload on two days, or a series of runs: did steps become slower, where, and what else
// changed?
#include "analysis/compare/compare.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "analysis/compare/trend.hpp"
#include "analysis/report/export/csv.hpp"
#include "analysis/report/export/junit.hpp"
#include "analysis/report/page/comparison_html.hpp"
#include "analysis/report/page/trend_html.hpp"
#include "analysis/report/text/comparison_text.hpp"
#include "harness/base/files.hpp"
#include "harness/base/units.hpp"
#include "harness/cli/commands.hpp"
#include "harness/cli/fleet_options.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

Result<std::string> render(const Comparison& comparison) { return render_comparison(comparison); }
Result<std::string> render(const Trend& trend) { return render_trend(trend); }

struct CompareCommand {
  std::vector<std::string> pair{}, before{}, after{}, series{};
  std::string within = "5%";
  std::string out{}, junit{}, csv{};
  FleetOptions fleet{};
  bool force = false;
  bool json = false;

  [[nodiscard]] Result<std::vector<ComparedRun>> read(const std::vector<std::string>& names) const {
    const bool progress = !json && ::isatty(STDERR_FILENO) != 0;
    std::vector<ComparedRun> runs;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (progress) fmt::print(stderr, "\r\033[Kgrit: reading {} ({} of {})", names[i], i + 1, names.size());
      auto run = read_compared_run(names[i]);
      if (!run || i + 1 == names.size()) fmt::print(stderr, "{}", progress ? "\r\033[K" : "");
      if (!run) return tl::make_unexpected(run.error());
      runs.push_back(std::move(*run));
    }
    return runs;
  }

  [[nodiscard]] Result<double> tolerance() const {
    auto fraction = parse_quantity(within, Unit::fraction);
    if (!fraction) return with_context(std::move(fraction).error(), "--within");
    const double value = fraction->get<double>();
    if (value <= 0 || value >= 1) return usage_error("--within " + within + ": give a share above 0% and below 100%");
    return value;
  }

  /// Of a Comparison or a Trend.
  template <class Compared>
  [[nodiscard]] Status write_exports(const Compared& compared) const {
    if (!junit.empty()) GRIT_CHECK(write_file_durably(junit, junit_xml(compared)));
    if (!csv.empty()) GRIT_CHECK(write_csv(compared, csv));
    return {};
  }

  /// Where --out says, which must work; else, for people, beside the newest run, when that can be written to. Returns
  /// where it is; empty: nowhere.
  template <class Compared>
  [[nodiscard]] Result<fs::path> write_page(const Compared& compared, const fs::path& beside) const {
    if (out.empty() && json) return fs::path();
    const fs::path file = out.empty() ? beside : fs::path(out);
    GRIT_TRY(const std::string page, render(compared));
    if (auto written = write_file_durably(file, page); !written) {
      if (!out.empty()) return tl::make_unexpected(written.error());
      fmt::print(stderr, "grit: no page: {}; --out FILE puts it elsewhere\n", written.error().message);
      return fs::path();
    }
    return file;
  }

  [[nodiscard]] Result<int> compare_series(double delta) const {
    GRIT_TRY(std::vector<ComparedRun> runs, read(series));
    GRIT_CHECK(check_comparable(runs, {}, force));
    const Trend trend = find_changes(std::move(runs), delta);
    GRIT_CHECK(write_exports(trend));
    GRIT_TRY(const fs::path page, write_page(trend, fs::path(trend.points.back().run) / "series.html"));
    fmt::print("{}", json ? json_text(to_json(trend), 1) + "\n" : trend_text(trend, page));
    return trend.exit_code;
  }

  [[nodiscard]] Result<int> compare_sides(double delta) const {
    const auto& old_names = pair.empty() ? before : std::vector<std::string>{pair[0]};
    const auto& new_names = pair.empty() ? after : std::vector<std::string>{pair[1]};
    GRIT_TRY(const std::vector<ComparedRun> then, read(old_names));
    GRIT_TRY(const std::vector<ComparedRun> now, read(new_names));
    GRIT_CHECK(check_comparable(then, now, force));
    Comparison comparison = compare_runs(then, now, delta);
    if (fleet.asked()) set_fleet(comparison, fleet.fleet, fleet.bad_nodes);
    GRIT_CHECK(write_exports(comparison));
    GRIT_TRY(const fs::path page, write_page(comparison, fs::path(new_names.back()) / "compare.html"));
    fmt::print("{}", json ? json_text(to_json(comparison), 1) + "\n" : comparison_text(comparison, page));
    return exit_code(comparison.change);
  }

  [[nodiscard]] Result<int> operator()() {
    GRIT_CHECK(fleet.parse());
    GRIT_TRY(const double delta, tolerance());
    const bool sides = !before.empty() || !after.empty();
    const int ways = (pair.empty() ? 0 : 1) + (sides ? 1 : 0) + (series.empty() ? 0 : 1);
    if (ways != 1 || (!pair.empty() && pair.size() != 2) || (sides && (before.empty() || after.empty())))
      return usage_error(
          "what is to be compared? One of:\n"
          "  grit compare OLD NEW                      two runs\n"
          "  grit compare --old A B C --new D E F      several runs of each day\n"
          "  grit compare --series A B C D E F G H     from which run on; of one run: from which block on");
    if (!series.empty() && fleet.asked())
      return usage_error(
          "--fleet: a series tells from when on steps changed, by their median and without an interval, and that is no "
          "cost; two days that were not chosen by their step times have one: grit compare --old ... --new ... --fleet");
    return series.empty() ? compare_sides(delta) : compare_series(delta);
  }
};

}  // namespace

void add_compare(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("compare", "the same workload on two days: slower, where, and what else changed");
  command->footer(
      "examples: grit compare runs/w/monday runs/w/tuesday\n"
      "          grit compare --old runs/w/20261124* --new runs/w/20261125*\n"
      "          grit compare --old runs/w/20261124* --new runs/w/20261125* --fleet 8192 --jobs 1024:70%,128:30%\n"
      "          grit compare --series runs/w/*\n"
      "exit codes: 0 no change beyond --within, 1 a change, 2 cannot tell (always so with one run a side), 64 bad "
      "usage");
  auto compare = std::make_shared<CompareCommand>();
  command->add_option("runs", compare->pair, "two run directories: the old and the new one");
  command->add_option("--old", compare->before, "run directories of the one day");
  command->add_option("--new", compare->after, "and of the other");
  command->add_option("--series", compare->series, "runs in whose course a change is looked for");
  command->add_option("--within", compare->within, "what still counts as no change (default: 5%)");
  command->add_option("--out", compare->out,
                      "the page (default: compare.html, of a series series.html, in the newest run's directory)");
  command->add_option("--junit", compare->junit, "write a JUnit file, whose one case fails on a change");
  command->add_option("--csv", compare->csv, "write the figures of the runs to this CSV file");
  compare->fleet.add_to(*command, "1 where one node is named, else all");
  command->add_flag("--force", compare->force, "compare runs of different workloads or topologies all the same");
  command->add_flag("--json", compare->json, "print the comparison as JSON and nothing else");
  command->callback([compare, &action] { action = [compare] { return (*compare)(); }; });
}

}  // namespace grit
