#include <fmt/format.h>

#include "analysis/report/export/csv.hpp"
#include "analysis/report/export/junit.hpp"
#include "analysis/report/finish.hpp"
#include "analysis/report/page/series_page.hpp"
#include "analysis/series/search.hpp"
#include "harness/base/files.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/record/run_dir.hpp"

namespace grit {
namespace {

Result<Series> read_series(const std::filesystem::path& series_directory) {
  auto document = read_json(series_directory / "series.json");
  if (!document) return with_context(document.error(), series_directory.string() + " is not the directory of a series");
  return series_from_json(*document);
}

}  // namespace

Result<Verdict> finish_series(const std::filesystem::path& series_directory) {
  GRIT_TRY(const Series series, read_series(series_directory));
  Verdict verdict = judge_series(series);
  const Json json = series_verdict_json(series, verdict);
  GRIT_CHECK(write_file_durably(series_directory / "verdict.json", json_text(json, 1) + "\n"));
  GRIT_CHECK(write_file_durably(series_directory / "junit.xml", junit_xml(series, verdict)));
  auto page = render_series_html(series, verdict);
  if (!page) return with_context(page.error(), "the verdict is in verdict.json, but its report cannot be made");
  GRIT_CHECK(write_file_durably(series_directory / "report.html", *page));
  return verdict;
}

Result<std::vector<std::string>> export_series(const std::filesystem::path& series_directory, const Exports& exports) {
  if (exports.trace_file)
    return usage_error(fmt::format("a series has no steps of its own to trace; its trials have: grit report {} --trace",
                                   shell_word((series_directory / trial_directory(1)).string())));
  std::vector<std::string> lines;
  if (const auto& directory = exports.csv_directory) {
    GRIT_TRY(const Series series, read_series(series_directory));
    GRIT_CHECK(write_csv(series, *directory));
    lines.push_back(fmt::format("{}: the trials as .csv", directory->string()));
  }
  return lines;
}

}  // namespace grit
