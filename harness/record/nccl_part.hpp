// What the profiler plugin (workloads/profiler) leaves of one process of any NCCL job: a file of records of one size,
// which a kill can only cut short.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <type_traits>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// The file's beginning. Texts end with a zero.
struct NcclPartHeader {
  static constexpr std::string_view kMagic = "GRITNCCL";
  static constexpr std::uint32_t kVersion = 1;
  char magic[8] = {};
  std::uint32_t version = 0;
  std::uint32_t record_bytes = 0;
  std::int64_t pid = 0;
  std::int64_t job_rank = -1;     // as the launcher says it: RANK, OMPI_COMM_WORLD_RANK ...; -1: none says it
  std::int64_t monotonic_ns = 0;  // both clocks at one moment
  std::int64_t realtime_ns = 0;
  std::uint32_t is_fake = 0;  // stand-ins of grit's tests played NCCL
  std::uint32_t reserved = 0;
  char host[64] = {};
  char boot[40] = {};  // /proc/sys/kernel/random/boot_id: processes of one boot share CLOCK_MONOTONIC
  char rest[96] = {};
};
static_assert(sizeof(NcclPartHeader) == 256 && std::is_trivially_copyable_v<NcclPartHeader>);

enum class NcclRecordKind : std::uint32_t { communicator = 1, operation = 2, lost = 3 };

enum class NcclFunction : std::uint8_t {
  other = 0,
  all_reduce = 1,
  reduce_scatter = 2,
  all_gather = 3,
  all_to_all = 4,
  send = 5,
  receive = 6,
  broadcast = 7,
  reduce = 8,
  gather = 9,
  scatter = 10
};
/// NCCL's name of it, as its profiler gives it: "AllReduce".
std::string_view to_string(NcclFunction function);

/// The names by which NCCL's profiler calls its types, in the order of ncclDataType_t.
inline constexpr std::array<std::string_view, 12> kNcclTypes{
    "ncclInt8",    "ncclUint8",   "ncclInt32",   "ncclUint32",   "ncclInt64",      "ncclUint64",
    "ncclFloat16", "ncclFloat32", "ncclFloat64", "ncclBfloat16", "ncclFloat8e4m3", "ncclFloat8e5m2"};
inline constexpr std::uint8_t kNcclTypeUnknown = 255;

/// One communicator of this process; its operations come later in the file.
struct NcclCommunicatorRecord {
  std::uint64_t hash = 0;  // the same on all of its ranks
  std::int32_t rank = 0, ranks = 0, nodes = 0;
  char name[64] = {};
};

/// Times on the host's clock are CLOCK_MONOTONIC, those of the device its %globaltimer; all in ns, 0: not known.
struct NcclOperationRecord {
  std::uint64_t sequence = 0;       // of this function in this communicator, as NCCL counts
  std::uint64_t count = 0;          // elements
  std::int64_t called_ns = 0;       // the job called NCCL: nothing of it was on the device before
  std::int64_t given_ns = 0;        // NCCL told of it, about when it gave it to the device
  std::int64_t first_start_ns = 0;  // device: of the channel that began first,
  std::int64_t last_start_ns = 0;   // and of the one that began last
  std::int64_t stop_ns = 0;         // device: the last channel's end
  std::int64_t start_seen_ns = 0;   // host: NCCL has seen the first start
  std::int64_t stop_seen_ns = 0;    // host: it has seen the last end
  std::int32_t peer = -1;           // of a send or receive; else the root
  NcclFunction function = NcclFunction::other;
  std::uint8_t type = kNcclTypeUnknown;  // as ncclDataType_t numbers them
  std::uint8_t channels = 0;             // as NCCL said beforehand
  std::uint8_t channels_ended = 0;
};

struct NcclRecord {
  NcclRecordKind kind{};
  /// Of the part; of communicator and operation.
  std::uint32_t communicator = 0;
  /// operation: its place among all operations that this communicator began in this process, from 0. lost: how many
  /// operations were lost so far.
  std::uint64_t number = 0;
  union {
    NcclOperationRecord operation;
    NcclCommunicatorRecord communicator_is;
  };
  NcclRecord() : operation() {}
};
static_assert(sizeof(NcclRecord) == 104 && std::is_trivially_copyable_v<NcclRecord>);

struct NcclPart {
  struct Communicator {
    NcclCommunicatorRecord is{};
    std::vector<NcclRecord> operations{};  // by number
  };
  std::filesystem::path file{};
  NcclPartHeader header{};
  std::vector<Communicator> communicators{};
  std::uint64_t lost = 0;  // operations for which there was no room
};

/// Reads such a file; a torn record at its end is dropped. Error (usage): none of these, or of a newer version.
Result<NcclPart> read_nccl_part(const std::filesystem::path& file);

}  // namespace grit
