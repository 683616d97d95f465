#include "harness/agent/span_carrier.hpp"

#include <poll.h>

#include <algorithm>

namespace grit {

SpanCarrier::SpanCarrier(const Segment& segment, Uplink& uplink, int nodes)
    : segment_(segment),
      uplink_(uplink),
      most_under_way_(std::clamp(kUnderWay / std::max(nodes, 1), 1, kUnderWayOfNode)),
      rate_bytes_per_s_(kRate_bytes_per_s / std::max(nodes, 1)) {}

std::size_t SpanCarrier::waiting() const {
  std::size_t waiting = 0;
  for (const RankSlot& slot : segment_.slots()) waiting += slot.spans.waiting();
  return waiting;
}

std::size_t SpanCarrier::most_waiting() const {
  std::size_t most = 0;
  for (const RankSlot& slot : segment_.slots()) most = std::max(most, slot.spans.waiting());
  return most;
}

/// False: there was nothing to send.
bool SpanCarrier::send_message(std::int64_t now_ns) {
  message_.resize(Uplink::kSpansPerMessage);
  const auto slots = segment_.slots();
  std::size_t count = 0;
  for (std::size_t i = 0; i < slots.size() && count < message_.size(); ++i) {
    next_slot_ = (next_slot_ + 1) % slots.size();
    count += slots[next_slot_].spans.pop(std::span(message_).subspan(count));
  }
  if (count == 0) return false;
  if (uplink_.send_spans(std::span(message_).first(count)))
    ++under_way_;
  else
    dropped_ += count;
  const auto bytes = static_cast<std::int64_t>(count * sizeof(CollectiveRecord));
  allowed_from_ns_ = std::max(allowed_from_ns_, now_ns - kNsPerS) + bytes * kNsPerS / rate_bytes_per_s_;
  sent_ns_ = now_ns;
  return true;
}

void SpanCarrier::carry(std::int64_t now_ns, bool all) {
  if (under_way_ > 0 && now_ns - receipt_ns_ > kReceiptPatience_ns) under_way_ = 0;
  const bool due = all || now_ns - sent_ns_ >= kSpeak_ns;
  while (under_way_ < most_under_way_ && now_ns >= allowed_from_ns_ && (due || waiting() >= Uplink::kSpansPerMessage)) {
    if (under_way_ == 0) receipt_ns_ = now_ns;
    if (!send_message(now_ns)) return;
  }
}

void SpanCarrier::taken(std::int64_t now_ns) {
  under_way_ = std::max(under_way_ - 1, 0);
  receipt_ns_ = now_ns;
}

void SpanCarrier::finish() {
  const std::int64_t began_ns = monotonic_ns();
  receipt_ns_ = began_ns;
  for (std::int64_t now_ns = began_ns; waiting() > 0; now_ns = monotonic_ns()) {
    while (under_way_ < most_under_way_ && send_message(now_ns)) {
    }
    if (now_ns - began_ns > kLast_ns || now_ns - receipt_ns_ > kLastReceipt_ns) break;
    pollfd item{uplink_.descriptor(), POLLIN, 0};
    if (!uplink_.has_message()) ::poll(&item, 1, 10);
    while (const auto message = uplink_.receive())
      if (message->kind == MessageKind::taken) taken(now_ns);
  }
  dropped_ += waiting();
}

}  // namespace grit
