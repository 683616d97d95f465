// The lines of an undo journal; for journal*.cpp only. Pure.
#pragma once

#include <string>
#include <vector>

#include "harness/agent/journal.hpp"

namespace grit {

struct JournalText {
  std::vector<JournalEntry> pending{};
  std::vector<std::string> problems{};  // whole lines that are no journal lines
  std::size_t whole_bytes = 0;          // up to the end of the last whole line
};

JournalText parse_journal(std::string_view text);
Json intent_line(const JournalEntry& entry);
Json reverted_line(const std::string& id);

}  // namespace grit
