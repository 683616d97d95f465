#include "analysis/report/run_files.hpp"

#include <algorithm>
#include <tuple>

#include "analysis/blame/links.hpp"
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

}  // namespace

Result<ReportInput> read_run(const fs::path& directory, StepsFile& steps, CollectivesFile& spans) {
  ReportInput input;
  auto plan = read_json(directory / "plan.json");
  if (!plan) return with_context(plan.error(), directory.string() + " is not a run directory of grit");
  GRIT_TRY(input.plan, plan_from_json(*plan));
  std::error_code unreadable;
  if (fs::exists(directory / "steps.npy", unreadable)) {  // a run that ended before its first step has none
    GRIT_TRY(steps, StepsFile::open(directory / "steps.npy"));
  }
  input.steps = steps.records();
  if (fs::exists(directory / "collectives.npy", unreadable)) {  // nor has one from before there were spans
    GRIT_TRY(spans, CollectivesFile::open(directory / "collectives.npy"));
  }
  input.spans = spans.records();
  GRIT_TRY(input.events, JsonLines::open(directory / "events.jsonl", formats::kEvents));
  if (auto run = read_json(directory / "run.json"); run && run->is_object()) input.run = std::move(*run);
  GRIT_CHECK(check_format(input.run, formats::kRun));
  GRIT_TRY(input.environments, read_environments(directory / "env"));
  if (auto clock = read_json(directory / "clock.json")) input.clock = std::move(*clock);
  GRIT_CHECK(check_format(input.clock, formats::kClock));
  GRIT_TRY(input.links, read_links(directory));
  return input;
}

}  // namespace grit
