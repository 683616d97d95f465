// What tests look for in long texts: pages, files, messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace grit::test {

inline bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

/// How often it is there, without overlaps.
inline std::size_t count(const std::string& text, std::string_view part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

/// A page without what stands inside of script elements; of one that does not end, the rest is left out.
inline std::string markup_of(std::string page) {
  constexpr std::string_view kEnd = "</script>";
  for (auto open = page.find("<script"); open != std::string::npos; open = page.find("<script")) {
    const auto close = page.find(kEnd, open);
    page.erase(open, close == std::string::npos ? close : close + kEnd.size() - open);
  }
  return page;
}

}  // namespace grit::test
