// The page of a comparison: both sides' runs as points, phases by rank, and how the machines differ.
#pragma once

#include <string>

#include "analysis/compare/compare.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// One self-contained page, as render_html(). Error (internal): the embedded assets are broken.
Result<std::string> render_comparison(const Comparison& comparison);

}  // namespace grit
