// Where a rank saves its state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stop_token>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// State of a model under mixed-precision Adam: 16-bit weights, and in fp32 the weights and two moments
/// (Rajbhandari et al. 2020, "ZeRO", arXiv:1910.02054, §3.1).
constexpr std::int64_t kCheckpointBytesPerParameter = 2 + 3 * 4;

/// One file, overwritten by every checkpoint. It has no name, so that nothing is left however the process ends.
class CheckpointFile {
 public:
  /// On the file system of the directory. Error (unavailable): it cannot be made; says why and what to do.
  static Result<CheckpointFile> create(const std::filesystem::path& directory, int rank, std::int64_t bytes);

  /// Writes `bytes` of state, repeated as often as it takes (nothing where there is no state), in pieces of at most 1
  /// MiB, and flushes them (fdatasync(2)). Error (unavailable): no space, an I/O error, or `given_up` between two
  /// pieces.
  Status write(std::span<const std::byte> state, const std::stop_token& given_up = {});

 private:
  CheckpointFile(Fd fd, std::filesystem::path directory, std::int64_t bytes)
      : fd_(std::move(fd)), directory_(std::move(directory)), bytes_(bytes) {}

  Fd fd_;
  std::filesystem::path directory_;
  std::int64_t bytes_;
};

}  // namespace grit
