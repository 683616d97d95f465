#include <filesystem>

#include "analysis/report/export/csv.hpp"
#include "analysis/report/export/text_file.hpp"
#include "analysis/report/export/trace.hpp"
#include "harness/base/files.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/report/sample_run.hpp"

using namespace grit;
namespace fs = std::filesystem;

namespace {

std::size_t lines(const fs::path& file) {
  const std::string text = read_file(file).value();
  std::size_t count = 0;
  for (auto at = text.find("\r\n"); at != std::string::npos; at = text.find("\r\n", at + 2)) ++count;
  return count;
}

std::vector<Json> events_named(const Json& trace, const std::string& name) {
  std::vector<Json> found;
  for (const Json& event : trace.at("traceEvents"))
    if (event.at("ph") == "X" && event.at("name") == name) found.push_back(event);
  return found;
}

}  // namespace

TEST_CASE("CSV has a row for every step, block, pair, rank and window") {
  const test::TempDirectory directory;
  auto input = test::sample_run();
  input.plan.topology.nodes[1].name = "node \"1\", left";
  const RunData data = summarize(input);
  REQUIRE(write_csv(input, data, directory.path() / "new" / "csv"));
  const fs::path csv = directory.path() / "new" / "csv";
  CHECK(lines(csv / "steps.csv") == 1 + data.steps.size());
  CHECK(lines(csv / "blocks.csv") == 1 + input.plan.blocks.size());
  CHECK(lines(csv / "pairs.csv") == 1 + 8);
  CHECK(lines(csv / "phases.csv") == 1 + 2 * 4);
  CHECK(lines(csv / "windows.csv") == 1 + 8);
  CHECK(lines(csv / "faults.csv") == 1 + input.verdict.faults.size());
  CHECK(lines(csv / "checks.csv") == 1 + input.verdict.checks.size());
  CHECK(read_file(csv / "phases.csv")->find("1,\"node \"\"1\"\", left\",baseline") != std::string::npos);
  CHECK_FALSE(fs::exists(csv / "steps.csv.tmp"));
}

TEST_CASE("pairs.csv says which pairs count: those in which the fault took effect") {
  const test::TempDirectory directory;
  auto input = test::sample_run();
  const auto rows = [&](const std::string& end) {
    REQUIRE(write_csv(input, summarize(input), directory.path()));
    const std::string text = read_file(directory.path() / "pairs.csv").value();
    std::size_t count = 0;
    for (auto at = text.find(end); at != std::string::npos; at = text.find(end, at + 1)) ++count;
    return count;
  };
  CHECK(rows(",1\r\n") == 7);
  CHECK(rows(",0\r\n") == 1);  // in one window the counters did not move
  input.events = JsonLines();
  CHECK(rows(",0\r\n") == 8);
}

TEST_CASE("the trace has every step, its phases inside of it, collectives, blocks and faults") {
  const test::TempDirectory directory;
  const auto input = test::sample_run();
  const RunData data = summarize(input);
  const fs::path file = directory.path() / "trace.json";
  const auto bytes = write_trace(input, data, {}, file);
  REQUIRE(bytes);
  CHECK(*bytes == fs::file_size(file));
  CHECK(*bytes < input.steps.size() * kTraceBytesARecord * 5 / 4);
  CHECK(*bytes > input.steps.size() * kTraceBytesARecord / 2);
  const Json trace = Json::parse(read_file(file).value());
  CHECK(events_named(trace, "step").size() == input.steps.size());
  CHECK(events_named(trace, "forward").size() == input.steps.size());
  CHECK(events_named(trace, "collectives").size() == input.steps.size());
  CHECK(events_named(trace, "fault").size() == 8);  // blocks
  const auto faults = events_named(trace, "link_flap on node1 eth0");
  REQUIRE(faults.size() == 8);
  for (const Json& fault : faults) CHECK(fault.at("dur").get<double>() == Approx(1e6).epsilon(0.01));
  for (const Json& step : events_named(trace, "step")) CHECK(step.at("ts").get<double>() >= 0);
}

TEST_CASE("a trace of some steps only has these, and one that is too large is refused with what would fit") {
  const test::TempDirectory directory;
  auto input = test::sample_run();
  const RunData data = summarize(input);
  const fs::path file = directory.path() / "trace.json";
  REQUIRE(write_trace(input, data, {10, 14}, file));
  CHECK(events_named(Json::parse(read_file(file).value()), "step").size() == 5 * 4);
  const std::vector<StepRecord> many(kMaxTraceBytes / kTraceBytesARecord + 1);
  input.steps = many;
  const fs::path other = directory.path() / "other.json";
  const auto refused = write_trace(input, data, {}, other);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::usage);
  CHECK(refused.error().message.find("--steps") != std::string::npos);
  CHECK_FALSE(fs::exists(other));
}

TEST_CASE("a range of steps") {
  CHECK(parse_step_range("100..200")->first == 100);
  CHECK(parse_step_range("100..200")->last == 200);
  CHECK(parse_step_range("..7")->first == 0);
  CHECK(parse_step_range("7..")->last == UINT32_MAX);
  for (const char* bad : {"", "7", "a..b", "9..3", "1..2x", "-1..3", "1...3"}) {
    INFO(bad);
    CHECK_FALSE(parse_step_range(bad));
  }
}

TEST_CASE("a file in a directory that is not there is a mistake of who named it") {
  const auto file = TextFile::create("/proc/no/such/trace.json");
  REQUIRE_FALSE(file);
  CHECK(file.error().kind == ErrorKind::usage);
  CHECK(file.error().message.find("there is no directory /proc/no/such") != std::string::npos);
}

TEST_CASE("a file that is not finished leaves nothing") {
  const test::TempDirectory directory;
  {
    auto file = TextFile::create(directory.path() / "x");
    REQUIRE(file);
    file->add("half");
  }
  CHECK(fs::is_empty(directory.path()));
  CHECK_FALSE(TextFile::create(directory.path() / "missing" / "x"));
}
