#include "harness/model/wrong_value.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

WrongValue in_block(std::uint32_t block, std::uint32_t step) {
  return {.block = block,
          .step = step,
          .sequence = 17,
          .element = 1'234'567,
          .expected_bits = 0x43000000,
          .got_bits = 0x7fc00000,  // not a number
          .group = 3,
          .operation = CollectiveOperation::reduce_scatter,
          .type = DataType::fp32};
}

}  // namespace

TEST_CASE("of each block a rank keeps its first few wrong values, as long as somebody takes them") {
  WrongValues values;
  CHECK_FALSE(values.take().has_value());
  for (std::uint32_t step = 0; step < 100; ++step) values.add(in_block(1, step));
  for (std::uint32_t step = 0; step < WrongValues::kExamplesABlock; ++step) {
    const auto value = values.take();
    REQUIRE(value.has_value());
    CHECK(value->step == step);
  }
  CHECK_FALSE(values.take().has_value());
  values.add(in_block(1, 200));
  CHECK_FALSE(values.take().has_value());
  values.add(in_block(3, 300));
  CHECK(values.take()->step == 300);
  for (std::uint32_t block = 10; block < 100; ++block) values.add(in_block(block, block));
  std::uint32_t kept = 0;
  while (const auto value = values.take()) CHECK(value->block == 10 + kept++);
  CHECK(kept == 16);
}

TEST_CASE("an event tells a wrong value, and another one tells none") {
  const Json event = wrong_value_event(in_block(2, 40), 5, 11);
  CHECK(event["node"] == 5);
  CHECK(event["expected"] == 128.0);
  CHECK(event["got"].is_null());
  CHECK_FALSE(event.contains("source"));
  const auto report = wrong_report_in(event);
  REQUIRE(report.has_value());
  CHECK(report->rank == 11);
  CHECK(wrong_value_event(report->value, 5, 11)["got_bits"] == event["got_bits"]);
  CHECK(report->value.operation == CollectiveOperation::reduce_scatter);
  CHECK(report->value.element == 1'234'567);
  CHECK(report->value.source == -1);

  WrongValue copy = in_block(2, 40);
  copy.operation = CollectiveOperation::receive;
  copy.source = 4;
  CHECK(wrong_report_in(wrong_value_event(copy, 5, 11))->value.source == 4);

  for (const char* needed : {"type", "rank", "block", "step", "group", "operation", "type_of_elements", "sequence",
                             "element", "expected_bits", "got_bits"}) {
    INFO(needed);
    Json less = event;
    less.erase(needed);
    CHECK_FALSE(wrong_report_in(less).has_value());
    less[needed] = -1;
    CHECK_FALSE(wrong_report_in(less).has_value());
    less[needed] = 1e30;
    CHECK_FALSE(wrong_report_in(less).has_value());
  }
  Json beyond = event;
  beyond["got_bits"] = std::int64_t{1} << 32;
  CHECK_FALSE(wrong_report_in(beyond).has_value());
  CHECK_FALSE(wrong_report_in(Json(3)).has_value());
}
