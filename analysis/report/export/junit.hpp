// junit.xml: the verdict for a continuous integration server (Jenkins, GitLab and others read it).
#pragma once

#include <string>

#include "analysis/compare/compare.hpp"
#include "analysis/compare/trend.hpp"
#include "analysis/report/page/html.hpp"
#include "harness/model/series.hpp"

namespace grit {

/// One test suite: a test case for the verdict, one for each expectation, and one that says whether faults came off. It
/// passes as a whole exactly when grit exits with 0. Not met is a failure. What cannot be told is an error: a skipped
/// test counts as passed with some readers, and "inconclusive" must not. Properties: seed, version, commit, what is
/// emulated.
std::string junit_xml(const ReportInput& input);

/// The same of a series, and a case a trial, which passes when it was measured and is skipped when not: what the trials
/// show together is the verdict's case.
std::string junit_xml(const Series& series, const Verdict& verdict);

/// Of a comparison: one case, that nothing changed. A change beyond the tolerance, also to the better, is a failure;
/// what cannot be told an error.
std::string junit_xml(const Comparison& comparison);
/// Likewise of a series of runs.
std::string junit_xml(const Trend& trend);

}  // namespace grit
