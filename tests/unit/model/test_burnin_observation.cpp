#include <algorithm>
#include <limits>

#include "harness/model/burnin_observation.hpp"
#include "tests/catch.hpp"

namespace grit {
namespace {

BurninCellResult cell_of(std::vector<std::string> hosts) {
  BurninCellResult result;
  result.cell = {.id = "links/1/n1+n2", .round = "links", .visit = 3, .confirms = true, .hosts = std::move(hosts)};
  return result;
}

BurninLine sample() {
  BurninLine line{.host = "n1", .peer = "n2"};
  line.observations = {{.measure = "link_rate", .value = 1.25e9},
                       {.measure = "link_loss", .value = 3, .exposure = 40000}};
  line.facts = {{"kernel", "6.1.0"}, {"cpu_model", "Prozessor \xC2\xB5\xF0\x9F\x94\xA5\"\n"}};
  line.alarms = {{.host = "n1",
                  .check = "link_settings",
                  .subject = "eth0",
                  .severity = "critical",
                  .detail = "MTU 1400, was 1500",
                  .of_machine = true}};
  line.alarm_free = {"memory_room"};
  line.skipped = {"storage: no disk is here"};
  line.error = "the disk is full";
  line.boot_id = "6d1f6c1e-31a5-4b8c-8f2d-0d0f0f4f2a11";
  line.carriers = {.netns = "4:4026531840", .read_ns = 5, .nics = {{.nic = "eth0", .ifindex = 2, .lost = 7}}};
  return line;
}

bool is_ascii(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7F); });
}

}  // namespace

TEST_CASE("What a process measured comes through a launcher's output unchanged") {
  const std::string text = burnin_line(sample());
  CHECK(is_ascii(text));
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
  BurninCellResult result = cell_of({"n1", "n2"});
  read_burnin_lines("Warning: Permanently added 'n1'\n" + text + "some words{\n{\"a\": 1}\n[1]\n", result);
  REQUIRE(result.observations.size() == 2);
  const BurninObservation& loss = result.observations[0];  // in the order of names
  CHECK(loss.measure == "link_loss");
  CHECK(loss.value == 3);
  CHECK(loss.exposure == 40000);
  CHECK(loss.host == "n1");
  CHECK(loss.peer == "n2");
  CHECK(loss.cell == "links/1/n1+n2");
  CHECK(loss.visit == 3);
  CHECK(loss.confirms);
  CHECK(result.observations[1].value == 1.25e9);
  CHECK(result.observations[1].exposure == 0);
  CHECK(result.facts.at("n1") == sample().facts);
  CHECK(result.boot_ids.at("n1") == sample().boot_id);
  REQUIRE(result.carriers.at("n1").size() == 1);
  CHECK(to_json(result.carriers.at("n1")[0]) == to_json(*sample().carriers));
  CHECK(result.carriers.at("n1")[0].nics[0].lost == 7);
  REQUIRE(result.alarms.size() == 1);
  CHECK(result.alarms[0].detail == "MTU 1400, was 1500");
  CHECK(result.alarms[0].of_machine);
  CHECK(result.alarm_free.at("n1") == sample().alarm_free);
  CHECK(result.skipped.at("n1") == sample().skipped);
  CHECK(result.errors.at("n1") == "the disk is full");
}

TEST_CASE("Lines of one host add up") {
  BurninLine second{.host = "n1", .error = "another"};
  second.facts = {{"mtu", "1500"}};
  BurninCellResult result = cell_of({"n1", "n2"});
  read_burnin_lines(burnin_line(sample()) + burnin_line(second), result);
  CHECK(result.facts.at("n1").size() == 3);
  CHECK(result.errors.at("n1") == "the disk is full; another");
}

TEST_CASE("A line that is torn, foreign or unsound is passed over, and the next one is read") {
  const std::string good = burnin_line({.host = "n2", .observations = {{.measure = "compute", .value = 5}}});
  const std::string torn = burnin_line(sample());
  const std::vector<std::string> bad{
      torn.substr(0, torn.size() / 2) + "\n",
      torn.substr(0, torn.size() / 2) + good,  // two writers' output mixed
      burnin_line({.host = "n9", .observations = {{.measure = "compute", .value = 5}}}),
      burnin_line({.host = "n1", .peer = "n9", .observations = {{.measure = "link_rate", .value = 5}}}),
      burnin_line({.host = "n1", .peer = "n1", .observations = {{.measure = "link_rate", .value = 5}}}),
      burnin_line({.host = "n1", .observations = {{.measure = "elegance", .value = 5}}}),
      burnin_line(
          {.host = "n1", .observations = {{.measure = "compute", .value = std::numeric_limits<double>::quiet_NaN()}}}),
      burnin_line(
          {.host = "n1", .observations = {{.measure = "compute", .value = std::numeric_limits<double>::infinity()}}}),
      "{\"grit_measure\": 1, \"host\": \"n1\", \"figures\": {\"compute\": 1e999}}\n",
      "{\"grit_measure\": 1, \"host\": \"n1\", \"figures\": {\"compute\": \"5\"}}\n",
      "{\"grit_measure\": 1, \"host\": \"n1\", \"figures\": {\"compute\": {\"value\": 5}}}\n",
      "{\"grit_measure\": 1, \"host\": \"n1\", \"figures\": 5}\n",
      "{\"grit_measure\": 1, \"host\": \"n1\", \"facts\": {\"kernel\": 6}}\n",
      "{\"grit_measure\": 1, \"host\": 5}\n",
      "{\"grit_measure\": 1}\n",
      "{\"grit_measure\": 2, \"host\": \"n1\", \"figures\": {\"compute\": 5}}\n",
      std::string("\0{\xFF\n", 4)};
  for (const std::string& line : bad) {
    CAPTURE(line);
    BurninCellResult result = cell_of({"n1", "n2"});
    read_burnin_lines(line + good, result);
    REQUIRE(result.observations.size() == 1);
    CHECK(result.observations[0].host == "n2");
    CHECK(result.facts.empty());
  }
  BurninCellResult result = cell_of({"n1", "n2"});
  read_burnin_lines(good.substr(0, good.size() - 1), result);  // no end of line: more may have been to come
  CHECK(result.observations.empty());
}

TEST_CASE("However much there is to say, a line fits into one write to a pipe and keeps its figures") {
  BurninLine line = sample();
  for (int i = 0; i < 400; ++i) {
    line.facts["fact" + std::to_string(i)] = std::string(static_cast<std::size_t>(10 * i), 'x');
    line.alarms.push_back({.host = "n1", .check = "check", .severity = "critical", .detail = std::string(299, 'y')});
    line.alarm_free.push_back("check" + std::to_string(i));
    line.skipped.push_back("what" + std::to_string(i));
  }
  line.error = std::string(5000, '\x01');
  const std::string text = burnin_line(line);
  CHECK(text.size() <= 4000);
  CHECK(is_ascii(text));
  BurninCellResult result = cell_of({"n1", "n2"});
  read_burnin_lines(text, result);
  CHECK(result.observations.size() == 2);
  CHECK_FALSE(result.errors.at("n1").empty());
}

TEST_CASE("A long text is cut between characters") {
  BurninLine line{.host = "n1"};
  for (int i = 0; i < 3000; ++i) line.error += "\xC2\xB5";
  BurninCellResult result = cell_of({"n1"});
  read_burnin_lines(burnin_line(line), result);
  const std::string& error = result.errors.at("n1");
  CHECK(error.size() < line.error.size());
  CHECK(error.find("\xEF\xBF\xBD") == std::string::npos);
  CHECK(error.starts_with("\xC2\xB5"));
}

}  // namespace grit
