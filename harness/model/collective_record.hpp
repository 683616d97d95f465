// What a rank leaves behind for every operation of a communicator, its span: one fixed-size record.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "harness/model/data_type.hpp"

namespace grit {

/// In files by these numbers, so none is ever changed.
enum class CollectiveOperation : std::uint8_t {
  all_reduce = 0,
  reduce_scatter = 1,
  all_gather = 2,
  all_to_all = 3,
  send = 4,
  receive = 5
};
constexpr std::string_view to_string(CollectiveOperation operation) {
  switch (operation) {
    case CollectiveOperation::all_reduce:
      return "all_reduce";
    case CollectiveOperation::reduce_scatter:
      return "reduce_scatter";
    case CollectiveOperation::all_gather:
      return "all_gather";
    case CollectiveOperation::all_to_all:
      return "all_to_all";
    case CollectiveOperation::send:
      return "send";
    case CollectiveOperation::receive:
      return "receive";
  }
  return "unknown";
}

/// Times are CLOCK_MONOTONIC of the rank's node, in nanoseconds.
///
/// Which records belong together: those of one collective have the same `group` and `sequence` on all ranks of the
/// group; a send has the `group` and `sequence` of its receive, whose `rank` and `peer` are the other way round.
struct CollectiveRecord {
  std::uint32_t rank = 0;  // of the job
  std::uint32_t step = 0;  // StepRecord::step in which it was begun
  /// From 0 over the whole attempt (a job that starts again counts anew): of a collective among all of its group (sends
  /// and receives do not count there), of a send among those of this rank to that peer in this group, of a receive
  /// among those from that peer.
  std::uint32_t sequence = 0;
  std::uint32_t wrong = 0;  // received values that were not what they should be, by the pattern
  std::int32_t peer = -1;   // rank of the job at the other end of a send or receive; -1: a collective
  std::uint16_t group = 0;  // index in the run's table of groups
  CollectiveOperation operation = CollectiveOperation::all_reduce;
  DataType type = DataType::fp32;
  /// The size S of nccl-tests (doc/PERFORMANCE.md there), by which bus_bandwidth.hpp works out the bus bandwidth:
  /// all_reduce: the buffer. reduce_scatter, all_gather: the whole of it, all ranks' parts together. all_to_all: all
  /// that this rank sends, its own part too. send, receive: the message.
  std::int64_t bytes = 0;
  std::int64_t entry_ns = 0;  // this rank began it
  /// This rank saw it complete, at most one poll after it was: while the rank computes that is as late as the compute
  /// polls (200 µs for the emulated accelerator, one tile's product for real ones), while it waits as soon as it can.
  /// 0: not yet.
  std::int64_t exit_ns = 0;
  /// This rank began to wait for it: had nothing else to do any more. Then [wait_ns, exit_ns] is a wait, and what lies
  /// before it the rank's own. 0: it never waited, for it had seen it complete by then.
  std::int64_t wait_ns = 0;
};
static_assert(sizeof(CollectiveRecord) == 56 && std::is_trivially_copyable_v<CollectiveRecord>);

}  // namespace grit
