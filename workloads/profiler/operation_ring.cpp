#include "workloads/profiler/operation_ring.hpp"

namespace grit {

void OperationSlot::begin_channel(std::int64_t device_ns, std::int64_t seen_ns) {
  const bool is_first = channels_begun.load(std::memory_order_relaxed) == 0;
  if (is_first || device_ns < first_start_ns.load(std::memory_order_relaxed)) {
    first_start_ns.store(device_ns, std::memory_order_relaxed);
    start_seen_ns.store(seen_ns, std::memory_order_relaxed);
  }
  if (is_first || device_ns > last_start_ns.load(std::memory_order_relaxed))
    last_start_ns.store(device_ns, std::memory_order_relaxed);
  channels_begun.fetch_add(1, std::memory_order_release);
}

void OperationSlot::end_channel(std::int64_t device_ns, std::int64_t seen_ns) {
  if (device_ns <= stop_ns.load(std::memory_order_relaxed)) return;
  stop_ns.store(device_ns, std::memory_order_relaxed);
  stop_seen_ns.store(seen_ns, std::memory_order_relaxed);
}

NcclRecord OperationSlot::record() const {
  NcclRecord record;
  record.kind = NcclRecordKind::operation;
  record.communicator = communicator;
  record.number = number;
  record.operation = given;
  NcclOperationRecord& operation = record.operation;
  operation.channels_ended = static_cast<std::uint8_t>(channels_ended.load(std::memory_order_acquire));
  operation.first_start_ns = first_start_ns.load(std::memory_order_relaxed);
  operation.last_start_ns = last_start_ns.load(std::memory_order_relaxed);
  operation.stop_ns = stop_ns.load(std::memory_order_relaxed);
  operation.start_seen_ns = start_seen_ns.load(std::memory_order_relaxed);
  operation.stop_seen_ns = stop_seen_ns.load(std::memory_order_relaxed);
  if (channels_begun.load(std::memory_order_relaxed) != operation.channels_ended)
    operation.stop_ns = operation.stop_seen_ns = 0;
  return record;
}

OperationSlot* OperationRing::claim() {
  std::uint64_t at = head_.load(std::memory_order_relaxed);
  do {
    if (at - tail_.load(std::memory_order_acquire) >= size_) {
      lose();
      return nullptr;
    }
  } while (!head_.compare_exchange_weak(at, at + 1, std::memory_order_acq_rel, std::memory_order_relaxed));
  OperationSlot& slot = slots_[at % size_];
  slot.ticket.store(at, std::memory_order_relaxed);
  for (auto* one : {&slot.channels_begun, &slot.channels_ended}) one->store(0, std::memory_order_relaxed);
  for (auto* one : {&slot.first_start_ns, &slot.last_start_ns, &slot.stop_ns, &slot.start_seen_ns, &slot.stop_seen_ns})
    one->store(0, std::memory_order_relaxed);
  return &slot;
}

}  // namespace grit
