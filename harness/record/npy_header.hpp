// The header of a file of records: NumPy format 1.0 (numpy.lib.format) with a structured dtype. Its columns have names,
// by which they are read: a file of an older or newer grit may have others, in another order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// The header that we write has this size whatever the count, so it can be replaced in place; a multiple of 64, as the
/// format wants.
constexpr std::size_t kNpyHeaderBytes = 1024;

/// A member of a record: an integer.
struct RecordField {
  std::string_view name;
  std::string_view dtype;  // NumPy's: "<u4"
  std::size_t offset_bytes;
  std::size_t size_bytes;
};

/// What the rows of a file are.
struct RecordLayout {
  std::string_view file;     // its name in the run directory
  std::string_view records;  // "step records"
  std::span<const RecordField> fields;
  std::size_t record_bytes;
  std::span<const std::string_view> needed;  // columns without which no record can be placed
};

/// Of StepRecord and CollectiveRecord.
template <class Record>
const RecordLayout& record_layout();

/// Where a member of a record is found in the file's rows.
struct NpyColumn {
  std::string name{};
  std::size_t row_offset_bytes = 0;
  std::size_t size_bytes = 0;  // of a little-endian integer: 1, 2, 4 or 8
  bool is_signed = false;
  std::size_t member = 0;  // of the record, counted from 0
};

struct NpyHeader {
  std::size_t data_offset_bytes = 0;  // where the rows begin
  std::uint64_t count = 0;            // how many the header claims
  std::size_t row_bytes = 0;
  std::vector<NpyColumn> columns{};  // those that the record has
  bool is_own = false;               // a row is a record, byte for byte
};

/// The header of a file with this many records, exactly kNpyHeaderBytes long.
std::string npy_header(const RecordLayout& layout, std::uint64_t count);

/// Reads the header at the beginning of a file, grit's or numpy.save's. Columns that the record does not have are
/// passed over, and members that the file has no column for keep their defaults. Error (usage): cut short, not NumPy
/// format 1.0, no rows of named numbers, or without a column that no record can do without; a column of the record is
/// no little-endian integer.
Result<NpyHeader> parse_npy_header(const RecordLayout& layout, std::string_view bytes);

/// Rows into as many records, which have their defaults. Error (usage): a number does not fit the member of its name;
/// says which.
Status records_from_rows(const RecordLayout& layout, const NpyHeader& header, std::string_view rows,
                         std::span<std::byte> records);

}  // namespace grit
