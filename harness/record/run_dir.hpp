// The run directory: what is written while a run goes on, and how it is read back, torn end and all.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "harness/base/fd.hpp"
#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/model/format.hpp"
#include "harness/model/step_record.hpp"
#include "harness/record/mapped_file.hpp"

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

/// Appends StepRecords to steps.npy (NumPy structured array, format 1.0). The header, of a fixed size, is brought up to
/// date after every append, so numpy.load works at any moment, also after a kill; a torn record at the end is not
/// counted.
class StepsWriter {
 public:
  /// Opens or makes the file; an existing one is continued after its last whole record.
  static Result<StepsWriter> open(const std::filesystem::path& file);
  Status append(std::span<const StepRecord> records);
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  StepsWriter() = default;
  Fd fd_;
  std::uint64_t count_ = 0;
};

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

/// The whole records of a steps.npy, mapped read-only (harness/record/mapped_file.hpp). One that another version of
/// grit wrote, with other columns, is read by their names, into memory: 104 bytes a record.
///
/// How many there are is settled when it is opened: what is appended later is not seen, a torn end is dropped.
/// StepsWriter never takes away what it once counted.
class StepsFile {
 public:
  /// Error (usage): no such file, or not a steps.npy.
  static Result<StepsFile> open(const std::filesystem::path& file);
  [[nodiscard]] std::span<const StepRecord> records() const;

 private:
  MappedFile file_{};
  std::vector<StepRecord> converted_{};  // instead of the file's
  std::size_t offset_bytes_ = 0;         // of the first record
};

/// A JSON file of the run directory, e.g. read_json(dir / "plan.json"). Error (usage): missing or not JSON, naming the
/// file.
Result<Json> read_json(const std::filesystem::path& file);

/// The same of a document that this grit can read. Error (usage): also when its format is newer.
Result<Json> read_document(const std::filesystem::path& file, const Format& format);

}  // namespace grit
