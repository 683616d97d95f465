#include "harness/agent/check_log.hpp"
#include "tests/catch.hpp"

namespace grit {
namespace {

const CheckInfo kLinkUp{.name = "link_up", .summary = "links are up", .of_links = true};
const Result<CheckOutcome> kPassed = CheckOutcome{.ok = true, .detail = "up"};
const Result<CheckOutcome> kFailed = CheckOutcome{.ok = false, .detail = "down"};
const Result<CheckOutcome> kNotMade = unavailable_error("no such interface");

TEST_CASE("of a check's readings those that differ from the last one are recorded, and the counts of each block") {
  std::vector<Json> events;
  CheckLog log(3, [&](Json event) { events.push_back(std::move(event)); });
  for (int i = 0; i < 40; ++i) log.take(0, kLinkUp, 1, kPassed);
  log.end_block(1);
  for (int i = 0; i < 40; ++i) log.take(0, kLinkUp, 2, i >= 10 && i < 25 ? kFailed : kPassed);
  for (int i = 0; i < 3; ++i) log.take(0, kLinkUp, 2, kNotMade);
  log.end_block(2);
  log.end_block(3);  // nothing was read in it

  std::vector<std::string> types;
  for (const Json& event : events) {
    CHECK(event.at("node") == 3);
    CHECK(event.at("check") == "link_up");
    types.push_back(event.at("type"));
  }
  CHECK(types == std::vector<std::string>{"check_change", "check_summary", "check_change", "check_change",
                                          "check_change", "check_summary"});
  CHECK(events[0].at("ok") == true);
  CHECK(events[1].at("readings") == 40);
  CHECK(events[1].at("failures") == 0);
  CHECK(events[2].at("ok") == false);
  CHECK(events[2].at("detail") == "down");
  CHECK_FALSE(events[4].contains("ok"));
  CHECK(events[5].at("block") == 2);
  CHECK(events[5].at("readings") == 40);
  CHECK(events[5].at("failures") == 15);
  CHECK(events[5].at("not_made") == 3);
  CHECK(events[5].at("detail") == "no such interface");
}

TEST_CASE("two checks of one name are two checks") {
  std::vector<Json> events;
  CheckLog log(0, [&](Json event) { events.push_back(std::move(event)); });
  for (int i = 0; i < 5; ++i) {
    log.take(0, kLinkUp, 1, kPassed);
    log.take(1, kLinkUp, 1, kFailed);  // of another interface
  }
  CHECK(events.size() == 2);
  log.end_block(1);
  CHECK(events.size() == 4);
}

TEST_CASE("what a check looks at is recorded where it is not links") {
  std::vector<Json> events;
  CheckLog log(0, [&](Json event) { events.push_back(std::move(event)); });
  log.take(0, kLinkUp, 1, kPassed);
  log.take(1, CheckInfo{.name = "disk_smart", .summary = "disks are well"}, 1, kPassed);
  log.end_block(1);
  REQUIRE(events.size() == 4);
  for (const Json& event : events) CHECK(event.contains("of_links") == (event["check"] == "disk_smart"));
  CHECK(events[1].at("of_links") == false);
}

}  // namespace
}  // namespace grit
