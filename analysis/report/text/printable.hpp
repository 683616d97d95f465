// Text that came from elsewhere, safe for a terminal.
#pragma once

#include <algorithm>
#include <string>

namespace grit {

/// A terminal escape in a message that came from a node must not reach the user's terminal.
inline std::string printable(std::string text) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  std::replace_if(text.begin(), text.end(), control, ' ');
  return text;
}

}  // namespace grit
