// The run directory: what is written while a run goes on, and how it is read back, torn end and all.
#pragma once

#include <filesystem>
#include <string>

#include "harness/base/fd.hpp"
#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/model/format.hpp"
#include "harness/record/npy_file.hpp"

namespace grit {

/// Makes a new run directory and its parents, with env/ and journal/ in it, mode 0755.
/// Error (usage): it exists, or root would make it where everybody could put another in its place. Error (unavailable):
/// it cannot be made (read-only, no permission, no space); says which and what to do.
Status create_run_directory(const std::filesystem::path& directory);

/// May root write what it records there? Error (usage): it belongs to another user, or others can write to it, or to a
/// directory above it that has no sticky bit, who could put files or a directory of theirs in the place of the run's;
/// says what to do. A share that takes root for nobody
/// (root_squash, exports(5)) is fine, and whoever is not root harms nobody but himself. Whoever appends to the files
/// below asks first.
Status check_run_directory(const std::filesystem::path& directory);

/// Appends one JSON object a line to events.jsonl, each by a single write(2). The first event of a new file also gets
/// the file's "format".
class EventsWriter {
 public:
  static Result<EventsWriter> open(const std::filesystem::path& file);
  Status append(const Json& event);

 private:
  EventsWriter() = default;
  Fd fd_;
  bool is_new_ = false;  // nothing is in the file yet
};

/// A JSON file of the run directory, e.g. read_json(dir / "plan.json"). Error (usage): missing or not JSON, naming the
/// file.
Result<Json> read_json(const std::filesystem::path& file);

/// The same of a document that this grit can read. Error (usage): also when its format is newer.
Result<Json> read_document(const std::filesystem::path& file, const Format& format);

}  // namespace grit
