// From the parts that a job with grit's NCCL profiler left to a run directory like any other.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/mesh.hpp"

namespace grit {

struct NcclImport {
  std::filesystem::path parts{};            // the directory of the *.grit-nccl
  std::filesystem::path out{};              // empty: runs/nccl_job/<UTC time of the job>
  std::optional<std::size_t> operations{};  // of rank 0 in a step; empty: found (nccl_steps.hpp)
  AxisValues mesh{};                        // how the job's ranks shared the work; empty: all on dp
  std::vector<std::string> command_line{};
};

struct NcclImported {
  std::filesystem::path directory{};
  std::vector<std::string> texts{};  // what was found, and how sure it is
};

/// What the records say, and no more:
///   - a step goes from the end of the last operation before its first one to that of the last operation before the
///     next step's first one, on the device. In it "forward" is the time in which none of NCCL's kernels ran on the
///     rank, "exposed_comm" that in which one did: NCCL does not tell what of it was hidden behind the rank's own work;
///   - spans go from the device's beginning of an operation's first channel to its end of the last one;
///   - all times are on one clock, whose errors by node are in clock.json (nccl_clocks.hpp);
///   - steps before the first tenth (one at least) are warm-up, the others up to ten baseline blocks, so that
///     `grit compare` has something to compare.
/// Spans are only of communicators that have the same ranks as a group of the mesh. The directory is called
/// "<out>.unfinished" until all of it is written, and removed when that fails. Error (usage): as of read_nccl_job(),
/// find_nccl_steps() and Mesh::over(), or a directory of either name is there; (unavailable): it cannot be written to.
Result<NcclImported> import_nccl(const NcclImport& wanted);

}  // namespace grit
