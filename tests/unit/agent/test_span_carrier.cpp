#include <array>
#include <chrono>
#include <optional>
#include <thread>

#include "harness/agent/recorder.hpp"
#include "harness/agent/span_carrier.hpp"
#include "tests/catch.hpp"
#include "tests/unit/agent/any_port.hpp"
#include "tests/unit/record/support.hpp"

namespace grit {
namespace {

using test::kAnyPort;
constexpr auto kSpansPerMessage = static_cast<std::uint32_t>(Uplink::kSpansPerMessage);

void push(RankSlot& slot, std::uint32_t first, std::uint32_t count) {
  for (CollectiveRecord span : test::numbered_spans(first, count)) {
    span.rank = static_cast<std::uint32_t>(slot.rank);
    slot.spans.push(span);
  }
}

/// A node of two ranks, and a recorder.
struct CarryingNode {
  test::TempDirectory directory{};
  RunKeys keys = *make_run_keys();
  Segment segment = *Segment::create(2);
  std::optional<Recorder> recorder = *Recorder::open(directory.path(), {kAnyPort}, keys, 1);
  Uplink uplink = *Uplink::connect(recorder->endpoints().front(), keys, 0);

  CarryingNode() {
    for (int i = 0; i < 2; ++i) segment.slots()[static_cast<std::size_t>(i)].rank = i;
  }
  /// How many spans are written down.
  [[nodiscard]] std::size_t written() const {
    return CollectivesFile::open(directory.path() / "collectives.npy")->records().size();
  }
  /// As the observer does, until so many are written or a long time is over.
  bool carry_until(SpanCarrier& carrier, std::size_t count) {
    for (int i = 0; i < 20'000 && written() < count; ++i) {
      REQUIRE(recorder->pump());
      const std::int64_t now_ns = monotonic_ns();
      while (const auto message = uplink.receive())
        if (message->kind == MessageKind::taken) carrier.taken(now_ns);
      carrier.carry(now_ns, true);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return written() == count;
  }
};

TEST_CASE("the spans of all ranks of a node are written down, of each in their order") {
  CarryingNode node;
  SpanCarrier carrier(node.segment, node.uplink, 1);
  std::uint32_t pushed = 0;
  for (const std::uint32_t count : {10U, 5'000U, 8'000U}) {
    for (RankSlot& slot : node.segment.slots()) push(slot, pushed, count);
    pushed += count;
    REQUIRE(node.carry_until(carrier, 2 * pushed));
  }
  const auto file = CollectivesFile::open(node.directory.path() / "collectives.npy");
  std::array<std::uint32_t, 2> next{};
  for (const CollectiveRecord& span : file->records()) CHECK(span.sequence == next.at(span.rank)++);
  CHECK(next == std::array{pushed, pushed});
  CHECK(carrier.dropped() == 0);
}

TEST_CASE(
    "of a recorder that takes nothing few messages wait, the rings keep the rest, and the end says what was lost") {
  CarryingNode node;
  SpanCarrier carrier(node.segment, node.uplink, 1);
  push(node.segment.slots()[0], 0, kSpanCapacity);
  std::int64_t now_ns = 10 * kNsPerS;
  for (int i = 0; i < 100; ++i) carrier.carry(now_ns += kNsPerMs);
  const auto left = [&] { return node.segment.slots()[0].spans.waiting(); };
  CHECK(left() == kSpanCapacity - SpanCarrier::kUnderWayOfNode * kSpansPerMessage);
  // Receipts that do not come are given up: whoever took the messages has died.
  carrier.carry(now_ns + SpanCarrier::kReceiptPatience_ns + kNsPerS);
  CHECK(left() == kSpanCapacity - 2 * SpanCarrier::kUnderWayOfNode * kSpansPerMessage);
  push(node.segment.slots()[0], 0, kSpanCapacity);
  const std::size_t lost = left();
  const std::int64_t began_ns = monotonic_ns();
  carrier.finish();
  CHECK(monotonic_ns() - began_ns < 5 * kNsPerS);
  CHECK(carrier.dropped() == lost);
  CHECK(node.uplink.dropped_messages() == 0);
}

TEST_CASE("all nodes together keep to the rate, with a second's worth at once") {
  for (const int nodes : {1, 4}) {
    CarryingNode node;
    SpanCarrier carrier(node.segment, node.uplink, nodes);
    RankSlot& slot = node.segment.slots()[0];
    std::int64_t bytes = 0;
    const auto carry = [&](std::int64_t now_ns) {
      for (bool sent = true; sent;) {
        push(slot, 0, static_cast<std::uint32_t>(kSpanCapacity - slot.spans.waiting()));
        carrier.carry(now_ns);
        const std::size_t gone = kSpanCapacity - slot.spans.waiting();
        for (std::size_t i = 0; i < gone / kSpansPerMessage; ++i) carrier.taken(now_ns);
        bytes += static_cast<std::int64_t>(gone * sizeof(CollectiveRecord));
        sent = gone > 0;
      }
    };
    const std::int64_t share_bytes = SpanCarrier::kRate_bytes_per_s / nodes;
    const auto message_bytes = static_cast<std::int64_t>(kSpansPerMessage * sizeof(CollectiveRecord));
    carry(100 * kNsPerS);
    CHECK(bytes >= share_bytes);
    CHECK(bytes <= share_bytes + message_bytes);
    for (std::int64_t ms = 1; ms <= 1000; ++ms) carry(100 * kNsPerS + ms * kNsPerMs);
    CHECK(bytes >= 2 * share_bytes);
    CHECK(bytes <= 2 * share_bytes + message_bytes);
    CHECK(node.uplink.dropped_messages() == 0);
  }
}

TEST_CASE("at the end everything goes, however few there are") {
  CarryingNode node;
  SpanCarrier carrier(node.segment, node.uplink, 1);
  push(node.segment.slots()[0], 0, 1);
  REQUIRE(node.carry_until(carrier, 1));  // the connection is there
  push(node.segment.slots()[1], 0, kSpanCapacity);
  std::jthread pumping([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (!node.recorder->pump()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  carrier.finish();
  node.uplink.goodbye();
  for (int i = 0; i < 20'000 && node.written() <= kSpanCapacity && carrier.dropped() == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(node.written() == kSpanCapacity + 1);
  CHECK(carrier.dropped() == 0);
}

}  // namespace
}  // namespace grit
