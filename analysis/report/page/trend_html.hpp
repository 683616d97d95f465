// The page of a series of runs, or of the blocks of one: where steps changed, and what went with it.
#pragma once

#include <string>

#include "analysis/compare/trend.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// One self-contained page, as render_html(). Error (internal): the embedded assets are broken.
Result<std::string> render_trend(const Trend& trend);

}  // namespace grit
