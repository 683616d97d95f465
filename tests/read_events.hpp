// The lines of an events.jsonl that a test has just had written, all at once.
#pragma once

#include <filesystem>
#include <vector>

#include "harness/record/json_lines.hpp"

namespace grit {

inline Result<std::vector<Json>> read_events(const std::filesystem::path& file) {
  GRIT_TRY(const JsonLines lines, JsonLines::open(file, formats::kEvents));
  std::vector<Json> events;
  lines.for_each([&](const Json& event) { events.push_back(event); });
  return events;
}

}  // namespace grit
