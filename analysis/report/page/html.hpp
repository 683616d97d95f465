// The report page: what a run showed, for a colleague who was not there.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/records/block_times.hpp"
#include "analysis/records/own_work.hpp"
#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/model/collective_record.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"
#include "harness/model/verdict.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

/// Everything the page shows, as read from a run directory. All parts but the plan may be empty: a run that was cut off
/// has fewer of them, and the page then says what is missing.
struct ReportInput {
  Plan plan{};
  Verdict verdict{};
  // What judge_run() read from the records; the page reads anew what is not here.
  std::optional<RunTimes> times{};
  std::optional<OwnWork> work{};
  std::span<const StepRecord> steps{};        // of all ranks, in any order; the caller keeps them
  std::span<const CollectiveRecord> spans{};  // likewise; of a rank in the order in which they were begun
  JsonLines events{};                   // events.jsonl (harness/model/event.hpp)
  Json run = Json::object();            // run.json
  std::vector<Json> environments{};     // env/<node>.json
  Json clock{};                         // clock.json; null: the run was cut off
  std::optional<JsonLines> links{};     // what the link test measured, if there was one
};

/// One self-contained HTML page: it loads nothing, and its Content-Security-Policy forbids it to; the plots are drawn
/// by the embedded Vega (SVG). All text from the input is escaped. Error (internal): the embedded assets are broken.
Result<std::string> render_html(const ReportInput& input);

}  // namespace grit
