#include "analysis/blame/resource_class.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/culprit_fixture.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

constexpr double kMs = 1e6;

/// A rank that waits 40 ms longer for its data.
WorkGrowth longer_input(Usage usage, std::optional<OthersUsage> others = OthersUsage{}) {
  WorkGrowth growth;
  growth.phase_ns[0] = 40 * kMs;
  growth.baseline_ns = {kMs, 20 * kMs, 40 * kMs, 5 * kMs, 0, 0};
  growth.usage = usage;
  growth.others = others;
  growth.accelerator = true;
  return growth;
}

}  // namespace

TEST_CASE("data that come late are the CPUs' where ranks and loaders wait for these, however slow the loader looks") {
  const ResourceClass alone = classify(longer_input({.run_wait_ns = 60 * kMs}));
  CHECK(alone.resource == "compute");
  // Nobody took the CPUs; a few page faults more are no sign of memory.
  CHECK(classify(longer_input({.run_wait_ns = 60 * kMs}, OthersUsage{-5 * kMs, 3})).resource == "compute");
  CHECK(classify(longer_input({.run_wait_ns = 60 * kMs}, OthersUsage{50 * kMs, 3})).resource == "compute");
  // Somebody who faults pages in took them.
  CHECK(classify(longer_input({.run_wait_ns = 60 * kMs}, OthersUsage{50 * kMs, 1500})).resource == "memory");
}

TEST_CASE("data that come late are the storage's where their readers wait for it") {
  CHECK(classify(longer_input({.blocked_ns = 35 * kMs})).resource == "storage");
  CHECK(classify(longer_input({.io_stall_ns = 35 * kMs})).resource == "storage");
  CHECK(classify(longer_input({.run_wait_ns = 15 * kMs, .blocked_ns = 35 * kMs})).resource == "storage");
  CHECK(classify(longer_input({.run_wait_ns = 25 * kMs, .blocked_ns = 80 * kMs})).resource == "storage");
}

TEST_CASE(
    "data that come late are nobody's where their readers waited for both, and the CPUs' where for these by far") {
  CHECK(classify(longer_input({.run_wait_ns = 30 * kMs, .blocked_ns = 35 * kMs})).resource == "unknown");
  CHECK(classify(longer_input({.run_wait_ns = 45 * kMs, .blocked_ns = 35 * kMs})).resource == "unknown");
  CHECK(classify(longer_input({.run_wait_ns = 90 * kMs, .blocked_ns = 35 * kMs})).resource == "compute");
}

TEST_CASE("a node whose data come late is named, with what its loaders wait for, but for storage that all share") {
  // Half of a step more in the input phase, of one node's rank. What is counted is of the rank and its loaders, in 12
  // steps: two of them wait beside each other.
  const bool cpus = GENERATE(true, false), local = GENERATE(true, false);
  SimulatedJob job({.local_cluster = local});
  job.run([](int node, int, int, RankStep& step) {
    if (node == 2) step.input += 18e6;
  });
  job.count([&](bool fault, int rank) {
    const bool late = fault && rank == 2;
    Json counted = counters(300, late && cpus ? 2 * 12 * 17 : 4);
    counted["blocked_ns"] = (late && !cpus ? 2 * 12 * 17 : 30) * 1e6;
    return counted;
  });
  count_machine(job, [](int, bool) { return 20e6; });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text << ": " << culprit->suspects.at(0).why);
  const bool own = cpus || !local;
  CHECK(culprit->named == (own ? 1 : 0));
  CHECK(culprit->suspects.at(0).node == (own ? 2 : -1));
  CHECK(culprit->suspects.at(0).resource == (cpus ? "compute" : "storage"));
}
