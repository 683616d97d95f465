#include "tests/virtual/snapshot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "analysis/report/page/assets.hpp"
#include "tests/catch.hpp"

namespace grit::test {
namespace {

constexpr std::size_t kContext_lines = 2;

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.emplace_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return lines;
}

/// By place in each: how long the longest common subsequence of what follows is.
std::vector<std::vector<int>> common_after(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<std::vector<int>> common(a.size() + 1, std::vector<int>(b.size() + 1, 0));
  for (std::size_t i = a.size(); i-- > 0;)
    for (std::size_t j = b.size(); j-- > 0;)
      common[i][j] = a[i] == b[j] ? common[i + 1][j + 1] + 1 : std::max(common[i + 1][j], common[i][j + 1]);
  return common;
}

std::string decoded(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kEntities{
      {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&#39;", "'"}, {"&nbsp;", " "}}};
  std::string out;
  while (!text.empty()) {
    const auto found = std::find_if(kEntities.begin(), kEntities.end(),
                                    [&](const auto& entity) { return text.starts_with(entity.first); });
    out += found == kEntities.end() ? text.substr(0, 1) : found->second;
    text.remove_prefix(found == kEntities.end() ? 1 : found->first.size());
  }
  return out;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::string line_difference(std::string_view before, std::string_view after) {
  const auto old_lines = lines_of(before), new_lines = lines_of(after);
  const auto common = common_after(old_lines, new_lines);
  std::vector<std::pair<char, std::string>> all;
  std::size_t i = 0, j = 0;
  while (i < old_lines.size() || j < new_lines.size()) {
    if (i < old_lines.size() && j < new_lines.size() && old_lines[i] == new_lines[j])
      all.emplace_back(' ', old_lines[i++]), ++j;
    else if (j == new_lines.size() || (i < old_lines.size() && common[i + 1][j] >= common[i][j + 1]))
      all.emplace_back('-', old_lines[i++]);
    else
      all.emplace_back('+', new_lines[j++]);
  }
  std::string out;
  for (std::size_t at = 0; at < all.size(); ++at) {
    const std::size_t from = at < kContext_lines ? 0 : at - kContext_lines,
                      to = std::min(at + kContext_lines + 1, all.size());
    const bool shown =
        std::any_of(all.begin() + static_cast<std::ptrdiff_t>(from), all.begin() + static_cast<std::ptrdiff_t>(to),
                    [](const auto& line) { return line.first != ' '; });
    if (shown) out += fmt::format("{} {}\n", all[at].first, all[at].second);
  }
  return out;
}

std::string visible_text(std::string_view html) {
  html.remove_prefix(std::min(html.find("<body"), html.size()));
  std::string out;
  while (!html.empty()) {
    const auto open = html.find('<');
    std::string text = decoded(html.substr(0, open));
    std::replace(text.begin(), text.end(), '\n', ' ');
    out += text;
    if (open == std::string_view::npos) break;
    html.remove_prefix(open + 1);
    const auto close = std::min(html.find('>'), html.size() - 1);
    std::string_view tag = html.substr(0, close);
    html.remove_prefix(close + 1);
    const bool ends = tag.starts_with('/');
    if (ends) tag.remove_prefix(1);
    const std::string_view name = tag.substr(0, tag.find_first_of(" \n/"));
    if (!ends && is_one_of(name, {"script", "style"}))
      html.remove_prefix(std::min(html.find(fmt::format("</{}", name)), html.size()));
    if (is_one_of(name, {"td", "th"}))
      out += ends ? " | " : "";
    else if (!is_one_of(name, {"a", "abbr", "b", "code", "em", "i", "kbd", "small", "span", "strong", "sub", "sup"}))
      out += '\n';
  }
  std::string tidy;
  for (std::string line : lines_of(out)) {
    line.erase(std::unique(line.begin(), line.end(), [](char a, char b) { return a == ' ' && b == ' '; }), line.end());
    if (line.starts_with(' ')) line.erase(0, 1);
    while (line.ends_with(' ') || line.ends_with('|')) line.pop_back();
    if (!line.empty()) tidy += line + '\n';
  }
  const std::string version(assets::kVegaVersion);
  if (const auto at = tidy.find(version); at != std::string::npos) tidy.replace(at, version.size(), "VERSION");
  return tidy;
}

std::string snapshot_json(const Json& json) {
  const auto rounded = [](const auto& self, const Json& value) -> Json {
    if (value.is_number_float()) return std::strtod(fmt::format("{:.6g}", value.get<double>()).c_str(), nullptr);
    if (!value.is_structured()) return value;
    Json out = value;
    for (Json& member : out) member = self(self, member);
    return out;
  };
  return rounded(rounded, json).dump(1) + "\n";
}

void check_snapshot(const std::string& name, const std::string& text) {
  namespace fs = std::filesystem;
  const fs::path file = fs::path(GRIT_SOURCE_DIR) / "tests/snapshots" / name;
  if (std::getenv("GRIT_UPDATE_SNAPSHOTS") != nullptr) {
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    return;
  }
  std::ifstream stream(file, std::ios::binary);
  const std::string before{std::istreambuf_iterator<char>(stream), {}};
  if (before == text) return;
  FAIL_CHECK(name << " is not as it was; if it is better now, run scripts/update-snapshots\n"
                  << line_difference(before, text));
}

}  // namespace grit::test
