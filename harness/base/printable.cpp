#include "harness/base/printable.hpp"

#include <cstddef>
#include <string_view>

namespace grit {
namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

/// Bytes of the UTF-8 character at the beginning of `rest`, which is not ASCII; 0: it is none. Overlong forms of two
/// bytes (0xC0, 0xC1) would be control characters in disguise.
std::size_t character_bytes(std::string_view rest) {
  const auto first = static_cast<unsigned char>(rest.front());
  const std::size_t bytes = first >= 0xF0 && first < 0xF5   ? 4
                            : first >= 0xE0 && first < 0xF0 ? 3
                            : first >= 0xC2                 ? 2
                                                            : 0;
  if (bytes == 0 || first >= 0xF5 || rest.size() < bytes) return 0;
  for (std::size_t i = 1; i < bytes; ++i)
    if (!continues(rest[i])) return 0;
  return bytes;
}

std::string made_safe(const std::string& text, std::string_view kept) {
  std::string safe;
  safe.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      const bool control = byte < 0x20 || byte == 0x7f;
      safe += control && kept.find(text[i]) == std::string_view::npos ? ' ' : text[i];
      ++i;
      continue;
    }
    const std::size_t bytes = character_bytes(std::string_view(text).substr(i));
    const bool c1 = bytes == 2 && byte == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (bytes == 0)
      safe += '?';
    else
      safe += c1 ? std::string_view(" ") : std::string_view(text).substr(i, bytes);
    i += bytes == 0 ? 1 : bytes;
  }
  return safe;
}

}  // namespace

std::string printable(const std::string& text) { return made_safe(text, ""); }

std::string printable_lines(const std::string& text) { return made_safe(text, "\n\t"); }

}  // namespace grit
