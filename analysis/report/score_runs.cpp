#include "analysis/report/score_runs.hpp"

#include <system_error>

#include "analysis/report/export/csv.hpp"
#include "analysis/report/export/score_json.hpp"
#include "analysis/report/page/score_page.hpp"
#include "analysis/report/run_files.hpp"
#include "analysis/verdict/run_facts.hpp"
#include "harness/base/files.hpp"

namespace grit {

namespace fs = std::filesystem;

Status add_finished_run(ScoreInput& input, const fs::path& run_directory, const CellOfFault& cell_of) {
  StepsFile steps;
  CollectivesFile spans;
  GRIT_TRY(const ReportInput run, read_run(run_directory, steps, spans));
  auto fault = scored_fault(run.plan);
  if (!fault) return with_context(std::move(fault).error(), run_directory.string());
  const RunFacts facts = gather_facts(run.plan, run.steps, run.events, run.clock);
  const ScoredRun scored{.plan = run.plan, .events = run.events, .clock = run.clock, .step_times = facts.pairs.usable};
  return add_run(input, scored, cell_of(**fault));
}

Result<fs::path> write_scorecard(const fs::path& directory, const ScoreInput& input, const Scorecard& card,
                                 const std::optional<DemandResult>& demand) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return internal_error(directory.string() + " cannot be made: " + error.message());
  GRIT_CHECK(write_file_durably(directory / "score.json", json_text(to_json(input, card), 1) + "\n"));
  GRIT_CHECK(write_csv(input, card, directory / "score.csv"));
  GRIT_TRY(const std::string page, render_score_html(input, card, demand));
  GRIT_CHECK(write_file_durably(directory / "score.html", page));
  return directory / "score.html";
}

}  // namespace grit
