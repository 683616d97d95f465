#include "harness/run/baseline.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "analysis/report/export/junit.hpp"
#include "analysis/report/page/comparison_html.hpp"
#include "harness/base/files.hpp"
#include "harness/record/run_dir.hpp"

namespace grit {
namespace {

constexpr double kTolerance = 0.05;  // as grit compare's, when nothing else is asked for

Result<Comparison> compare(const std::filesystem::path& run_directory,
                           const std::vector<std::filesystem::path>& baselines) {
  std::vector<ComparedRun> before, after;
  for (const auto& baseline : baselines) {
    GRIT_TRY(ComparedRun run, read_compared_run(baseline));
    before.push_back(std::move(run));
  }
  GRIT_TRY(ComparedRun mine, read_compared_run(run_directory));
  after.push_back(std::move(mine));
  GRIT_CHECK(check_comparable(before, after, false));
  Comparison comparison = compare_runs(before, after, kTolerance);
  GRIT_CHECK(write_file_durably(run_directory / "comparison.json", json_text(to_json(comparison), 1) + "\n"));
  GRIT_CHECK(write_file_durably(run_directory / "junit-comparison.xml", junit_xml(comparison)));
  GRIT_TRY(const std::string page, render_comparison(comparison));
  GRIT_CHECK(write_file_durably(run_directory / "compare.html", page));
  return comparison;
}

}  // namespace

Status check_baselines(const Plan& plan, const std::vector<std::filesystem::path>& baselines) {
  for (const auto& baseline : baselines) {
    auto document = read_json(baseline / "plan.json");
    if (!document) return with_context(document.error(), baseline.string() + " is not a run directory of grit");
    GRIT_TRY(const Plan older, plan_from_json(*document));
    if (const auto differences = incomparable(older, plan); !differences.empty())
      return usage_error(
          fmt::format("--baseline {}: that run did something else, so this one could not be compared with "
                      "it:\n  {}",
                      baseline.string(), fmt::join(differences, "\n  ")));
  }
  return {};
}

std::optional<Comparison> compare_with_baselines(const std::filesystem::path& run_directory,
                                                 const std::vector<std::filesystem::path>& baselines) {
  if (baselines.empty()) return std::nullopt;
  auto comparison = compare(run_directory, baselines);
  if (comparison) return std::move(*comparison);
  fmt::print(stderr, "grit: not compared with the baseline: {}\n", comparison.error().message);
  return std::nullopt;
}

}  // namespace grit
