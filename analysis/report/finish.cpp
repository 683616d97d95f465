#include "analysis/report/finish.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "analysis/report/export/csv.hpp"
#include "analysis/report/export/junit.hpp"
#include "analysis/report/page/html.hpp"
#include "analysis/report/run_data.hpp"
#include "analysis/report/run_files.hpp"
#include "analysis/verdict/verdict.hpp"
#include "harness/base/files.hpp"
#include "harness/model/attempt.hpp"
#include "harness/model/event.hpp"

namespace grit {

namespace fs = std::filesystem;

Result<bool> is_clear_before(const fs::path& run_directory, int block) {
  StepsFile steps;
  CollectivesFile spans;
  GRIT_TRY(ReportInput input, read_run(run_directory, steps, spans));
  Json stop = make_event("look", 0);
  stop["block"] = block;
  stop["decision"] = "stop";
  input.events.append(std::move(stop));
  const Verdict verdict = judge(input.plan, input.steps, input.events, input.clock, input.links, input.spans);
  const bool idle = std::any_of(verdict.faults.begin(), verdict.faults.end(),
                                [](const FaultResult& fault) { return fault.applied == 0 || fault.acting == 0; });
  return verdict.kind != VerdictKind::inconclusive || idle || left_something_behind(verdict);
}

namespace {

Attempt attempt_of(const ReportInput& input) { return {input.plan, input.steps, input.events, input.clock}; }

/// Those that have begun to come after the first; each is finished like any run.
Result<LaterAttempts> finish_later_attempts(const fs::path& run_directory, const ReportInput& first) {
  std::deque<StepsFile> files;
  std::deque<CollectivesFile> spans;
  std::vector<Attempt> attempts{attempt_of(first)};
  LaterAttempts later;
  std::error_code unreadable;
  for (int number = 2; number <= first.plan.design.restarts + 1; ++number) {
    const fs::path directory = attempt_directory(run_directory, number);
    if (!fs::exists(directory / "plan.json", unreadable)) break;
    GRIT_TRY(Verdict verdict, finish_run(directory));
    later.verdicts.push_back(std::move(verdict));
    GRIT_TRY(const ReportInput input, read_run(directory, files.emplace_back(), spans.emplace_back()));
    attempts.push_back(attempt_of(input));
  }
  later.restarts = restarts_of(attempts);
  later.ending = attempt_end(attempts.back()).reason;
  return later;
}

}  // namespace

Result<AttemptEnd> attempt_end(const fs::path& attempt_directory) {
  StepsFile steps;
  CollectivesFile spans;
  GRIT_TRY(const ReportInput input, read_run(attempt_directory, steps, spans));
  return attempt_end(attempt_of(input));
}

Result<Verdict> finish_run(const fs::path& run_directory) {
  StepsFile steps;
  CollectivesFile spans;
  GRIT_TRY(ReportInput input, read_run(run_directory, steps, spans));
  std::optional<LaterAttempts> later;
  if (input.plan.design.restarts > 0 && input.plan.attempt == 1) {
    GRIT_TRY(later, finish_later_attempts(run_directory, input));
  }
  Judgement judgement = judge_run(input.plan, input.steps, input.events, input.clock, input.links, input.spans,
                                  later ? &*later : nullptr);
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
  CollectivesFile spans;
  GRIT_TRY(ReportInput input, read_run(run_directory, steps, spans));
  GRIT_TRY(const Json verdict, read_json(run_directory / "verdict.json"));
  GRIT_TRY(input.verdict, verdict_from_json(verdict));
  const RunData data = summarize(input);
  if (const auto& directory = exports.csv_directory) {
    GRIT_CHECK(write_csv(input, data, *directory));
    lines.push_back(fmt::format("{}: steps, blocks, pairs, phases, windows, operations, faults and checks as .csv",
                                directory->string()));
  }
  if (const auto& file = exports.trace_file) {
    GRIT_TRY(const std::uint64_t bytes, write_trace(input, data, exports.trace_steps, *file));
    lines.push_back(fmt::format("{}: {:.1f} MB, for https://ui.perfetto.dev or chrome://tracing", file->string(),
                                static_cast<double>(bytes) / 1e6));
  }
  return lines;
}

}  // namespace grit
