// In which allocation of Slurm's a burn-in may go on.
#include <optional>

#include "harness/burnin/allocation.hpp"
#include "harness/burnin/replay.hpp"
#include "tests/catch.hpp"
#include "tests/environment_variable.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/burnin/fake_nodes.hpp"

namespace grit {
namespace {

/// The environment of an allocation, or of none (nullptr).
struct Allocation {
  Allocation(const char* job, const char* nodes)
      : job_variable("SLURM_JOB_ID", job), nodes_variable("SLURM_JOB_NODELIST", nodes) {}
  test::EnvironmentVariable job_variable, nodes_variable;
};

BurninHead head_of_job_5() {
  return {.setup = fake_setup(6, {compute_round(1)}), .launcher = "srun", .slurm_job = "5"};
}

BurninReport report_with_all_states() {
  BurninReport report;
  int node = 0;
  for (const BurninNodeState state : {BurninNodeState::testing, BurninNodeState::bad, BurninNodeState::suspect,
                                      BurninNodeState::not_tested, BurninNodeState::apart, BurninNodeState::untested})
    report.nodes.push_back({.host = fmt::format("n{:02}", node++), .state = state});
  return report;
}

/// Why not; empty: it may go on.
std::string refusal(const BurninHead& head) {
  const auto checked = check_allocation(head, nodes_with_cells_left(report_with_all_states()), "out");
  if (checked) return "";
  CHECK(checked.error().kind == ErrorKind::unavailable);
  return checked.error().message;
}

}  // namespace

TEST_CASE("nodes that are bad or given up have no cells left", "[burnin]") {
  CHECK(nodes_with_cells_left(report_with_all_states()) == std::vector<std::string>{"n00", "n02", "n04", "n05"});
}

TEST_CASE("a burn-in goes on in its own allocation, or in one that has the nodes that are left", "[burnin]") {
  {
    const Allocation own("5", "n00");
    CHECK(refusal(head_of_job_5()).empty());
  }
  const Allocation other("6", "n[00,02,04-05]");
  CHECK(refusal(head_of_job_5()).empty());
}

TEST_CASE("elsewhere a burn-in says in which allocation it goes on", "[burnin]") {
  std::optional<Allocation> place;
  SECTION("one that lacks a node") { place.emplace("6", "n[00-04]"); }
  SECTION("one of whose nodes nothing is known") { place.emplace("6", nullptr); }
  SECTION("none") { place.emplace(nullptr, nullptr); }
  const std::string said = refusal(head_of_job_5());
  CHECK(said.find("job 5") != std::string::npos);
  CHECK(said.find("--nodelist=n[00,02,04-05]") != std::string::npos);
  CHECK(said.find("grit resume out") != std::string::npos);
  BurninHead over_ssh = head_of_job_5();
  over_ssh.launcher = "mpirun";
  CHECK(refusal(over_ssh).empty());
}

TEST_CASE("a burn-in that was given up needs no allocation, for it has no cells to start", "[burnin]") {
  const test::TempDirectory place;
  const BurninHead head = head_of_job_5();
  FakeBurnin burnin(head.setup, {});
  {
    auto log = BurninLog::create(place.path(), head);
    REQUIRE(log);
    for (int i = 0; i < 2; ++i) {
      REQUIRE(burnin.step());
      REQUIRE(log->done(burnin.results.back()));
    }
  }
  for (const bool is_given_up : {false, true}) {
    auto opened = BurninLog::open(place.path());
    REQUIRE(opened);
    BurninScheduler scheduler(head.setup, judge_fakes);
    const auto replayed = replay_burnin(*opened, scheduler);
    REQUIRE(replayed);
    CHECK(replayed->pending.empty() == is_given_up);
    if (!is_given_up) REQUIRE(opened->log.given_up("no time was left"));
  }
}

}  // namespace grit
