// A list of findings that stays short.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <string_view>
#include <vector>

namespace grit {

/// "rx_errors +3, rx_crc_errors +3", with " and 5 more" behind the first six.
inline std::string first_few(std::vector<std::string> found, std::string_view between = ", ") {
  constexpr std::size_t kMost = 6;
  const std::size_t all = found.size();
  if (all > kMost) found.resize(kMost);
  std::string text = fmt::format("{}", fmt::join(found, between));
  if (all > kMost) text += fmt::format(" and {} more", all - kMost);
  return text;
}

}  // namespace grit
