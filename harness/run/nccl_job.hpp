// A job that ran with grit's NCCL profiler: the parts that its processes left, put together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "harness/record/nccl_part.hpp"

namespace grit {

struct NcclCommunicator {
  std::string name{};          // as the job called it; empty: it gave it none
  std::vector<int> members{};  // ranks of the job, by their rank in the communicator
};

/// The same collective on all of its ranks: communicator, function, and NCCL's number.
using NcclCollectiveKey = std::tuple<std::uint32_t, NcclFunction, std::uint64_t>;

struct NcclOperation {
  std::uint32_t communicator = 0;  // place in NcclJob::communicators
  NcclOperationRecord is{};
  [[nodiscard]] bool is_point_to_point() const {
    return is.function == NcclFunction::send || is.function == NcclFunction::receive;
  }
  /// Nobody is done with one of these before all have begun it.
  [[nodiscard]] bool is_of_all() const {
    return is.function >= NcclFunction::all_reduce && is.function <= NcclFunction::all_to_all;
  }
  [[nodiscard]] bool has_times() const { return is.first_start_ns > 0 && is.stop_ns >= is.first_start_ns; }
  [[nodiscard]] NcclCollectiveKey key() const { return {communicator, is.function, is.sequence}; }
};

struct NcclRankRecords {
  int node = 0;  // place in NcclJob::hosts
  std::int64_t monotonic_ns = 0, realtime_ns = 0;
  std::vector<NcclOperation> operations{};  // in the order in which they were begun
};

struct NcclJob {
  std::vector<std::string> hosts{};
  std::vector<NcclRankRecords> ranks{};
  std::vector<NcclCommunicator> communicators{};
  std::uint64_t lost = 0;  // operations, of all ranks
  bool is_fake = false;

  [[nodiscard]] std::string describe(int rank) const;  // "rank 3 (host b)"
};

/// Puts parts together, however they are ordered; those of one process, one after the other, are one. The job's ranks
/// are those of a communicator of all processes, else what the launcher called them. Communicators that are not of
/// processes with a part are left out with their operations. Error (usage): there is no part, a process had several
/// ranks of one communicator, ranks are missing or not known; says which and what to do.
Result<NcclJob> join_nccl_parts(std::vector<NcclPart> parts);

/// All *.grit-nccl of a directory. Errors: as above, and as of read_nccl_part().
Result<NcclJob> read_nccl_job(const std::filesystem::path& directory);

}  // namespace grit
