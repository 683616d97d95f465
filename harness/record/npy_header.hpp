// The header of steps.npy: NumPy format 1.0 (numpy.lib.format) with StepRecord as a structured dtype. Its columns have
// names, by which they are read: a file of an older or newer grit may have others, in another order.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/step_record.hpp"

namespace grit {

/// The header that we write has this size whatever the count, so it can be replaced in place; a multiple of 64, as the
/// format wants.
constexpr std::size_t kNpyHeaderBytes = 1024;

/// Where a member of StepRecord is found in the file's rows.
struct NpyColumn {
  std::string name{};
  std::size_t row_offset_bytes = 0;
  std::size_t size_bytes = 0;  // of a little-endian integer: 1, 2, 4 or 8
  bool is_signed = false;
  std::size_t member = 0;  // of StepRecord, counted from 0
};

struct NpyHeader {
  std::size_t data_offset_bytes = 0;  // where the rows begin
  std::uint64_t count = 0;            // how many the header claims
  std::size_t row_bytes = 0;
  std::vector<NpyColumn> columns{};  // those that StepRecord has
  bool is_own = false;               // a row is a StepRecord, byte for byte
};

/// The header of a file with this many StepRecords, exactly kNpyHeaderBytes long.
std::string npy_header(std::uint64_t count);

/// Reads the header at the beginning of a file, grit's or numpy.save's. Columns that StepRecord does not have are
/// passed over, and members that the file has no column for stay 0. Error (usage): cut short, not NumPy format 1.0, no
/// rows of named numbers, or without a column that no record can do without; a column of StepRecord is no little-endian
/// integer.
Result<NpyHeader> parse_npy_header(std::string_view bytes);

/// Rows as records. Error (usage): a number does not fit the member of its name; says which.
Result<std::vector<StepRecord>> records_from_rows(const NpyHeader& header, std::string_view rows);

}  // namespace grit
