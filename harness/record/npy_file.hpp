// Files of records that numpy.load reads: steps.npy, a row per rank and step, and collectives.npy, a row per operation
// of a rank.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"
#include "harness/model/collective_record.hpp"
#include "harness/model/step_record.hpp"
#include "harness/record/mapped_file.hpp"

namespace grit {

/// Appends records to a file (NumPy structured array, format 1.0). The header, of a fixed size, is brought up to date
/// after every append, so numpy.load works at any moment, also after a kill; a torn record at the end is not counted.
template <class Record>
class NpyWriter {
 public:
  /// Opens or makes the file; an existing one is continued after its last whole record.
  static Result<NpyWriter> open(const std::filesystem::path& file);
  /// All of them or, on an error, none.
  Status append(std::span<const Record> records);
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  NpyWriter() = default;
  Fd fd_;
  std::uint64_t count_ = 0;
};

/// The whole records of such a file, mapped read-only (harness/record/mapped_file.hpp). One that another version of
/// grit wrote, with other columns, is read by their names, into memory: as many bytes as the records have.
///
/// How many there are is settled when it is opened: what is appended later is not seen, a torn end is dropped. A writer
/// never takes away what it once counted.
template <class Record>
class NpyFile {
 public:
  /// Error (usage): no such file, or none of these records.
  static Result<NpyFile> open(const std::filesystem::path& file);
  [[nodiscard]] std::span<const Record> records() const;

 private:
  MappedFile file_{};
  std::vector<Record> converted_{};  // instead of the file's
  std::size_t offset_bytes_ = 0;     // of the first record
};

using StepsWriter = NpyWriter<StepRecord>;
using StepsFile = NpyFile<StepRecord>;
using CollectivesWriter = NpyWriter<CollectiveRecord>;
using CollectivesFile = NpyFile<CollectiveRecord>;

}  // namespace grit
