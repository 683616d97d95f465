#include "harness/agent/check_log.hpp"
#include "tests/catch.hpp"

namespace grit {
namespace {

const CheckLog::Name kLinkUp{.label = "link_up", .info = {.name = "link_up", .of_links = true}};

CheckReading reading_of(std::size_t place, std::vector<Outcome> outcomes) {
  return {.place = place, .outcomes = std::move(outcomes), .began_ns = 1000, .ended_ns = 3000, .cpu_ns = 7};
}
Outcome outcome_of(Severity severity, std::string detail, std::string subject = "eth0") {
  return {.severity = severity, .subject = std::move(subject), .detail = std::move(detail)};
}
CheckReading passed(std::size_t place = 0) { return reading_of(place, {outcome_of(Severity::ok, "up")}); }
CheckReading failed(std::size_t place = 0) { return reading_of(place, {outcome_of(Severity::critical, "down")}); }
CheckReading not_made() { return reading_of(0, {outcome_of(Severity::unknown, "no such interface", "")}); }

struct Log {
  std::vector<Json> events{};
  CheckLog log{3, false, [this](Json event) { events.push_back(std::move(event)); }};

  std::vector<std::string> types() const {
    std::vector<std::string> all;
    for (const Json& event : events) all.push_back(event.at("type"));
    return all;
  }
};

TEST_CASE("of a check's outcomes those that differ from the last one are recorded, and the counts of each block") {
  Log one;
  for (int i = 0; i < 40; ++i) one.log.take(kLinkUp, 1, passed());
  one.log.end_block(1);
  for (int i = 0; i < 40; ++i) one.log.take(kLinkUp, 2, i >= 10 && i < 25 ? failed() : passed());
  for (int i = 0; i < 3; ++i) one.log.take(kLinkUp, 2, not_made());
  one.log.end_block(2);
  one.log.end_block(3);  // nothing was read in it

  const auto& events = one.events;
  for (const Json& event : events) {
    CHECK(event.at("node") == 3);
    CHECK(event.at("check") == "link_up");
  }
  REQUIRE(one.types() == std::vector<std::string>{"check_change", "check_summary", "check_change", "check_change",
                                                  "check_change", "check_summary"});
  CHECK(events[0].at("severity") == "ok");
  CHECK(events[0].at("subject") == "eth0");
  CHECK(events[0].at("t_ns") == 3000);
  CHECK(events[1].at("readings") == 40);
  CHECK(events[1].at("failures") == 0);
  CHECK(events[1].at("cpu_ns") == 40 * 7);
  CHECK(events[1].at("longest_ns") == 2000);
  CHECK(events[2].at("severity") == "critical");
  CHECK(events[2].at("detail") == "down");
  CHECK(events[4].at("severity") == "unknown");
  CHECK(events[5].at("block") == 2);
  CHECK(events[5].at("readings") == 40);
  CHECK(events[5].at("failures") == 15);
  CHECK(events[5].at("warnings") == 0);
  CHECK(events[5].at("not_made") == 3);
  CHECK(events[5].at("detail") == "no such interface");
}

TEST_CASE("two checks of one plug-in are two checks") {
  Log one;
  for (int i = 0; i < 5; ++i) {
    one.log.take(kLinkUp, 1, passed(0));
    one.log.take({.label = "link_up of eth1", .info = kLinkUp.info}, 1, failed(1));
  }
  CHECK(one.events.size() == 2);
  one.log.end_block(1);
  CHECK(one.events.size() == 4);
}

TEST_CASE("what a check looks at is recorded where it is not links") {
  Log one;
  one.log.take(kLinkUp, 1, passed());
  one.log.take({.label = "disk_smart", .info = {.name = "disk_smart"}}, 1, passed(1));
  one.log.end_block(1);
  REQUIRE(one.events.size() == 4);
  for (const Json& event : one.events) CHECK(event.contains("of_links") == (event["check"] == "disk_smart"));
  CHECK(one.events[1].at("of_links") == false);
}

TEST_CASE("each subject of a check has a severity of its own, and one that is not named any more is well again") {
  Log one;
  const auto both = [](Severity eth1) {
    return reading_of(0, {outcome_of(Severity::ok, "up"), outcome_of(eth1, "slow", "eth1")});
  };
  one.log.take(kLinkUp, 1, both(Severity::warning));
  one.log.take(kLinkUp, 1, both(Severity::warning));
  one.log.take(kLinkUp, 1, both(Severity::critical));
  REQUIRE(one.events.size() == 3);
  CHECK(one.events[2].at("subject") == "eth1");
  one.log.take(kLinkUp, 1, not_made());  // says nothing about eth1
  REQUIRE(one.events.size() == 4);
  CHECK_FALSE(one.events[3].contains("subject"));
  one.log.take(kLinkUp, 1, passed());
  std::map<std::string, std::string> last;
  for (const Json& event : one.events) last[event.value("subject", "")] = event.at("severity");
  CHECK(last == std::map<std::string, std::string>{{"", "ok"}, {"eth0", "ok"}, {"eth1", "ok"}});
  one.log.end_block(1);
  CHECK(one.events.back().at("failures") == 3);
  CHECK(one.events.back().at("warnings") == 2);
}

TEST_CASE("a reading of which a part could not be seen has not passed") {
  Log one;
  const Outcome unseen = outcome_of(Severity::unknown, "no such series", "eth1");
  one.log.take(kLinkUp, 1, reading_of(0, {outcome_of(Severity::ok, "up"), unseen}));
  one.log.take(kLinkUp, 1, reading_of(0, {outcome_of(Severity::critical, "down"), unseen}));
  one.log.end_block(1);
  CHECK(one.events.back().at("readings") == 1);
  CHECK(one.events.back().at("failures") == 1);
  CHECK(one.events.back().at("not_made") == 1);
  CHECK(one.events.back().at("detail") == "no such series");
}

TEST_CASE("that there is nothing of the kind is said only when nothing else was in the way") {
  Log one;
  const CheckReading nothing = reading_of(0, {not_here("no GPU")});
  one.log.take(kLinkUp, 1, nothing);
  one.log.end_block(1);
  CHECK(one.events.back().at("not_here") == true);
  one.log.take(kLinkUp, 2, nothing);
  one.log.take(kLinkUp, 2, not_made());
  one.log.end_block(2);
  CHECK_FALSE(one.events.back().contains("not_here"));
  CHECK(one.events.back().at("detail") == "no such interface");
}

TEST_CASE("a reading across a block's end tells what changed and counts for no block") {
  Log one;
  one.log.take(kLinkUp, std::nullopt, failed());
  REQUIRE(one.types() == std::vector<std::string>{"check_change"});
  CHECK_FALSE(one.events[0].contains("block"));
  one.log.end_block(1);
  CHECK(one.events.size() == 1);
}

TEST_CASE("a check that changes its mind at every reading does not fill the disk, and is counted all the same") {
  Log one;
  for (int i = 0; i < 3000; ++i) one.log.take(kLinkUp, 1, i % 2 == 0 ? passed() : failed());
  CHECK(one.events.size() == 1000);
  CHECK(one.events.back().at("last") == true);
  one.log.end_block(1);
  CHECK(one.events.back().at("failures") == 1500);
}

TEST_CASE("what all nodes of a local cluster share is said to be the machine's") {
  std::vector<Json> events;
  CheckLog log(0, true, [&](Json event) { events.push_back(std::move(event)); });
  log.take({.label = "pressure", .info = {.name = "pressure", .of_machine = true}}, 1, passed());
  log.take(kLinkUp, 1, passed(1));
  CHECK(events[0].at("of_machine") == true);
  CHECK_FALSE(events[1].contains("of_machine"));
}

}  // namespace
}  // namespace grit
