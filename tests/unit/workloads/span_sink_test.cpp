#include "workloads/fabric/span_sink.hpp"

#include <array>
#include <limits>

#include "harness/record/ring.hpp"
#include "tests/catch.hpp"
#include "workloads/fabric/open_operations.hpp"

using namespace grit;

namespace {

CollectiveRecord record_of(std::uint32_t sequence) {
  CollectiveRecord record;
  record.sequence = sequence;
  record.entry_ns = 1'000 + sequence;
  return record;
}

}  // namespace

TEST_CASE("records are taken in the order of their beginning, as soon as those before them are complete") {
  std::array<CollectiveRecord, 4> ring{};
  SpanSink spans(ring);
  std::array<CollectiveRecord, 4> out{};
  spans.begin_step(7);
  const auto first = spans.begin(record_of(0)), second = spans.begin(record_of(1));
  spans.end(second, 3'000);
  CHECK(spans.take(out) == 0);
  spans.end(first, 4'000);
  spans.begin_step(8);
  const auto third = spans.begin(record_of(2));
  CHECK(spans.take(out) == 2);
  CHECK(out[0].sequence == 0);
  CHECK(out[0].step == 7);
  CHECK(out[0].exit_ns == 4'000);
  CHECK(out[1].exit_ns == 3'000);
  spans.end(third, 5'000);
  CHECK(spans.take(std::span(out).first(0)) == 0);
  CHECK(spans.take(out) == 1);
  CHECK(out[0].step == 8);
  CHECK(spans.take(out) == 0);
  CHECK(spans.dropped() == 0);
}

TEST_CASE("what has no place is counted and does no harm, and there is place again when records were taken") {
  std::array<CollectiveRecord, 4> ring{};
  SpanSink spans(ring);
  std::array<CollectiveRecord, 4> out{};
  std::array<std::uint64_t, 6> places{};
  for (std::uint32_t i = 0; i < 6; ++i) places[i] = spans.begin(record_of(i));
  CHECK(spans.dropped() == 2);
  CHECK(places[4] == SpanSink::kNone);
  for (const auto place : places) spans.end(place, 9'000), spans.add_wrong(place, 1);
  CHECK(spans.take(out) == 4);
  for (std::uint32_t i = 0; i < 4; ++i) CHECK((out[i].sequence == i && out[i].wrong == 1));
  CHECK(spans.begin(record_of(6)) != SpanSink::kNone);
  spans.add_wrong(places[0], 1);  // taken before: it is no longer that record's place
  CHECK(ring[0].wrong == 0);
}

TEST_CASE("a span has the moment from which on the rank waited for it, and none where it was complete by then") {
  std::array<CollectiveRecord, 8> ring{};
  SpanSink spans(ring);
  std::array<std::uint64_t, 5> places{};
  for (std::uint32_t i = 0; i < 5; ++i) places[i] = spans.begin(record_of(i));
  spans.end(places[0], 2'000);
  spans.wait(places[2], 3'000);
  spans.wait_all(4'000);
  spans.end(places[1], 4'500);
  spans.wait_all(5'000);  // of what waits already the first moment stays
  spans.end(places[2], 6'000);
  spans.wait(places[2], 7'000);
  const auto late = spans.begin(record_of(5));
  spans.wait_all(8'000);
  CHECK(ring[0].wait_ns == 0);
  CHECK(ring[1].wait_ns == 4'000);
  CHECK(ring[2].wait_ns == 3'000);
  CHECK(ring[3].wait_ns == 4'000);
  CHECK(ring[late].wait_ns == 8'000);
  spans.wait(SpanSink::kNone, 9'000);  // dropped
}

TEST_CASE("a wait finds its span after others were taken and the ring went round") {
  std::array<CollectiveRecord, 4> ring{};
  SpanSink spans(ring);
  std::array<CollectiveRecord, 4> out{};
  for (std::uint32_t round = 0; round < 10; ++round) {
    const auto done = spans.begin(record_of(0)), open = spans.begin(record_of(1));
    spans.end(done, 2'000);
    spans.wait_all(3'000 + round);
    spans.end(open, 4'000);
    REQUIRE(spans.take(out) == 2);
    CHECK(out[0].wait_ns == 0);
    CHECK(out[1].wait_ns == 3'000 + round);
  }
}

TEST_CASE(
    "spans are handed over as far as the shared ring has room, the rest later, and what was dropped is known there") {
  std::array<CollectiveRecord, 8> ring{};
  SpanSink spans(ring);
  Ring<CollectiveRecord, 4> shared;
  std::array<CollectiveRecord, 8> out{};
  const auto begin = [&](std::uint32_t first, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) spans.end(spans.begin(record_of(first + i)), 9'000);
  };
  begin(0, 3);
  const auto open = spans.begin(record_of(3));
  spans.hand_over(shared);
  CHECK(shared.waiting() == 3);
  REQUIRE(shared.pop(std::span(out).first(2)) == 2);
  spans.end(open, 9'000);
  begin(4, 9);  // 8 of them wait here at most: those from 3 to 10
  spans.hand_over(shared);
  CHECK(shared.lost.load() == 2);
  REQUIRE(shared.pop(out) == 4);
  for (std::uint32_t i = 0; i < 4; ++i) CHECK(out[i].sequence == 2 + i);
  spans.hand_over(shared);
  REQUIRE(shared.pop(out) == 4);
  for (std::uint32_t i = 0; i < 4; ++i) CHECK(out[i].sequence == 6 + i);
  spans.hand_over(shared);
  REQUIRE(shared.pop(out) == 1);
  CHECK(out[0].sequence == 10);
  begin(13, 7);
  spans.begin(record_of(20));  // never complete
  spans.finish(shared);
  CHECK(shared.lost.load() == 2 + 4);
}

TEST_CASE("wrong values add up and stop at the largest number there is") {
  std::array<CollectiveRecord, 1> ring{};
  SpanSink spans(ring);
  const auto place = spans.begin(record_of(0));
  spans.add_wrong(place, 3);
  spans.add_wrong(place, 4);
  CHECK(ring[0].wrong == 7);
  spans.add_wrong(place, std::numeric_limits<std::uint64_t>::max());
  CHECK(ring[0].wrong == std::numeric_limits<std::uint32_t>::max());
}

TEST_CASE("an operation is complete with its last part, and its handle stays so when others have its slot") {
  std::array<CollectiveRecord, 8> ring{};
  SpanSink spans(ring);
  OpenOperations open(&spans);
  CHECK_FALSE(open.is_open(OperationHandle{}));
  const OperationHandle first = open.begin(record_of(0));
  open.add_part(first.slot);
  open.add_part(first.slot);
  open.begun(first.slot, 1'000);
  CHECK(open.is_open(first));
  CHECK(open.describe(first.slot) == "all_reduce 0 of group 0");
  open.end_part(first.slot, 2'000);
  CHECK(open.is_open(first));
  open.end_part(first.slot, 3'000);
  CHECK_FALSE(open.is_open(first));
  CHECK(ring[0].exit_ns == 3'000);
  CHECK(open.empty());
  const OperationHandle second = open.begin(record_of(1));
  CHECK(second.slot == first.slot);
  CHECK_FALSE(open.is_open(first));
  CHECK(open.is_open(second));
  open.begun(second.slot, 1'001);  // of nothing
  CHECK_FALSE(open.is_open(second));
  CHECK(ring[1].exit_ns == 1'001);
}

TEST_CASE("more operations can be open than were expected, and the first error stays") {
  OpenOperations open(nullptr);
  std::vector<OperationHandle> handles;
  for (std::uint32_t i = 0; i < 3 * OpenOperations::kExpected; ++i) {
    handles.push_back(open.begin(record_of(i)));
    open.add_part(handles.back().slot);
  }
  for (const OperationHandle& handle : handles) {
    REQUIRE(open.is_open(handle));
    open.end_part(handle.slot, 1);
    REQUIRE_FALSE(open.is_open(handle));
  }
  CHECK(open.empty());
  CHECK(open.status());
  open.fail({ErrorKind::internal, "one"});
  open.fail({ErrorKind::internal, "two"});
  REQUIRE_FALSE(open.status());
  CHECK(open.status().error().message == "one");
}
