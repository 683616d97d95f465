#include "analysis/report/finish.hpp"

#include <algorithm>
#include <tuple>

#include "analysis/report/html.hpp"
#include "analysis/verdict.hpp"
#include "harness/base/files.hpp"
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
std::vector<Json> read_environments(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> files;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().extension() == ".json") files.push_back(entry->path());
  std::sort(files.begin(), files.end(), in_node_order);
  std::vector<Json> environments;
  for (const fs::path& file : files)
    if (auto environment = read_json(file)) environments.push_back(std::move(*environment));
  return environments;
}

Result<ReportInput> read_run(const fs::path& directory) {
  ReportInput input;
  auto plan = read_json(directory / "plan.json");
  if (!plan) return with_context(plan.error(), directory.string() + " is not a run directory of grit");
  GRIT_TRY(input.plan, plan_from_json(*plan));
  std::error_code unreadable;
  if (fs::exists(directory / "steps.npy", unreadable)) {  // a run that ended before its first step has none
    GRIT_TRY(input.steps, read_steps(directory / "steps.npy"));
  }
  GRIT_TRY(input.events, read_events(directory / "events.jsonl"));
  if (auto run = read_json(directory / "run.json"); run && run->is_object()) input.run = std::move(*run);
  input.environments = read_environments(directory / "env");
  return input;
}

}  // namespace

Result<Verdict> finish_run(const fs::path& run_directory) {
  GRIT_TRY(ReportInput input, read_run(run_directory));
  input.verdict = judge(input.plan, input.steps, input.events);
  GRIT_CHECK(write_file_durably(run_directory / "verdict.json", to_json(input.verdict).dump(1) + "\n"));
  if (!input.run.empty()) {
    input.run["verdict"] = to_string(input.verdict.kind);
    input.run["outcome"] = input.verdict.outcome;
    GRIT_CHECK(write_file_durably(run_directory / "run.json", input.run.dump(1) + "\n"));
  }
  auto page = render_html(input);
  if (!page) return with_context(page.error(), "the verdict is in verdict.json, but its report cannot be made");
  GRIT_CHECK(write_file_durably(run_directory / "report.html", *page));
  return std::move(input.verdict);
}

}  // namespace grit
