// Which runs a scorecard of directories counts: each once, and none that was put aside or did not end.
#include <filesystem>

#include "harness/base/files.hpp"
#include "harness/cli/finished_runs.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Places = std::vector<std::string>;

void make_run(const fs::path& directory) {
  fs::create_directories(directory);
  REQUIRE(write_file_durably(directory / "plan.json", "{}\n").has_value());
}

/// One kind is finished, and was cut off before; one failed, one cannot be done.
void make_scorecard(const fs::path& directory) {
  for (const char* run : {"link_mtu", "link_mtu.cut-off-1", "flood"}) make_run(directory / run);
  Damages damages;
  damages.scenario = "scorecard", damages.seed = 7, damages.nodes = 4, damages.pairs = 6;
  damages.all = {{"link_mtu", Damage::State::finished, ""},
                 {"flood", Damage::State::failed, "the run ended by hang"},
                 {"irq", Damage::State::not_here, "no interrupts"}};
  REQUIRE(write_file_durably(directory / "damages.json", json_text(to_json(damages)) + "\n").has_value());
}

FinishedRuns found_in(const Places& places) {
  auto found = find_finished_runs(places);
  REQUIRE(found.has_value());
  return std::move(*found);
}

TEST_CASE("of a scorecard the runs that count are taken, and what was not run is kept") {
  const test::TempDirectory directory;
  make_scorecard(directory.path() / "monday");
  const FinishedRuns found = found_in({(directory.path() / "monday").string()});
  CHECK(found.runs == std::vector<fs::path>{directory.path() / "monday" / "link_mtu"});
  REQUIRE(found.not_run.size() == 2);
  CHECK(found.not_run[0].what == "failed");
  CHECK(found.not_run[1].what == "not run here");
  REQUIRE(found.damages.has_value());
  CHECK(found.damages->seed == 7);
}

TEST_CASE("a scorecard below a directory is taken as one, beside the runs there, and what was put aside is not") {
  const test::TempDirectory directory;
  make_scorecard(directory.path() / "monday");
  make_run(directory.path() / "a series" / "trials" / "2");
  make_run(directory.path() / "a series" / "trials" / "2.cut-off-1");
  fs::create_directory_symlink("a series", directory.path() / "latest");
  const FinishedRuns found = found_in({directory.path().string()});
  CHECK(found.runs == std::vector<fs::path>{directory.path() / "a series" / "trials" / "2",
                                            directory.path() / "monday" / "link_mtu"});
  CHECK(found.not_run.size() == 2);
  CHECK_FALSE(found.damages.has_value());
  const std::string aside = (directory.path() / "a series" / "trials" / "2.cut-off-1").string();
  CHECK(found_in({aside}).runs == std::vector<fs::path>{aside});  // it is asked for
}

TEST_CASE("no run counts twice, by whatever names it is reached") {
  const test::TempDirectory directory;
  const fs::path monday = directory.path() / "monday";
  make_scorecard(monday);
  fs::create_directory_symlink("monday", directory.path() / "link");
  const Places places{monday.string(), (monday / ".").string(), (directory.path() / "link").string(),
                      (monday / "link_mtu").string(), directory.path().string()};
  const FinishedRuns found = found_in(places);
  CHECK(found.runs.size() == 1);
  CHECK(found.not_run.size() == 2);
  CHECK_FALSE(found.damages.has_value());
}

TEST_CASE("a directory without a run is refused by name") {
  const test::TempDirectory directory;
  make_run(directory.path() / "run");
  fs::create_directory(directory.path() / "empty");
  const std::string empty = (directory.path() / "empty").string();
  const auto found = find_finished_runs({(directory.path() / "run").string(), empty});
  REQUIRE_FALSE(found.has_value());
  CHECK(found.error().kind == ErrorKind::usage);
  CHECK_THAT(found.error().message, Contains(empty) && Contains("plan.json"));
}

}  // namespace
}  // namespace grit
