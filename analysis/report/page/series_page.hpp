// The report page of a series: the dose-response curve and its trials, each with a link to its own report.
#pragma once

#include <string>

#include "harness/base/result.hpp"
#include "harness/model/series.hpp"

namespace grit {

/// Self-contained like the page of a run (analysis/report/page/html.hpp); the links are relative to the series'
/// directory.
Result<std::string> render_series_html(const Series& series, const Verdict& verdict);

}  // namespace grit
