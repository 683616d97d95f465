#include "analysis/report/finish.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/report/export/csv.hpp"
#include "analysis/report/export/junit.hpp"
#include "analysis/report/page/html.hpp"
#include "analysis/report/run_data.hpp"
#include "analysis/report/run_files.hpp"
#include "analysis/verdict/verdict.hpp"
#include "harness/base/files.hpp"
#include "harness/model/event.hpp"

namespace grit {

namespace fs = std::filesystem;

Result<bool> is_clear_before(const fs::path& run_directory, int block) {
  StepsFile steps;
  GRIT_TRY(ReportInput input, read_run(run_directory, steps));
  Json stop = make_event("look", 0);
  stop["block"] = block;
  stop["decision"] = "stop";
  input.events.append(std::move(stop));
  const Verdict verdict = judge(input.plan, input.steps, input.events, input.clock, input.links);
  const bool idle = std::any_of(verdict.faults.begin(), verdict.faults.end(),
                                [](const FaultResult& fault) { return fault.applied == 0 || fault.acting == 0; });
  return verdict.kind != VerdictKind::inconclusive || idle || left_something_behind(verdict);
}

Result<Verdict> finish_run(const fs::path& run_directory) {
  StepsFile steps;
  GRIT_TRY(ReportInput input, read_run(run_directory, steps));
  Judgement judgement = judge_run(input.plan, input.steps, input.events, input.clock, input.links);
  input.verdict = std::move(judgement.verdict);
  input.times = std::move(judgement.times);
  input.work = std::move(judgement.work);
  GRIT_CHECK(write_file_durably(run_directory / "verdict.json", json_text(to_json(input.verdict), 1) + "\n"));
  if (!input.run.empty()) {
    input.run["verdict"] = to_string(input.verdict.kind);
    input.run["outcome"] = input.verdict.outcome;
    GRIT_CHECK(write_file_durably(run_directory / "run.json", json_text(input.run, 1) + "\n"));
  }
  GRIT_CHECK(write_file_durably(run_directory / "junit.xml", junit_xml(input)));
  auto page = render_html(input);
  if (!page) return with_context(page.error(), "the verdict is in verdict.json, but its report cannot be made");
  GRIT_CHECK(write_file_durably(run_directory / "report.html", *page));
  return std::move(input.verdict);
}

Result<std::vector<std::string>> export_run(const fs::path& run_directory, const Exports& exports) {
  std::vector<std::string> lines;
  if (!exports.csv_directory && !exports.trace_file) return lines;
  StepsFile steps;
  GRIT_TRY(ReportInput input, read_run(run_directory, steps));
  GRIT_TRY(const Json verdict, read_json(run_directory / "verdict.json"));
  GRIT_TRY(input.verdict, verdict_from_json(verdict));
  const RunData data = summarize(input);
  if (const auto& directory = exports.csv_directory) {
    GRIT_CHECK(write_csv(input, data, *directory));
    lines.push_back(
        fmt::format("{}: steps, blocks, pairs, phases, windows, faults and checks as .csv", directory->string()));
  }
  if (const auto& file = exports.trace_file) {
    GRIT_TRY(const std::uint64_t bytes, write_trace(input, data, exports.trace_steps, *file));
    lines.push_back(fmt::format("{}: {:.1f} MB, for https://ui.perfetto.dev or chrome://tracing", file->string(),
                                static_cast<double>(bytes) / 1e6));
  }
  return lines;
}

}  // namespace grit
