#include "harness/base/clock.hpp"
#include "harness/burnin/time_left.hpp"
#include "tests/catch.hpp"
#include "tests/unit/burnin/fake_nodes.hpp"

namespace grit {
namespace {

BurninTimes cells_of(const std::string& round, int count, std::int64_t each_ns) {
  BurninTimes times;
  for (int i = 0; i < count; ++i)
    times.add({.cell = {.round = round}, .started_ns = 1 + i * each_ns, .took_ns = each_ns});
  return times;
}

}  // namespace

TEST_CASE("what is left of a burn-in is the rest of its round, later rounds, and all cycles behind this one",
          "[burnin]") {
  // Of 8 nodes: 8 x 2 cells alone, 4 x 3 pairs, 2 + 1 groups; each cell takes a second, as far as cells are known.
  BurninSetup setup = fake_setup(8, {compute_round(2), links_round(3), group_round({4, 0}, 1)}, 1);
  BurninTimes times = cells_of("solo", 6, kNsPerS);
  for (const char* round : {"links", "groups"}) {
    const BurninTimes known = cells_of(round, 1, kNsPerS);
    times.rounds.insert(known.rounds.begin(), known.rounds.end());
  }
  BurninProgress progress{.round = "solo", .cells_done = 6, .cells_planned = 16, .nodes = {{"testing", 8}}};
  CHECK(burnin_left_ns(setup, progress, times) == (10 + 12 + 3) * kNsPerS);
  setup.config.cycles = 3;
  CHECK(burnin_left_ns(setup, progress, times) == (10 + 12 + 3 + 2 * (16 + 12 + 3)) * kNsPerS);
  progress.cycle = 2;
  CHECK(burnin_left_ns(setup, progress, times) == (10 + 12 + 3) * kNsPerS);
  progress.round = "groups", progress.cells_done = 3, progress.cells_planned = 3;
  CHECK(burnin_left_ns(setup, progress, times) == 0);
}

TEST_CASE("what is left of a million cycles is a long time and not a negative one", "[burnin]") {
  BurninSetup setup = fake_setup(1000, {compute_round(3)}, 1);
  setup.config.cycles = 1'000'000;
  const BurninProgress progress{.round = "solo", .cells_done = 1, .cells_planned = 3000, .nodes = {{"testing", 1000}}};
  // 3,000 cells of 10 s in each cycle: 3e19 ns, of which 64 bits hold less than a third.
  CHECK(burnin_left_ns(setup, progress, cells_of("solo", 1, 10 * kNsPerS)) == 9'000'000'000'000'000'000);
  setup.config.cycles = 100'000;  // 3e18 ns
  CHECK(static_cast<double>(burnin_left_ns(setup, progress, cells_of("solo", 1, 10 * kNsPerS))) ==
        Approx(3e18).epsilon(1e-3));
}

TEST_CASE("what is left: several cells at a time, nodes that are out, and rounds that have had no cell", "[burnin]") {
  BurninSetup setup = fake_setup(8, {compute_round(1), links_round(1)}, 4);
  setup.config.rounds[0].alone = setup.config.rounds[1].alone = false;
  setup.config.rounds[1].length_ns = 500 * kNsPerMs;
  BurninProgress progress{
      .round = "solo", .cells_done = 0, .cells_planned = 8, .nodes = {{"testing", 4}, {"bad", 2}, {"not_tested", 2}}};
  CHECK(burnin_left_ns(setup, progress, {}) == -1);
  // Two seconds for eight cells, four at a time; then two pairs, which the config says take half a second and a launch.
  CHECK(burnin_left_ns(setup, progress, cells_of("solo", 1, kNsPerS)) == 2 * kNsPerS + kNsPerS);
  setup.shares_cores = true;  // as on a local cluster: no round is alone, so this changes nothing
  CHECK(burnin_left_ns(setup, progress, cells_of("solo", 1, kNsPerS)) == 3 * kNsPerS);
  setup.config.rounds[0].alone = true;
  CHECK(burnin_left_ns(setup, progress, cells_of("solo", 1, kNsPerS)) == 9 * kNsPerS);
}

}  // namespace grit
