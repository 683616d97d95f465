#include "analysis/report/finish.hpp"
#include "analysis/report/page/series_page.hpp"
#include "analysis/series/search.hpp"
#include "harness/base/files.hpp"
#include "harness/record/run_dir.hpp"

namespace grit {

Result<Verdict> finish_series(const std::filesystem::path& series_directory) {
  auto document = read_json(series_directory / "series.json");
  if (!document) return with_context(document.error(), series_directory.string() + " is not the directory of a series");
  GRIT_TRY(const Series series, series_from_json(*document));
  Verdict verdict = judge_series(series);
  const Json json = series_verdict_json(series, verdict);
  GRIT_CHECK(write_file_durably(series_directory / "verdict.json", json_text(json, 1) + "\n"));
  auto page = render_series_html(series, verdict);
  if (!page) return with_context(page.error(), "the verdict is in verdict.json, but its report cannot be made");
  GRIT_CHECK(write_file_durably(series_directory / "report.html", *page));
  return verdict;
}

}  // namespace grit
