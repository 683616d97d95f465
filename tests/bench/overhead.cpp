// What the harness itself costs: step time with recording and agent on against off, by grit's own paired design.
//
//   mpirun -n 4 --oversubscribe build/release/tests/bench/bench_overhead [PAIRS] [BLOCK_MS]
//
// "on": every step pushes its record, the node's agent runs, collects and sends records, the recorder writes steps.npy.
// "off": no record is pushed and the agents are stopped with SIGSTOP. The phase marks (eight relaxed stores a step) and
// the thread that watches over the agent stay in both.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <random>

#include "analysis/effect.hpp"
#include "harness/agent/agent.hpp"
#include "harness/agent/agent_process.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/job.hpp"
#include "harness/run/session.hpp"
#include "harness/scenario/load.hpp"
#include "harness/scenario/planner.hpp"
#include "workloads/fabric/mpi.hpp"
#include "workloads/workload.hpp"

using namespace grit;

namespace {

struct BlockTimes {
  double mean_ns = 0, median_ns = 0;
};

struct Bench {
  const Job& job;
  Segment& segment;
  AgentProcess* agent;
  Workload& workload;
  std::uint32_t step = 0;

  Result<BlockTimes> block(bool on, std::int64_t length_ns) {
    if (agent != nullptr) ::kill(agent->pid(), on ? SIGCONT : SIGSTOP);
    job.barrier();
    RankSlot& slot = segment.slots()[static_cast<std::size_t>(job.local_rank())];
    const std::int64_t started_ns = monotonic_ns();
    std::vector<double> steps;
    for (bool last = false; !last; ++step) {
      StepRecord record;
      record.rank = static_cast<std::uint32_t>(job.rank());
      record.step = step;
      GRIT_TRY(last, workload.step(job.rank() == 0 && monotonic_ns() - started_ns >= length_ns, record));
      if (on) push_record(slot, record);
      steps.push_back(static_cast<double>(record.end_ns - record.start_ns));
    }
    steps.erase(steps.begin());  // settles
    BlockTimes times;
    for (const double ns : steps) times.mean_ns += ns / static_cast<double>(steps.size());
    std::nth_element(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2), steps.end());
    times.median_ns = steps[steps.size() / 2];
    return times;
  }
};

Result<Plan> healthy_plan(const Job& job) {
  GRIT_TRY(const Topology topology, discover_topology(job, "."));
  Result<Plan> plan = Plan{};
  if (job.rank() == 0) {
    plan = load_scenario(std::filesystem::path(GRIT_SOURCE_DIR) / "scenarios/healthy.lua", {})
               .and_then([&](const Scenario& scenario) { return make_plan(scenario, topology, PlanRequest{}); });
  }
  GRIT_CHECK(job.agree(plan ? Status() : Status(tl::make_unexpected(plan.error()))));
  GRIT_TRY(const Json shared, parse_json(job.broadcast(to_json(*plan).dump())));
  return plan_from_json(shared);
}

void print(const std::vector<PairTimes>& pairs) {
  for (const Effect& effect : paired_effects(pairs))
    fmt::print(
        "harness and agent, {:6}: {:+.3f} % of the step time (95 % CI {:+.3f} .. {:+.3f} %), p = {:.3f}, {} pairs, "
        "detectable {:.3f} %\n",
        effect.statistic, effect.estimate * 100, effect.ci_low * 100, effect.ci_high * 100, effect.p, effect.pairs,
        effect.minimum_detectable * 100);
}

Status measure(const Job& job, int pair_count, std::int64_t length_ns, const std::filesystem::path& directory) {
  GRIT_TRY(const Plan plan, healthy_plan(job));
  if (job.local_size() != job.size()) return usage_error("run it with mpirun on one host");
  GRIT_TRY(Segment segment, Segment::create(job.local_size()));
  // Each process has a segment of its own here; only rank 0's has an agent, which watches that one rank's records.
  for (RankSlot& slot : segment.slots()) slot.pid = ::getpid(), slot.rank = job.rank();
  std::unique_ptr<AgentProcess> agent;
  if (job.rank() == 0) {
    GRIT_CHECK(create_run_directory(directory));
    GRIT_CHECK(write_file_durably(directory / "plan.json", to_json(plan).dump()));
    AgentConfig config{.plan = plan, .recorder = true, .listen_address = "127.0.0.1", .run_directory = directory};
    config.journal_directory = directory / "journal";
    GRIT_TRY(config.keys, make_run_keys());
    GRIT_TRY(agent, AgentProcess::start(std::move(config), segment));
  }
  auto fabric = make_mpi_fabric(job.world());
  WorkloadContext context{.fabric = fabric.get(), .accelerator_clock = &segment.control().accelerator_clock_ppm};
  context.phase = PhaseSink(&segment.slots()[0].phase);
  GRIT_TRY(const auto workload, make_workload(plan.workload.name, Params(plan.workload.params), context));
  Bench bench{job, segment, agent.get(), *workload};
  GRIT_TRY(auto warm_up, bench.block(true, length_ns));
  std::mt19937_64 order(1);  // the same on every rank
  std::vector<PairTimes> pairs;
  for (int pair = 0; pair < pair_count; ++pair) {
    const bool on_first = (order() & 1U) != 0;
    GRIT_TRY(const BlockTimes first, bench.block(on_first, length_ns));
    GRIT_TRY(const BlockTimes second, bench.block(!on_first, length_ns));
    const BlockTimes& on = on_first ? first : second;
    const BlockTimes& off = on_first ? second : first;
    pairs.push_back({pair, off.mean_ns, off.median_ns, on.mean_ns, on.median_ns});
  }
  if (agent) ::kill(agent->pid(), SIGCONT);
  for (RankSlot& slot : segment.slots()) slot.end.store(RankEnd::finished);
  if (job.rank() == 0) {
    agent->wake();
    agent->wait_for_end(20 * kNsPerS);
    fmt::print("{} ranks, {} pairs of {} ms, step {:.1f} ms\n", job.size(), pair_count, length_ns / kNsPerMs,
               warm_up.median_ns / 1e6);
    print(pairs);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "agent") return agent_main();  // AgentProcess starts its own program
  const int pairs = argc > 1 ? std::atoi(argv[1]) : 16;
  const std::int64_t length_ns = (argc > 2 ? std::atoi(argv[2]) : 1000) * kNsPerMs;
  if (pairs < 7) return fmt::print(stderr, "usage: mpirun -n 4 bench_overhead [PAIRS >= 7] [BLOCK_MS]\n"), 64;
  auto job = Job::init();
  if (!job) return fmt::print(stderr, "{}\n", job.error().message), 70;
  const auto directory = std::filesystem::temp_directory_path() / fmt::format("bench-overhead-{}", ::getpid());
  const Status done = measure(*job, pairs, length_ns, directory);
  std::error_code ignored;
  if (job->rank() == 0) std::filesystem::remove_all(directory, ignored);
  if (done) return 0;
  fmt::print(stderr, "{}\n", done.error().message);
  MPI_Abort(MPI_COMM_WORLD, 70);
  return 70;
}
