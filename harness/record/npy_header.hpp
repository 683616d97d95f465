// The header of steps.npy: NumPy format 1.0 (numpy.lib.format) with StepRecord as a structured dtype.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "harness/base/result.hpp"

namespace grit {

/// The header that we write has this size whatever the count, so it can be replaced in place; a multiple of 64, as the
/// format wants.
constexpr std::size_t kNpyHeaderBytes = 1024;

struct NpyHeader {
  std::size_t data_offset_bytes = 0;  // where the records begin
  std::uint64_t count = 0;            // how many the header claims
};

/// The header of a file with this many StepRecords, exactly kNpyHeaderBytes long.
std::string npy_header(std::uint64_t count);

/// Reads the header at the beginning of a file: of ours or of numpy.save's, which differ in padding only.
/// Error (usage): cut short, not NumPy format 1.0, or its rows are not StepRecords.
Result<NpyHeader> parse_npy_header(std::string_view bytes);

}  // namespace grit
