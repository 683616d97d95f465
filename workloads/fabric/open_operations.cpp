#include "workloads/fabric/open_operations.hpp"

#include <fmt/format.h>
#include <time.h>

#include "harness/base/clock.hpp"

namespace grit {

OpenOperations::OpenOperations(SpanSink* spans, std::int64_t pause_ns) : spans_(spans), pause_ns_(pause_ns) {
  grow(kExpected);
}

void OpenOperations::grow(std::size_t size) {
  const std::size_t before = slots_.size();
  slots_.resize(size);
  free_.reserve(size);
  for (std::size_t slot = size; slot-- > before;) free_.push_back(static_cast<std::uint32_t>(slot));
}

OperationHandle OpenOperations::begin(const CollectiveRecord& record) {
  if (free_.empty()) grow(2 * slots_.size());
  const std::uint32_t index = free_.back();
  free_.pop_back();
  Slot& slot = slots_[index];
  slot.parts = 0;
  slot.span = spans_ == nullptr ? SpanSink::kNone : spans_->begin(record);
  slot.sequence = record.sequence;
  slot.group = record.group;
  slot.operation = record.operation;
  ++open_;
  return {.slot = index, .generation = slot.generation, .span = slot.span, .sequence = slot.sequence};
}

void OpenOperations::end(std::uint32_t index, std::int64_t exit_ns) {
  Slot& slot = slots_[index];
  if (spans_ != nullptr) spans_->end(slot.span, exit_ns);
  if (++slot.generation == 0) slot.generation = 1;
  free_.push_back(index);
  --open_;
}

std::string OpenOperations::describe(std::uint32_t slot) const {
  return fmt::format("{} {} of group {}", to_string(slots_[slot].operation), slots_[slot].sequence, slots_[slot].group);
}

void OpenOperations::pause() const {
  if (pause_ns_ == 0) return;
  const timespec interval{.tv_sec = pause_ns_ / kNsPerS, .tv_nsec = pause_ns_ % kNsPerS};
  ::clock_nanosleep(CLOCK_MONOTONIC, 0, &interval, nullptr);
}

}  // namespace grit
