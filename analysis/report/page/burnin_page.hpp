// The page of a burn-in: which nodes may go live, and why not the others.
#pragma once

#include <string>

#include "harness/base/result.hpp"
#include "harness/model/burnin.hpp"

namespace grit {

/// Self-contained like the page of a run (analysis/report/page/html.hpp): a grid of nodes by state, the distribution of
/// each measure with its outliers named, the matrix of pairs, what each suspect was accused of and why it was cleared.
Result<std::string> render_burnin_html(const BurninReport& report);

}  // namespace grit
