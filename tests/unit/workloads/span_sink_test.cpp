#include "workloads/fabric/span_sink.hpp"

#include <array>
#include <limits>

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
