#include <sys/resource.h>
#include <sys/stat.h>

#include "harness/model/event.hpp"
#include "harness/record/run_dir.hpp"
#include "tests/catch.hpp"
#include "tests/read_events.hpp"
#include "tests/unit/record/support.hpp"

namespace grit {
namespace {

using Catch::Matchers::Contains;
using test::TempDirectory;

TEST_CASE("a new run directory has its parents, env/ and journal/, and nothing else") {
  const TempDirectory directory;
  const auto run = directory.path() / "runs" / "flap" / "20261123T081500Z-7";
  REQUIRE(create_run_directory(run.string() + "/"));
  CHECK(std::filesystem::is_directory(run / "env"));
  CHECK(std::filesystem::is_directory(run / "journal"));
  CHECK(std::distance(std::filesystem::directory_iterator(run), {}) == 2);
}

TEST_CASE("an existing run directory is never used again") {
  const TempDirectory directory;
  const auto run = directory.path() / "run";
  REQUIRE(create_run_directory(run));
  const auto again = create_run_directory(run);
  REQUIRE_FALSE(again);
  CHECK(again.error().kind == ErrorKind::usage);
  CHECK_THAT(again.error().message, Contains("--out") && Contains("grit report " + run.string()));
}

TEST_CASE("a run directory below a file cannot be") {
  const TempDirectory directory;
  REQUIRE(write_file_durably(directory.path() / "file", "x"));
  for (const char* below : {"file/run", "file/deeper/run"}) {
    const auto made = create_run_directory(directory.path() / below);
    REQUIRE_FALSE(made);
    CHECK(made.error().kind == ErrorKind::usage);
    CHECK_THAT(made.error().message, Contains("is a file"));
  }
}

/// The error for a run directory two levels below, "made" if there is none, and whether anything was left.
std::string refusal(const std::filesystem::path& directory) {
  const auto made = create_run_directory(directory / "runs" / "one");
  if (made) return "made";
  std::string report = std::to_string(static_cast<int>(made.error().kind)) + " " + made.error().message;
  if (std::filesystem::exists(directory / "runs")) report += " LEFT SOMETHING BEHIND";
  return report;
}

void check_refusal(const std::string& report, const std::string& reason) {
  if (report.starts_with(test::kCannot)) {
    test::skip(report);
    return;
  }
  CHECK_THAT(report, Catch::Matchers::StartsWith("69 ") && Contains(reason) && Contains("--out") && !Contains("LEFT"));
}

TEST_CASE("a run directory that cannot be written says why and leaves nothing") {
  const TempDirectory directory;
  SECTION("read-only") {
    check_refusal(
        test::on_small_disk(directory.path(), "size=1m", MS_RDONLY, [&] { return refusal(directory.path()); }),
        "read-only");
  }
  SECTION("full: too small for the first file") {
    check_refusal(test::on_small_disk(directory.path(), "size=16k", 0, [&] { return refusal(directory.path()); }),
                  "the disk is full");
  }
  SECTION("full: no room for a directory") {
    check_refusal(test::on_small_disk(directory.path(), "nr_inodes=3", 0, [&] { return refusal(directory.path()); }),
                  "the disk is full");
  }
  SECTION("no permission") {
    std::filesystem::permissions(directory.path(), std::filesystem::perms(0555));
    check_refusal(test::in_child([&]() -> std::string {
                    if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0)
                      return std::string(test::kCannot) + "setresuid";
                    return refusal(directory.path());
                  }),
                  "no permission");
  }
}

TEST_CASE("events come back in order, and torn and foreign lines are skipped") {
  const TempDirectory directory;
  const auto file = directory.path() / "events.jsonl";
  REQUIRE(read_events(file));
  CHECK(read_events(file)->empty());
  {
    auto writer = EventsWriter::open(file);
    REQUIRE(writer);
    for (int block = 0; block < 3; ++block) {
      Json event = make_event("block", 1, 100 + block);
      event["block"] = block;
      REQUIRE(writer->append(event));
    }
    CHECK_FALSE(writer->append(Json::array()));
    const Fd fd(::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    REQUIRE(write_all(fd.get(), "[1, 2]\n\n{\"type\": \"blo"));  // no object, an empty line, a torn one
  }
  CHECK(read_events(file)->size() == 3);

  auto writer = EventsWriter::open(file);  // the restarted recorder
  REQUIRE(writer);
  REQUIRE(writer->append(make_event("agent_restarted", 0, 200)));
  const auto events = read_events(file);
  REQUIRE(events);
  REQUIRE(events->size() == 4);
  for (int block = 0; block < 3; ++block) CHECK(events->at(static_cast<std::size_t>(block)).at("block") == block);
  CHECK(events->at(3).at("type") == "agent_restarted");
}

TEST_CASE("the first line of events.jsonl says its format, and a newer one is not read") {
  const TempDirectory directory;
  const auto file = directory.path() / "events.jsonl";
  for (int i = 0; i < 2; ++i) {  // the second time the file is there
    auto writer = EventsWriter::open(file);
    REQUIRE(writer);
    REQUIRE(writer->append(make_event("goodbye", 0)));
    REQUIRE(writer->append(make_event("goodbye", 1)));
  }
  const auto events = read_events(file);
  REQUIRE((events && events->size() == 4));
  CHECK(events->at(0).at("format") == formats::kEvents.number);
  for (std::size_t i = 1; i < 4; ++i) CHECK_FALSE(events->at(i).contains("format"));
  REQUIRE(write_file_durably(file, fmt::format(R"({{"format":{},"type":"goodbye"}})"
                                               "\n",
                                               formats::kEvents.number + 1)));
  const auto newer = JsonLines::open(file, formats::kEvents);
  REQUIRE_FALSE(newer);
  CHECK(newer.error().kind == ErrorKind::usage);
  CHECK_THAT(newer.error().message, Catch::Matchers::Contains("has format 2, and this grit reads formats up to 1"));
  REQUIRE(write_file_durably(file, R"({"format":2})"));
  CHECK_FALSE(read_document(file, formats::kRun));
  REQUIRE(write_file_durably(file, R"({"more":2})"));
  CHECK(read_document(file, formats::kRun));
}

TEST_CASE("events of a type are found among others, however their lines are written") {
  const TempDirectory directory;
  const auto file = directory.path() / "events.jsonl";
  REQUIRE(write_file_durably(file, R"({"type":"usage","x":1}
{"type": "fault", "x": 2}
{"detail":"\"type\":\"fault\"","type":"usage","x":3}
{"after":{"type":"usage"},"type":"fault","x":4}
{"x":5}
not JSON
{"type":"fault","x":6}
{"type":"fault","x":7)"));
  auto events = JsonLines::open(file, formats::kEvents);
  REQUIRE(events);
  CHECK(events->first().at("x") == 1);
  events->append(Json{{"type", "fault"}, {"x", 8}});
  REQUIRE(write_file_durably(file, ""));  // what was opened stays
  std::vector<int> found, all;
  events->for_each_of({"fault", "look"}, [&](const Json& event) {
    if (event.value("type", "") == "fault") found.push_back(event.at("x"));
  });
  events->for_each([&](const Json& event) { all.push_back(event.at("x")); });
  CHECK(found == std::vector<int>{2, 4, 6, 8});
  CHECK(all == std::vector<int>{1, 2, 3, 4, 5, 6, 8});
  CHECK(JsonLines::open(directory.path() / "nothing", formats::kEvents)->first().is_null());
}

TEST_CASE("an event with bytes that are not UTF-8, or with newlines, is one readable line") {
  const TempDirectory directory;
  const auto file = directory.path() / "events.jsonl";
  auto writer = EventsWriter::open(file);
  REQUIRE(writer);
  Json event = make_event("witness", 0, 1);
  event["what"] = "a\nb\xff";
  REQUIRE(writer->append(event));
  const auto events = read_events(file);
  REQUIRE(events);
  REQUIRE(events->size() == 1);
  CHECK(events->at(0).at("what") == "a\nb\xEF\xBF\xBD");
}

TEST_CASE("an event that does not fit any more is taken back whole") {
  const TempDirectory directory;
  const auto file = directory.path() / "events.jsonl";
  const std::string report = test::in_child([&]() -> std::string {
    ::signal(SIGXFSZ, SIG_IGN);
    auto writer = EventsWriter::open(file);
    if (!writer) return writer.error().message;
    const rlimit limit{1000, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    std::size_t count = 0;
    while (count < 100 && writer->append(make_event("run", 0, 1))) ++count;
    if (count == 0 || count == 100) return "the limit was not reached";
    const auto at_limit = read_file(file);
    if (!at_limit || at_limit->back() != '\n') return "a torn line was left";
    const rlimit more{10'000, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &more);
    if (!writer->append(make_event("run", 0, 2))) return "no append after the limit was raised";
    const auto events = read_events(file);
    if (!events || events->size() != count + 1) return "an event is missing";
    return "";
  });
  CHECK(report == "");
}

TEST_CASE("read_json names the file that is missing or not JSON") {
  const TempDirectory directory;
  const auto file = directory.path() / "plan.json";
  CHECK(read_json(file).error().kind == ErrorKind::usage);
  CHECK_THAT(read_json(file).error().message, Contains("plan.json"));
  REQUIRE(write_file_durably(file, "{\"a\": "));
  CHECK(read_json(file).error().kind == ErrorKind::usage);
  CHECK_THAT(read_json(file).error().message, Contains("plan.json"));
  REQUIRE(write_file_durably(file, "{\"a\": 1}"));
  CHECK(read_json(file)->at("a") == 1);
}

TEST_CASE("root writes into no run directory that another user could exchange files in") {
  if (::geteuid() != 0) return;
  const TempDirectory place;
  const auto run = place.path() / "run";
  REQUIRE(create_run_directory(run));
  REQUIRE(check_run_directory(run));
  REQUIRE(::chown(run.c_str(), 65533, 0) == 0);
  for (const char* name : {"steps.npy", "events.jsonl"}) {
    const std::string said = name == std::string("steps.npy") ? StepsWriter::open(run / name).error().message
                                                              : EventsWriter::open(run / name).error().message;
    CHECK_THAT(said, Contains("belongs to user 65533") && Contains("--out"));
    CHECK_FALSE(std::filesystem::exists(run / name));
  }
  REQUIRE(::chown(run.c_str(), 0, 0) == 0);
  REQUIRE(::chmod(run.c_str(), 0775) == 0);
  CHECK_THAT(check_run_directory(run).error().message, Contains("others can write") && Contains("chmod go-w"));
}

TEST_CASE("root makes no run directory where everybody could put another in its place") {
  if (::geteuid() != 0) return;
  const TempDirectory place;
  const auto open = place.path() / "open";
  REQUIRE(std::filesystem::create_directories(open / "below"));
  std::filesystem::create_directory_symlink(open / "below", place.path() / "link");
  REQUIRE(::chmod(open.c_str(), 01777) == 0);
  for (const auto& run : {open / "run", open / "below/run", place.path() / "link/linked"}) {
    CAPTURE(run);
    REQUIRE(::chmod(open.c_str(), 0777) == 0);
    const auto refused = create_run_directory(run);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::usage);
    CHECK_THAT(refused.error().message, Contains("chmod +t " + open.string()) && Contains("--out"));
    CHECK_FALSE(std::filesystem::exists(run));
    REQUIRE(::chmod(open.c_str(), 01777) == 0);
    REQUIRE(create_run_directory(run));
    REQUIRE(check_run_directory(run));
    REQUIRE(::chmod(open.c_str(), 0777) == 0);  // meanwhile
    CHECK_THAT(check_run_directory(run).error().message, Contains("chmod +t"));
  }
}

}  // namespace
}  // namespace grit
