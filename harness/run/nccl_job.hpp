// A job that ran with grit's NCCL profiler: the parts that its processes left, put together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
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
  /// It began, but when it ended is not known.
  [[nodiscard]] bool has_no_end() const { return is.first_start_ns > 0 && !has_times(); }
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
  std::uint64_t lost = 0;         // operations, of all ranks
  std::uint64_t overwritten = 0;  // that had the times of a later one, and now have no end
  bool is_fake = false;

  [[nodiscard]] std::string describe(int rank) const;  // "rank 3 (host b)"
};

/// Where the collectives of all are among a rank's operations. Those that are there twice, since a communicator of the
/// same hash was made again, are left out: which is whose is not known.
std::map<NcclCollectiveKey, std::size_t> nccl_places(const std::vector<NcclOperation>& operations);

/// NCCL keeps the device's times of 64 operations of a channel: where its thread is away for longer, it tells one those
/// of a later one. A collective that ended with or after one that was begun kOutOfOrder or more later in the same
/// communicator is therefore left without an end. (Collectives of one group may well end in another order.)
inline constexpr std::size_t kOutOfOrder = 32;

/// Puts parts together, however they are ordered; those of one process, one after the other, are one. The job's ranks
/// are those of a communicator of all processes, else what the launcher called them. Communicators that are not of
/// processes with a part are left out with their operations. Error (usage): there is no part, a process had several
/// ranks of one communicator, ranks are missing or not known, or none that a communicator of that size has; says which
/// and what to do.
Result<NcclJob> join_nccl_parts(std::vector<NcclPart> parts);

/// All *.grit-nccl of a directory, 16 GiB at most. Errors: as above, and as of read_nccl_part().
Result<NcclJob> read_nccl_job(const std::filesystem::path& directory);

}  // namespace grit
