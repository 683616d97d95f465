// Going on with a burn-in of real nodes, as far as that comes before any cell.
#include <fmt/format.h>

#include "harness/burnin/log.hpp"
#include "harness/cli/cli.hpp"
#include "tests/catch.hpp"
#include "tests/environment_variable.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/burnin/fake_nodes.hpp"

namespace grit {
namespace {

using Catch::Matchers::Contains;
using Variable = test::EnvironmentVariable;

/// One that was begun in Slurm's job 5, on n00 to n02.
Result<BurninLog> begin_in_job(const std::filesystem::path& directory) {
  return BurninLog::create(
      directory, {.setup = fake_setup(3, {facts_round()}), .launcher = "srun", .slurm_job = "5", .started_ns = 1});
}

Result<int> resume(const std::filesystem::path& directory) {
  const auto action = parse_command_line(std::vector<std::string>{"resume", directory.string()});
  if (!action) return tl::make_unexpected(action.error());
  return (*action)();
}

}  // namespace

TEST_CASE("a burn-in of a Slurm job does not go on where its nodes are not allocated, and says where") {
  const test::TempDirectory place;
  REQUIRE(begin_in_job(place.path()));
  {
    const Variable job("SLURM_JOB_ID", nullptr);
    const auto outside = resume(place.path());
    REQUIRE_FALSE(outside);
    CHECK(outside.error().kind == ErrorKind::unavailable);
    CHECK_THAT(outside.error().message, Contains("job 5") && Contains("no allocation around") &&
                                            Contains("salloc --no-kill '--nodelist=n[00-02]' grit resume"));
  }
  const Variable job("SLURM_JOB_ID", "7"), nodes("SLURM_JOB_NODELIST", "n[00-01]");
  const auto elsewhere = resume(place.path());
  REQUIRE_FALSE(elsewhere);
  CHECK(elsewhere.error().kind == ErrorKind::unavailable);
  CHECK_THAT(elsewhere.error().message, Contains("job 5") && Contains("job 7"));
  const auto opened = BurninLog::open(place.path());
  REQUIRE(opened);
  CHECK(opened->results.empty());
  CHECK_FALSE(opened->ended);
}

TEST_CASE("how a burn-in of a Slurm job ended is told outside of it, too, where nothing is left to start") {
  const test::TempDirectory place;
  const bool has_end = GENERATE(false, true);  // else it was killed between the two lines
  {
    auto log = begin_in_job(place.path());
    REQUIRE(log);
    REQUIRE(log->given_up("no time was left"));
    if (has_end) REQUIRE(log->ended("no time was left"));
  }
  const Variable job("SLURM_JOB_ID", nullptr);
  const auto code = resume(place.path());
  REQUIRE(code);
  CHECK(*code == 2);  // nobody was tested
  CHECK(std::filesystem::exists(place.path() / "burnin.json"));
}

}  // namespace grit
