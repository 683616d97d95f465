// junit.xml: the verdict for a continuous integration server (Jenkins, GitLab and others read it).
#pragma once

#include <string>

#include "analysis/report/page/html.hpp"

namespace grit {

/// One test suite: a test case for the verdict, one for each expectation, and one that says whether faults came off. It
/// passes as a whole exactly when grit exits with 0. Not met is a failure. What cannot be told is an error: a skipped
/// test counts as passed with some readers, and "inconclusive" must not. Properties: seed, version, commit, what is
/// emulated.
///
/// The format is that of Apache Ant's junit task, by the commonly used schema
/// https://github.com/windyroad/JUnit-Schema/blob/master/JUnit.xsd; what XML 1.0 (2.2, Char) has no place for, and
/// bytes that are not UTF-8, become U+FFFD.
std::string junit_xml(const ReportInput& input);

/// Text for the content and quoted attributes of XML 1.0.
std::string escape_xml(std::string_view text);

}  // namespace grit
