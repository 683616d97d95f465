// From a burn-in's log back to where it was.
#include "harness/burnin/front_end.hpp"
#include "harness/burnin/replay.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/burnin/fake_nodes.hpp"

namespace grit {
namespace {

BurninSetup slow_setup() {
  return fake_setup(6, {facts_round(), compute_round(2), links_round(), group_round({3}, 1)}, 3);
}

}  // namespace

TEST_CASE("a burn-in that was given up is after its log what it was, wherever that was", "[burnin]") {
  const FakeNodes nodes{.compute = {{"n00", 50}}, .link = {{"n05", 50}}, .dies_after = {{"n03", 4}}};
  FakeBurnin whole(slow_setup(), nodes);
  whole.run();
  int with_results_behind = 0;
  for (std::size_t after = 0; after < whole.results.size(); ++after) {
    const test::TempDirectory place;
    auto log = BurninLog::create(place.path(), {.setup = slow_setup(), .launcher = "mpirun"});
    REQUIRE(log);
    FakeBurnin burnin(slow_setup(), nodes);
    for (std::size_t i = 0; i < after; ++i) {
      REQUIRE(burnin.step(i * 7));
      REQUIRE(log->done(burnin.results.back()));
    }
    REQUIRE(log->given_up("no time was left"));
    burnin.scheduler().give_up("no time was left");
    while (burnin.step()) {
      REQUIRE(log->done(burnin.results.back()));
      ++with_results_behind;
    }
    const bool has_end = after % 2 == 0;  // else the front end was killed
    if (has_end) REQUIRE(log->ended("no time was left"));
    log = usage_error("closed");

    const auto opened = BurninLog::open(place.path());
    REQUIRE(opened);
    CHECK(opened->ended == has_end);
    BurninScheduler again(slow_setup(), judge_fakes);
    const auto replayed = replay_burnin(*opened, again);
    REQUIRE(replayed);
    CAPTURE(after);
    CHECK(replayed->pending.empty());
    CHECK(again.done());
    CHECK(to_json(again.report()) == to_json(burnin.report()));
  }
  CHECK(with_results_behind > 10);
}

TEST_CASE("a burn-in that was killed when its time was over asks for no place to go on in", "[burnin]") {
  const test::TempDirectory place;
  const BurninSetup setup = fake_setup(3, {facts_round()});
  {
    auto log = BurninLog::create(
        place.path(), {.setup = setup, .launcher = "srun", .slurm_job = "5", .started_ns = 1, .time_limit_ns = 1});
    REQUIRE(log);
  }
  {
    auto opened = BurninLog::open(place.path());
    REQUIRE(opened);
    CHECK(opened->earlier_ns == 0);
    BurninScheduler scheduler(setup);
    for (const BurninCell& cell : scheduler.next()) REQUIRE(opened->log.started(cell, {"srun"}));
  }
  const auto code = run_burnin({.directory = place.path(), .resumes = true});
  REQUIRE(code);
  CHECK(*code == 2);  // nobody was tested
  const auto opened = BurninLog::open(place.path());
  REQUIRE(opened);
  CHECK(opened->ended);
  REQUIRE(opened->given_up);
  CHECK(opened->given_up->why == kNoTimeLeft);
}

TEST_CASE("what ran when the front end was killed is to be run again, and nothing else", "[burnin]") {
  FakeBurnin burnin(slow_setup(), {});
  const test::TempDirectory place;
  {
    auto log = BurninLog::create(place.path(), {.setup = slow_setup(), .launcher = "mpirun"});
    REQUIRE(log);
    for (int i = 0; i < 9; ++i) {
      REQUIRE(burnin.step());
      REQUIRE(log->done(burnin.results.back()));
    }
  }
  auto opened = BurninLog::open(place.path());
  REQUIRE(opened);
  BurninScheduler again(slow_setup(), judge_fakes);
  const auto replayed = replay_burnin(*opened, again);
  REQUIRE(replayed);
  std::set<std::string> running;
  for (const std::string& id : burnin.ids()) running.insert(id);
  for (const BurninCellResult& result : burnin.results) running.erase(result.cell.id);
  CHECK(replayed->pending.size() == running.size());
  for (const auto& [id, cell] : replayed->pending) CHECK(running.contains(id));

  // A result of a cell that was not to be run is another version's.
  opened->results.push_back(opened->results.front());
  BurninScheduler once_more(slow_setup(), judge_fakes);
  const auto refused = replay_burnin(*opened, once_more);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::usage);
}

}  // namespace grit
