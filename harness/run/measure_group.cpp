// collective and training.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "harness/base/clock.hpp"
#include "harness/cluster/local.hpp"
#include "harness/model/bus_bandwidth.hpp"
#include "harness/model/phases.hpp"
#include "harness/run/block_end.hpp"
#include "harness/run/measure_kinds.hpp"
#include "workloads/data_pattern.hpp"
#include "workloads/fabric/mpi.hpp"
#include "workloads/workload.hpp"

namespace grit {
namespace {

constexpr std::size_t kSum_elements = std::size_t{8} << 20 >> 2;  // 8 MiB in single precision
constexpr std::size_t kFewestRounds = 5;
/// The first ones make connections and pages.
constexpr std::size_t kSettleRounds = 2;

std::int64_t median_of(std::vector<std::int64_t> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double largest_of(MPI_Comm communicator, double mine) {
  double all = 0;
  MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_MAX, communicator);
  return all;
}

double sum_of(MPI_Comm communicator, double mine) {
  double all = 0;
  MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_SUM, communicator);
  return all;
}

double seconds(std::int64_t ns) { return static_cast<double>(ns) / static_cast<double>(kNsPerS); }

struct Sums {
  std::vector<std::int64_t> times_ns{};  // of each round, of this rank
  std::uint64_t wrong = 0, checked = 0;
};

/// Sums until rank 0 finds that the time is over, which it tells the others by a small sum; that also lets all begin
/// the large one together.
Result<Sums> sum_for(Communicator& communicator, std::int64_t length_ns) {
  SumPattern pattern(DataType::fp32, communicator.group().id, communicator.rank(), communicator.size());
  std::vector<float> buffer(kSum_elements);
  auto* bytes = reinterpret_cast<std::byte*>(buffer.data());
  Sums sums;
  const std::int64_t ends_ns = monotonic_ns() + length_ns;
  for (std::uint64_t round = 0;; ++round) {
    pattern.begin_step(round);
    pattern.fill(bytes, 0, kSum_elements);
    const bool enough = round >= kSettleRounds + kFewestRounds && monotonic_ns() >= ends_ns;
    float over = communicator.rank() == 0 && enough ? 1.0F : 0.0F;
    GRIT_CHECK(communicator.all_reduce(&over, &over, 1, DataType::fp32));
    GRIT_CHECK(communicator.wait_all());
    if (over > 0) return sums;
    const std::int64_t began_ns = monotonic_ns();
    GRIT_CHECK(communicator.all_reduce(bytes, bytes, kSum_elements, DataType::fp32));
    GRIT_CHECK(communicator.wait_all());
    if (round >= kSettleRounds) sums.times_ns.push_back(monotonic_ns() - began_ns);
    sums.wrong += pattern.count_wrong(bytes, 0, kSum_elements);
    sums.checked += kSum_elements;
  }
}

/// What a rank found wrong, of all ranks of its node.
BurninObservation wrong_on_node(const Job& job, std::uint64_t wrong, std::uint64_t checked) {
  return {.measure = "wrong_results",
          .value = sum_of(job.local(), static_cast<double>(wrong)),
          .exposure = sum_of(job.local(), static_cast<double>(checked))};
}

/// One line a node, of its first rank.
std::vector<BurninLine> said_by_node(const Job& job, BurninLine line) {
  if (job.local_rank() != 0) return {};
  return {std::move(line)};
}

struct Training {
  std::vector<std::int64_t> own_ns{}, step_ns{};
  std::uint64_t wrong = 0, steps = 0;
};

Result<Training> train_for(const Job& job, Workload& workload, std::int64_t length_ns) {
  GRIT_TRY(BlockEnd end, BlockEnd::make(job.world()));
  Training training;
  const std::int64_t ends_ns = monotonic_ns() + length_ns;
  for (bool over = false; !over; ++training.steps) {
    StepRecord record;
    const bool enough = training.steps >= kSettleRounds + kFewestRounds && monotonic_ns() >= ends_ns;
    GRIT_CHECK(end.begin_step(enough));
    GRIT_CHECK(workload.step(record));
    GRIT_TRY(over, end.end_step(record));
    training.wrong += record.corrupted;
    if (training.steps < kSettleRounds) continue;
    training.step_ns.push_back(record.end_ns - record.start_ns);
    training.own_ns.push_back(record.end_ns - record.start_ns - record.exposed_comm_ns);
  }
  return training;
}

/// On cores that nodes share the accelerator is a timer: matrix products of one node would be the others' delay.
Result<std::unique_ptr<Workload>> make_training(const Job& job, bool shares_cores, Communicator& communicator,
                                                const AcceleratorClock& clock) {
  const WorkloadInfo* info = find_workload("ddp");
  GRIT_ASSERT(info != nullptr);
  GRIT_TRY(Json params, complete_params(info->params, Json{{"compute", shares_cores ? "emulated" : "cpu"}}));
  WorkloadContext context;
  context.communicator = &communicator;
  context.accelerator_clock = &clock;
  context.ranks_sharing_memory = in_local_cluster() ? job.size() : job.local_size();
  return make_workload("ddp", Params(std::move(params)), context);
}

}  // namespace

Result<std::vector<BurninLine>> measure_collective(const Job& job, const MeasureHere& here) {
  BurninLine line{.host = here.host};
  if (job.node_count() < 2) {
    line.skipped.push_back("collective: the cell has one node only");
    return said_by_node(job, std::move(line));
  }
  GRIT_TRY(const auto communicator, make_mpi_communicator(job.world()));
  GRIT_TRY(const Sums sums, sum_for(*communicator, here.length_ns));
  const double took_s = largest_of(job.world(), seconds(median_of(sums.times_ns)));
  constexpr auto kSum_bytes = static_cast<std::int64_t>(kSum_elements * sizeof(float));
  line.observations = {{.measure = "collective",
                        .value = bus_bandwidth_bits_per_s(CollectiveOperation::all_reduce, job.size(), kSum_bytes,
                                                          took_s * static_cast<double>(kNsPerS))},
                       wrong_on_node(job, sums.wrong, sums.checked)};
  return said_by_node(job, std::move(line));
}

Result<std::vector<BurninLine>> measure_training(const Job& job, const MeasureHere& here) {
  const AcceleratorClock clock{kNominalClockPpm};
  GRIT_TRY(const auto communicator, make_mpi_communicator(job.world()));
  std::unique_ptr<Workload> workload;
  GRIT_CHECK(job.each([&]() -> Status {
    GRIT_TRY(workload, make_training(job, here.shares_cores, *communicator, clock));
    return {};
  }));
  const auto training = train_for(job, *workload, here.length_ns);
  if (!training) {  // the others wait for this rank, and the job is ended: what it knows is said now
    GRIT_CHECK(say_burnin_line({.host = here.host, .error = "training: " + training.error().message}));
    return tl::make_unexpected(training.error());
  }
  BurninLine line{.host = here.host};
  line.observations = {
      {.measure = "training_own", .value = largest_of(job.local(), seconds(median_of(training->own_ns)))},
      {.measure = "training_step", .value = largest_of(job.world(), seconds(median_of(training->step_ns)))},
      wrong_on_node(job, training->wrong, training->steps)};
  if (here.shares_cores)
    line.skipped.push_back("training: its matrix products, since nodes share cores; a timer stands for them");
  return said_by_node(job, std::move(line));
}

}  // namespace grit
