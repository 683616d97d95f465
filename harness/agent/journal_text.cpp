#include "harness/agent/journal_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "harness/os/closed_object.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxNameLength = 256;

Status read_line(const Json& json, std::vector<JournalEntry>& pending) {
  ClosedObject object(json, "journal line");
  const bool intent = object.choice("state", {"intent", "reverted"}) == "intent";
  JournalEntry entry;
  entry.id = object.text("id", kMaxNameLength);
  if (intent) {
    entry.injector = object.text("injector", kMaxNameLength);
    entry.machine = object.text("machine", kMaxNameLength);
    entry.boot_id = object.text("boot_id", kMaxNameLength);
    entry.netns = object.text("netns", kMaxNameLength);
    entry.pidns = object.text("pidns", kMaxNameLength);
    entry.undo = object.object("undo");
  }
  GRIT_CHECK(object.done());
  if (intent)
    pending.push_back(std::move(entry));
  else
    std::erase_if(pending, [&](const JournalEntry& one) { return one.id == entry.id; });
  return {};
}

}  // namespace

JournalText parse_journal(std::string_view text) {
  JournalText journal;
  int line_number = 0;
  for (std::size_t end; (end = text.find('\n', journal.whole_bytes)) != std::string_view::npos;) {
    const std::string_view line = text.substr(journal.whole_bytes, end - journal.whole_bytes);
    journal.whole_bytes = end + 1;
    ++line_number;
    auto json = parse_json(line);
    const Status read = json ? read_line(*json, journal.pending) : tl::make_unexpected(json.error());
    if (!read)
      journal.problems.push_back(fmt::format("line {} was not acted upon: {}", line_number, read.error().message));
  }
  return journal;
}

Json intent_line(const JournalEntry& entry) {
  return Json{{"state", "intent"},    {"id", entry.id},           {"injector", entry.injector},
              {"undo", entry.undo},   {"machine", entry.machine}, {"boot_id", entry.boot_id},
              {"netns", entry.netns}, {"pidns", entry.pidns}};
}

Json reverted_line(const std::string& id) { return Json{{"state", "reverted"}, {"id", id}}; }

}  // namespace grit
