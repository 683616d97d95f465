#include "harness/base/shortened.hpp"

#include <fmt/format.h>

namespace grit {

std::string shortened(std::string_view text) {
  constexpr std::size_t kShownBytes = 60;
  if (text.size() <= kShownBytes) return std::string(text);
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  std::size_t end = kShownBytes;
  while (end > 0 && continues(text[end])) --end;
  return fmt::format("{}... ({} bytes)", text.substr(0, end), text.size());
}

}  // namespace grit
