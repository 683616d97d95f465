#include <fmt/format.h>

#include "harness/burnin/unstarted_cells.hpp"
#include "tests/catch.hpp"

namespace grit {
namespace {

BurninCellResult result_of(const std::string& host, BurninCellEnd end) {
  return {.cell = {.id = "solo/0/" + host, .round = "solo", .hosts = {host}}, .end = end, .words = "of " + host};
}

BurninReport report_of(int nodes, BurninNodeState state) {
  BurninReport report;
  for (int node = 0; node < nodes; ++node)
    report.nodes.push_back({.host = fmt::format("n{:02}", node), .state = state});
  return report;
}

void add_unstarted(UnstartedCells& cells, int first, int last) {
  for (int node = first; node <= last; ++node)
    cells.add(result_of(fmt::format("n{:02}", node), BurninCellEnd::not_started));
}

bool accuse(const UnstartedCells& cells, const BurninReport& report, bool is_over = false) {
  return cells.accuse_launcher(report.nodes.size(), is_over, [&] { return report; });
}

}  // namespace

TEST_CASE("when no node can be reached any more, the launcher is at fault and no node", "[burnin]") {
  const BurninReport report = report_of(10, BurninNodeState::testing);
  UnstartedCells cells;
  cells.add(result_of("n00", BurninCellEnd::completed));
  add_unstarted(cells, 0, 8);
  CHECK_FALSE(accuse(cells, report));
  add_unstarted(cells, 9, 9);
  CHECK(cells.count() == 10);
  CHECK(cells.words() == "of n09");
  CHECK(accuse(cells, report));
  for (const BurninCellEnd end : {BurninCellEnd::completed, BurninCellEnd::failed, BurninCellEnd::timed_out}) {
    UnstartedCells after = cells;
    after.add(result_of("n03", end));
    CHECK(after.count() == 0);
    CHECK_FALSE(accuse(after, report));
  }
}

TEST_CASE("nodes that cannot be reached while others wait are themselves the reason", "[burnin]") {
  BurninReport report = report_of(4, BurninNodeState::not_tested);
  report.nodes[0].state = BurninNodeState::testing;
  UnstartedCells cells;
  cells.add(result_of("n00", BurninCellEnd::completed));
  for (int times = 0; times < 3; ++times) add_unstarted(cells, 1, 3);
  CHECK(cells.count() == 9);
  CHECK_FALSE(accuse(cells, report));
  report.nodes[0].state = BurninNodeState::bad;  // it gets no cells any more, and says nothing
  CHECK(accuse(cells, report));
}

TEST_CASE("one cell that finds the allocation over is enough", "[burnin]") {
  const BurninReport report = report_of(5, BurninNodeState::testing);
  UnstartedCells cells;
  cells.add(result_of("n00", BurninCellEnd::completed));
  for (const char* words : {"srun: error: Slurm job 5 has expired",
                            "srun: error: Unable to confirm allocation for job 5: Invalid job id specified",
                            "srun: error: Unable to create step for job 5: Invalid job id specified",
                            "srun: error: Unable to create step for job 5: Job/step already completing or completed"}) {
    BurninCellResult lost = result_of("n01", BurninCellEnd::not_started);
    lost.words = words;
    UnstartedCells after = cells;
    after.add(lost);
    CHECK(accuse(after, report));
    CHECK(after.allocation_is_over());
    CHECK(after.count() == 1);
  }
  for (const char* words :
       {"srun: error: Unable to create step for job 5: Requested node configuration is not available",
        "srun: error: Slurm job 5 is still pending"}) {
    BurninCellResult one = result_of("n01", BurninCellEnd::not_started);
    one.words = words;
    cells.add(one);
    CHECK_FALSE(cells.allocation_is_over());
    CHECK_FALSE(accuse(cells, report));
  }
}

TEST_CASE("cells that the end of the allocation cancels are forgotten with those that found it over", "[burnin]") {
  const BurninReport report = report_of(8, BurninNodeState::testing);
  BurninCellResult cancelled = result_of("n01", BurninCellEnd::failed);
  cancelled.words = "slurmstepd: error: *** STEP 5.7 ON n01 CANCELLED AT 2026-11-29T20:00:00 DUE TO NODE FAILURE ***";
  BurninCellResult expired = result_of("n02", BurninCellEnd::not_started);
  expired.words = "srun: error: Slurm job 5 has expired";
  UnstartedCells cells;
  cells.add(result_of("n00", BurninCellEnd::completed));
  cells.add(cancelled);
  CHECK(cells.count() == 1);
  CHECK_FALSE(accuse(cells, report));
  cells.add(expired);
  CHECK(cells.count() == 2);
  CHECK(accuse(cells, report));
  CHECK(cells.words() == expired.words);
  cells.add(cancelled);
  add_unstarted(cells, 3, 3);  // with other words
  CHECK(cells.count() == 4);
  CHECK(accuse(cells, report));
  CHECK(cells.words() == expired.words);
}

TEST_CASE("cancelled cells alone accuse nobody", "[burnin]") {
  const BurninReport report = report_of(8, BurninNodeState::testing);
  UnstartedCells cells;
  for (int node = 0; node < 8; ++node) {
    BurninCellResult cancelled = result_of(fmt::format("n{:02}", node), BurninCellEnd::failed);
    cancelled.words = "slurmstepd: error: *** STEP 5.7 ON n01 CANCELLED AT 2026-11-29T20:00:00 ***";
    cells.add(cancelled);
  }
  CHECK_FALSE(accuse(cells, report));
  CHECK_FALSE(accuse(cells, report, true));
}

TEST_CASE("a burn-in in which no cell was ever started says nothing of its few nodes", "[burnin]") {
  const BurninReport report = report_of(2, BurninNodeState::not_tested);
  UnstartedCells cells;
  CHECK_FALSE(accuse(cells, report, true));
  add_unstarted(cells, 0, 1);
  CHECK_FALSE(accuse(cells, report));
  CHECK(accuse(cells, report, true));
  UnstartedCells one_started;
  one_started.add(result_of("n00", BurninCellEnd::completed));
  add_unstarted(one_started, 1, 1);
  CHECK_FALSE(accuse(one_started, report, true));
}

}  // namespace grit
