// Brings the spans of a node's ranks to the recorder, as far as that takes them.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/agent/uplink.hpp"
#include "harness/base/clock.hpp"
#include "harness/record/segment.hpp"

namespace grit {

/// Spans can be many times as many as step records. They must not be in the way of these, of events, or of the job's
/// own traffic, so there are two bounds; what waits beyond them fills the ranks' rings and is dropped and counted
/// there:
/// - All nodes together send kRate_bytes_per_s, each its share, with bursts of a second: 150,000 spans a second, or
///   seven steps of 100 ranks with 200 operations each, and at most 30 GB an hour.
/// - Few messages of them are under way: for each the recorder sends a receipt when it has taken it. A recorder that is
///   slow or gone so slows them down and finds no queue of them.
class SpanCarrier {
 public:
  static constexpr std::int64_t kRate_bytes_per_s = 8 << 20;
  static constexpr int kUnderWay = 64;       // messages of all nodes; a node has 1 to kUnderWayOfNode of them
  static constexpr int kUnderWayOfNode = 8;  // 230 KB
  /// A receipt that has not come by then is not waited for any more: the recorder that took the message has died.
  static constexpr std::int64_t kReceiptPatience_ns = 4 * kNsPerS;
  /// Fewer than a message's go after so long.
  static constexpr std::int64_t kSpeak_ns = 2 * kNsPerS;
  /// At the end: how long to wait for a receipt, and for all of them.
  static constexpr std::int64_t kLastReceipt_ns = kNsPerS, kLast_ns = 3 * kNsPerS;

  /// Both outlive it. `nodes`: of the run.
  SpanCarrier(const Segment& segment, Uplink& uplink, int nodes);

  /// Sends what waits and may go; `all`: also less than a message.
  void carry(std::int64_t now_ns, bool all = false);
  /// A receipt has come.
  void taken(std::int64_t now_ns);
  /// Sends what is left, whatever the rate, and counts what the recorder does not take. Nothing else is read from the
  /// uplink any more.
  void finish();

  /// Of the fullest ring.
  [[nodiscard]] std::size_t most_waiting() const;
  /// Taken from the rings and not brought to the recorder, or left in them at the end.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  bool send_message(std::int64_t now_ns);
  [[nodiscard]] std::size_t waiting() const;

  const Segment& segment_;
  Uplink& uplink_;
  int most_under_way_;
  std::int64_t rate_bytes_per_s_;
  std::vector<CollectiveRecord> message_{};
  std::size_t next_slot_ = 0;  // whose ring is the first for the next message
  int under_way_ = 0;
  std::int64_t receipt_ns_ = 0;  // the last one, or when messages were under way for the first time since
  std::int64_t sent_ns_ = 0;
  std::int64_t allowed_from_ns_ = 0;  // by the rate
  std::uint64_t dropped_ = 0;
};

}  // namespace grit
