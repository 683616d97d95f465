#include "analysis/report/finish.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "analysis/blame/links.hpp"
#include "analysis/report/export/csv.hpp"
#include "analysis/report/export/junit.hpp"
#include "analysis/report/page/html.hpp"
#include "analysis/report/run_data.hpp"
#include "analysis/verdict/verdict.hpp"
#include "harness/base/files.hpp"
#include "harness/model/event.hpp"
#include "harness/record/run_dir.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

/// "node2.json" before "node10.json".
bool in_node_order(const fs::path& a, const fs::path& b) {
  const std::string left = a.filename().string(), right = b.filename().string();
  return std::tuple(left.size(), left) < std::tuple(right.size(), right);
}

/// One that is missing or broken only leaves a gap in the report.
Result<std::vector<Json>> read_environments(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> files;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().extension() == ".json") files.push_back(entry->path());
  std::sort(files.begin(), files.end(), in_node_order);
  std::vector<Json> environments;
  for (const fs::path& file : files) {
    auto environment = read_json(file);
    if (!environment) continue;
    GRIT_CHECK(check_format(*environment, formats::kEnvironment));
    environments.push_back(std::move(*environment));
  }
  return environments;
}

/// The files of a run directory; `steps` must outlive what it was read into.
Result<ReportInput> read_run(const fs::path& directory, StepsFile& steps) {
  ReportInput input;
  auto plan = read_json(directory / "plan.json");
  if (!plan) return with_context(plan.error(), directory.string() + " is not a run directory of grit");
  GRIT_TRY(input.plan, plan_from_json(*plan));
  std::error_code unreadable;
  if (fs::exists(directory / "steps.npy", unreadable)) {  // a run that ended before its first step has none
    GRIT_TRY(steps, StepsFile::open(directory / "steps.npy"));
  }
  input.steps = steps.records();
  GRIT_TRY(input.events, JsonLines::open(directory / "events.jsonl", formats::kEvents));
  if (auto run = read_json(directory / "run.json"); run && run->is_object()) input.run = std::move(*run);
  GRIT_CHECK(check_format(input.run, formats::kRun));
  GRIT_TRY(input.environments, read_environments(directory / "env"));
  if (auto clock = read_json(directory / "clock.json")) input.clock = std::move(*clock);
  GRIT_CHECK(check_format(input.clock, formats::kClock));
  GRIT_TRY(input.links, read_links(directory));
  return input;
}

}  // namespace

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
