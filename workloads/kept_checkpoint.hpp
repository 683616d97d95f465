// Checkpoints that outlive the job: a rank's parts by name, each proven whole when it is read back.
//
// A rank has several files and writes them in turn, so that one which is torn never costs the last good one. A file is
// a header and the part, which is repeated up to the file's length. The header has the step, who wrote it, a checksum
// of the part, one of the whole state that the parts of all ranks make together, and one of itself.
//
// How many files: there must always be a checkpoint that all ranks have whole. No rank ends a step that another has not
// begun (every step sums gradients or sends activations through all ranks), so that when the first rank goes over a
// file with checkpoint n, all have ended the step of checkpoint n - 1. Where ranks flush a checkpoint within its step,
// all have n - 1, and two files are enough. Where they flush it beside the steps that follow, but wait for it in the
// step of the next one, a slow rank may be writing n - 1 still; all have n - 2, and the third file keeps it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// Any change within one 64-bit word changes it: each word goes through a step that is one to one (FNV-1a of 64 bits,
/// Fowler/Noll/Vo, by words instead of bytes, in four lanes). No protection against somebody who means harm.
std::uint64_t checksum_of(std::span<const std::byte> bytes);

constexpr std::size_t kCheckpointFiles = 2;
constexpr std::size_t kMostCheckpointFiles = 3;  // of ranks that write beside their steps

/// Whose part it is.
struct CheckpointPart {
  std::filesystem::path directory{};  // exists; of all ranks of the job
  int rank = 0;
  int ranks = 1;
};

class KeptCheckpoint {
 public:
  /// Makes what is not there. The file of step `taken_up` (-1: of none) is the last that is gone over. Each checkpoint
  /// has `file_bytes`, but at least room for the part. `file_count`: as many as said above. Error (unavailable): it
  /// cannot be made; says why and what to do.
  static Result<KeptCheckpoint> open(const CheckpointPart& part, std::int64_t file_bytes, std::int64_t taken_up,
                                     std::size_t file_count = kCheckpointFiles);

  /// The part of the state after this step, flushed (fdatasync(2)). Error (unavailable): no space, an I/O error, or
  /// `given_up` between two pieces of 1 MiB; the next one goes over the same file then.
  Status write(std::int64_t step, std::span<const std::byte> part, std::uint64_t checksum_of_all,
               const std::stop_token& given_up = {});

 private:
  KeptCheckpoint(const CheckpointPart& part, std::int64_t file_bytes, std::vector<Fd> files, std::size_t next)
      : part_(part), file_bytes_(file_bytes), files_(std::move(files)), next_(next) {}

  CheckpointPart part_;
  std::int64_t file_bytes_;
  std::vector<Fd> files_;
  std::size_t next_;
};

/// What a rank's files hold.
struct SavedPart {
  std::int64_t step = -1;  // -1: not even the header can be read
  std::string problem{};   // why it is no whole part; empty: every byte was read, and is as it was written
};

/// Reads all of all files; those that are missing or empty are left out.
std::vector<SavedPart> saved_parts(const CheckpointPart& part);

/// Reads the part of this step, to the last byte of its file. Returns the checksum of the whole state. Error
/// (unavailable): there is none of this step, it has another length, or it is damaged.
Result<std::uint64_t> read_part(const CheckpointPart& part, std::int64_t step, std::span<std::byte> bytes);

}  // namespace grit
