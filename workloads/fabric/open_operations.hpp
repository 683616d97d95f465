// What a rank has begun and not yet seen complete, over all of its communicators; and whether it has failed.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/base/result.hpp"
#include "workloads/fabric/span_sink.hpp"

namespace grit {

/// Names an operation that was begun. One that was made of nothing counts as complete.
struct OperationHandle {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;  // tells who has the slot from who had it before; 0: nobody
  std::uint64_t span = SpanSink::kNone;
  std::uint32_t sequence = 0;  // CollectiveRecord::sequence
};

/// The part of a communicator that is the same whatever moves the data. An operation is in parts (requests, events);
/// it is complete when all of them are. Of one thread.
///
/// Its tables have room for kExpected open operations and grow where more are open at a time than ever before; else
/// nothing here allocates, locks or makes a system call.
class OpenOperations {
 public:
  static constexpr std::size_t kExpected = 1024;

  /// `spans`, where there is one, outlives this. `pause_ns`: how long a rank that waits sleeps between two polls; 0:
  /// not at all.
  explicit OpenOperations(SpanSink* spans, std::int64_t pause_ns = 0);

  /// `record`: all of it but `step` and what is known later.
  OperationHandle begin(const CollectiveRecord& record);
  void add_part(std::uint32_t slot) { ++slots_[slot].parts; }
  /// Of a part whose beginning a device has timed; before its end_part().
  void enter_part(std::uint32_t slot, std::int64_t entry_ns) {
    if (spans_ != nullptr) spans_->enter(slots_[slot].span, entry_ns);
  }
  void end_part(std::uint32_t slot, std::int64_t now_ns) {
    if (--slots_[slot].parts == 0) end(slot, now_ns);
  }
  /// All parts were added; one without parts had nothing to move and is complete.
  void begun(std::uint32_t slot, std::int64_t entry_ns) {
    if (slots_[slot].parts == 0) end(slot, entry_ns);
  }

  [[nodiscard]] bool is_open(const OperationHandle& handle) const {
    return handle.generation != 0 && slots_[handle.slot].generation == handle.generation;
  }
  [[nodiscard]] bool empty() const { return open_ == 0; }
  /// The rank begins to wait for one that is open, or for all that are: into their spans.
  void wait(const OperationHandle& handle, std::int64_t now_ns) {
    if (spans_ != nullptr) spans_->wait(handle.span, now_ns);
  }
  void wait_all(std::int64_t now_ns) {
    if (spans_ != nullptr) spans_->wait_all(now_ns);
  }
  /// The span's values that the pattern found wrong; where there is no span any more, nothing.
  void add_wrong(const OperationHandle& handle, std::uint64_t values) {
    if (spans_ != nullptr) spans_->add_wrong(handle.span, values);
  }

  /// The first error; it stays.
  [[nodiscard]] const Status& status() const { return status_; }
  void fail(const Error& error) {
    if (status_) status_ = tl::make_unexpected(error);
  }
  /// Of an open operation, for messages: "all_reduce 17 of group 3".
  [[nodiscard]] std::string describe(std::uint32_t slot) const;

  void set_pause(std::int64_t pause_ns) { pause_ns_ = pause_ns; }
  void pause() const;

 private:
  struct Slot {
    std::uint32_t generation = 1;
    std::uint32_t parts = 0;
    std::uint64_t span = SpanSink::kNone;
    std::uint32_t sequence = 0;
    std::uint16_t group = 0;
    CollectiveOperation operation = CollectiveOperation::all_reduce;
  };

  void grow(std::size_t size);
  void end(std::uint32_t slot, std::int64_t exit_ns);

  SpanSink* spans_;
  std::int64_t pause_ns_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::size_t open_ = 0;
  Status status_;
};

}  // namespace grit
