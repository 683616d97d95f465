#include <filesystem>
#include <fstream>

#include "analysis/report/finish.hpp"
#include "harness/base/files.hpp"
#include "harness/record/run_dir.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/analysis/fixture.hpp"

using namespace grit;
using namespace grit::testing;
namespace fs = std::filesystem;

namespace {

class RunOnDisk {
 public:
  RunOnDisk() { REQUIRE(create_run_directory(directory())); }
  [[nodiscard]] fs::path directory() const { return base_.path() / "run"; }

  void write_plan(const Plan& plan) const {
    REQUIRE(write_file_durably(directory() / "plan.json", to_json(plan).dump(1)));
    REQUIRE(write_file_durably(directory() / "run.json", R"({"scenario":"link_flap","seed":1,"verdict":null})"));
  }
  void write_steps(const std::vector<StepRecord>& records) const {
    auto steps = StepsWriter::open(directory() / "steps.npy");
    REQUIRE(steps);
    REQUIRE(steps->append(records));
  }
  void write_events(const std::vector<Json>& list) const {
    auto events = EventsWriter::open(directory() / "events.jsonl");
    REQUIRE(events);
    for (const Json& event : list) REQUIRE(events->append(event));
  }
  [[nodiscard]] Json json(const char* file) const {
    const auto document = read_json(directory() / file);
    REQUIRE(document);
    return *document;
  }

 private:
  test::TempDirectory base_{};
};

void append_bytes(const fs::path& file, std::string_view bytes) {
  std::ofstream(file, std::ios::app | std::ios::binary) << bytes;
}

}  // namespace

TEST_CASE("a run directory is finished into verdict.json, run.json and report.html") {
  const RunOnDisk run;
  const Plan plan = small_plan();
  run.write_plan(plan);
  run.write_steps(records_of(plan, steps_slowed_by(0.5)));
  run.write_events(events_of(plan));
  const auto verdict = finish_run(run.directory());
  INFO((verdict ? std::string() : verdict.error().message));
  REQUIRE(verdict);
  CHECK(verdict->kind == VerdictKind::reproduced);
  CHECK(run.json("verdict.json") == to_json(*verdict));
  CHECK(run.json("run.json").at("verdict") == "reproduced");
  CHECK(run.json("run.json").at("outcome") == "completed");
  CHECK(run.json("run.json").at("seed") == 1);  // the rest stays
  CHECK(fs::file_size(run.directory() / "report.html") > 1000);

  const auto again = finish_run(run.directory());
  INFO((again ? std::string() : again.error().message));
  REQUIRE(again);
  CHECK(to_json(*again) == to_json(*verdict));
}

TEST_CASE("torn last records and lines are an early end, not an error") {
  const RunOnDisk run;
  const Plan plan = small_plan();
  run.write_plan(plan);
  auto records = records_of(plan, steps_slowed_by(0.5));
  records.resize(records.size() - 2);
  run.write_steps(records);
  auto events = events_of(plan);
  events.resize(events.size() - 2);  // neither the last block's end nor the run's was written
  run.write_events(events);
  append_bytes(run.directory() / "steps.npy", "torn");
  append_bytes(run.directory() / "events.jsonl", R"({"type":"run","sta)");
  const auto verdict = finish_run(run.directory());
  INFO((verdict ? std::string() : verdict.error().message));
  REQUIRE(verdict);
  CHECK(verdict->outcome == "failed");
  CHECK(verdict->kind == VerdictKind::inconclusive);
  REQUIRE(verdict->effect);
  CHECK(verdict->effect->pairs == 7);
}

TEST_CASE("a run that ended before its first step has a verdict and a report") {
  const RunOnDisk run;
  run.write_plan(small_plan());
  const auto verdict = finish_run(run.directory());
  INFO((verdict ? std::string() : verdict.error().message));
  REQUIRE(verdict);
  CHECK(verdict->kind == VerdictKind::inconclusive);
  CHECK(fs::exists(run.directory() / "report.html"));
}

TEST_CASE("a directory that is no run is a usage error naming it") {
  const RunOnDisk run;
  const auto verdict = finish_run(run.directory());
  REQUIRE_FALSE(verdict);
  CHECK(verdict.error().kind == ErrorKind::usage);
  CHECK(verdict.error().message.find(run.directory().string()) != std::string::npos);
  CHECK_FALSE(fs::exists(run.directory() / "verdict.json"));
}
