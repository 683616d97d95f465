// A test suite as the file that continuous integration servers read.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grit {

struct TestCase {
  std::string name;
  std::string outcome{};  // "failure" | "error" | "skipped"; empty: passed
  std::string message{};
};

struct TestSuite {
  std::string name;           // "grit.link_flap"
  std::string started_utc{};  // "20261123T081500Z"; empty: not known
  std::string host{};
  double seconds = 0;
  std::vector<std::pair<std::string, std::string>> properties{};
  std::vector<TestCase> cases{};
  std::string said{};  // as its standard output
};

/// The format is that of Apache Ant's junit task, by the commonly used schema
/// https://github.com/windyroad/JUnit-Schema/blob/master/JUnit.xsd; what XML 1.0 (2.2, Char) has no place for, and
/// bytes that are not UTF-8, become U+FFFD.
std::string suite_xml(const TestSuite& suite);

/// Text for the content and quoted attributes of XML 1.0.
std::string escape_xml(std::string_view text);

}  // namespace grit
