#include "analysis/report/export/junit_suite.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "harness/base/clock.hpp"
#include "harness/base/json.hpp"

namespace grit {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

/// Bytes that are not UTF-8 become U+FFFD: json_text does that, and its parse undoes the rest.
std::string valid_utf8(std::string_view text) { return Json::parse(json_text(std::string(text))).get<std::string>(); }

/// "20261123T081500Z" -> "2026-11-23T08:15:00", as the schema wants it; the epoch when the run does not say.
std::string timestamp(std::string stamp) {
  if (stamp.size() != 16 || stamp[8] != 'T') stamp = utc_stamp(0);
  const auto part = [&](std::size_t at, std::size_t length) { return stamp.substr(at, length); };
  return fmt::format("{}-{}-{}T{}:{}:{}", part(0, 4), part(4, 2), part(6, 2), part(9, 2), part(11, 2), part(13, 2));
}

std::string case_xml(const TestCase& one, const std::string& class_name) {
  std::string xml =
      fmt::format("  <testcase classname=\"{}\" name=\"{}\" time=\"0\"", escape_xml(class_name), escape_xml(one.name));
  if (one.outcome.empty()) return xml + "/>\n";
  if (one.outcome == "skipped")
    return xml + fmt::format(">\n    <skipped message=\"{}\"/>\n  </testcase>\n", escape_xml(one.message));
  return xml + fmt::format(">\n    <{0} type=\"{0}\" message=\"{1}\">{1}</{0}>\n  </testcase>\n", one.outcome,
                           escape_xml(one.message));
}

}  // namespace

std::string escape_xml(std::string_view text) {
  std::string out;
  for (const char c : valid_utf8(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\n' || c == '\t') {
      out += c == '\n' ? "&#10;" : "&#9;";  // as they are, an attribute would turn them into spaces
    } else if (byte < 0x20) {
      out += kReplacement;
    } else {
      out += c;
    }
  }
  for (const std::string_view none : {"\xef\xbf\xbe", "\xef\xbf\xbf"})  // U+FFFE and U+FFFF are no characters
    for (auto at = out.find(none); at != std::string::npos; at = out.find(none)) out.replace(at, 3, kReplacement);
  return out;
}

std::string suite_xml(const TestSuite& suite) {
  const auto count = [&](std::string_view outcome) {
    return std::count_if(suite.cases.begin(), suite.cases.end(),
                         [&](const TestCase& one) { return one.outcome == outcome; });
  };
  std::string xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  xml += fmt::format(
      "<testsuite name=\"{}\" timestamp=\"{}\" hostname=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" "
      "skipped=\"{}\" time=\"{:.3f}\">\n",
      escape_xml(suite.name), escape_xml(timestamp(suite.started_utc)),
      escape_xml(suite.host.empty() ? "localhost" : suite.host), suite.cases.size(), count("failure"), count("error"),
      count("skipped"), suite.seconds);
  xml += "  <properties>\n";
  for (const auto& [name, value] : suite.properties)
    xml += fmt::format("    <property name=\"{}\" value=\"{}\"/>\n", escape_xml(name), escape_xml(value));
  xml += "  </properties>\n";
  for (const TestCase& one : suite.cases) xml += case_xml(one, suite.name);
  return xml + "  <system-out>" + escape_xml(suite.said) + "</system-out>\n  <system-err></system-err>\n</testsuite>\n";
}

}  // namespace grit
