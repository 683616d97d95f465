// What ranks did, read from their records and spans.
#include "analysis/simulate/measured_run.hpp"
#include "harness/base/clock.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

/// Two ranks on two nodes, one block. In each step both begin a gather, compute for 5 ms and need it; compute for 10 ms
/// more, and sum. The gather takes `gathers_ns` of the step.
struct PrefetchingJob {
  explicit PrefetchingJob(const std::vector<std::int64_t>& gathers_ns) {
    plan.workload = {"training", {}};
    plan.mesh = Mesh::over({{Axis::dp, 2}}, 2).value();
    for (int node = 0; node < 2; ++node)
      plan.topology.nodes.push_back({.index = node, .name = "node" + std::to_string(node), .ranks = {node}});
    plan.blocks.push_back({0, 0, BlockKind::baseline});
    std::int64_t now = 1'000 * kNsPerMs;
    for (const std::int64_t gather_ns : gathers_ns) now = add_step(now, gather_ns);
  }

  std::int64_t add_step(std::int64_t start, std::int64_t gather_ns) {
    const std::int64_t asked = start + 5 * kNsPerMs, gathered = start + gather_ns;
    const std::int64_t summed_from = std::max(asked, gathered) + 10 * kNsPerMs, end = summed_from + 2 * kNsPerMs;
    const auto step = static_cast<std::uint32_t>(records.size() / 2);
    for (std::uint32_t rank = 0; rank < 2; ++rank) {
      StepRecord record{.rank = rank, .node = rank, .step = step, .step_in_block = step, .start_ns = start};
      record.end_ns = record.collective_exit_ns = end;
      record.collective_entry_ns = start;
      records.push_back(record);
      CollectiveRecord span{.rank = rank, .step = step, .sequence = 2 * step, .group = 1};
      span.operation = CollectiveOperation::all_gather;
      span.bytes = 1'000, span.entry_ns = start, span.exit_ns = gathered;
      span.wait_ns = gathered > asked ? asked : 0;
      spans.push_back(span);
      span.operation = CollectiveOperation::all_reduce;
      ++span.sequence, span.entry_ns = span.wait_ns = summed_from, span.exit_ns = end;
      spans.push_back(span);
    }
    return end;
  }

  Plan plan{};
  std::vector<StepRecord> records{};
  std::vector<CollectiveRecord> spans{};
};

/// Work before each action, in the order of actions.
std::vector<double> works_ms(const StepProgram& program) {
  std::vector<double> works;
  for (const PlayedAction& action : program.actions) works.push_back(action.work_ns / kNsPerMs);
  return works;
}

}  // namespace

TEST_CASE("an operation that was over in time is asked for where others waited for it") {
  const PrefetchingJob job({6 * kNsPerMs, 4 * kNsPerMs, 6 * kNsPerMs});
  const auto run = MeasuredRun::read(job.plan, job.records, job.spans, Json());
  REQUIRE(run.has_value());
  for (const std::uint32_t step : {0U, 1U, 2U}) {
    const StepProgram& program = run->program(step, 1);
    REQUIRE(program.whole);
    CHECK(works_ms(program) ==
          std::vector<double>{0, 5, 10, 0});  // gather begun, gather asked for, sum begun and so on
    CHECK(program.actions[1].waits);
    CHECK(program.work_ns == 15 * kNsPerMs);
    CHECK(program.operations[0].transfer_ns == (step == 1 ? 4 : 6) * kNsPerMs);
  }
}

TEST_CASE("an operation that nobody waits for is asked for at the step's end") {
  const PrefetchingJob job({4 * kNsPerMs, 4 * kNsPerMs});
  const auto run = MeasuredRun::read(job.plan, job.records, job.spans, Json());
  REQUIRE(run.has_value());
  const StepProgram& program = run->program(1, 0);
  CHECK(works_ms(program) == std::vector<double>{0, 15, 0, 0});
  CHECK_FALSE(program.actions[1].waits);
  CHECK(program.actions[3].operation == 0);
}
