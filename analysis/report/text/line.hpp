// One line of what the terminal shows of a report.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "harness/base/printable.hpp"

namespace grit {

/// "  culprit   node3, network": a label in a column of so many letters, and what it labels, safe for a terminal.
inline std::string line(std::string_view label, const std::string& text, int letters = 9) {
  return fmt::format("  {:<{}} {}\n", label, letters, printable(text));
}

}  // namespace grit
