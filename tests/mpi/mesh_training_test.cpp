// Parallel training: what its spans, its records and its memory say against the formula.
#include <algorithm>
#include <map>
#include <string>
#include <tuple>

#include "tests/catch.hpp"
#include "tests/mpi/intercepted.hpp"
#include "tests/mpi/mesh_job.hpp"

using namespace grit;
using test::allocations;
using test::Case;
using test::cases_here;
using test::MeshJob;
using test::over_all_ranks;
using test::params_of;

namespace {

using Traffic = std::map<std::tuple<std::string, std::string, std::size_t>, std::size_t>;

/// What a rank should tell others by formula; of all-to-alls the bytes are those of all ranks.
struct Told {
  Traffic traffic{};
  std::size_t routed_bytes = 0;
  std::size_t all_to_alls = 0;

  void add(const std::string& operation, Axis axis, std::size_t bytes, std::size_t count) {
    if (operation == "all_to_all")
      routed_bytes += bytes * count, all_to_alls += count;
    else
      traffic[{operation, std::string(to_string(axis)), bytes}] += count;
  }
};

Told by_formula(const MeshJob& job) {
  Told told;
  const Json description = job.workload->description();
  const auto stage = job.stage();
  for (const Json& one : description.at("stages").at(stage).at("traffic"))
    told.add(one.at("operation"), *axis_called(one.at("axis").get<std::string>()), one.at("bytes"), one.at("count"));
  return told;
}

Told by_spans(const MeshJob& job, std::size_t& exchanges_of_counts) {
  Told told;
  for (const CollectiveRecord& span : job.spans) {
    if (span.type == DataType::bytes)
      ++exchanges_of_counts;
    else
      told.add(std::string(to_string(span.operation)), job.axis_of(span), static_cast<std::size_t>(span.bytes), 1);
  }
  return told;
}

}  // namespace

TEST_CASE("every operation of every workload has the formula's bytes, and arrives as it was sent") {
  test::World world;
  for (const Case& one : cases_here(world)) {
    INFO(one);
    MeshJob job(world, one);
    for (int i = 0; i < 2; ++i) {
      const StepRecord record = job.step();
      CHECK(record.corrupted == 0);
      const Told formula = by_formula(job);
      std::size_t exchanges_of_counts = 0;
      const Told spans = by_spans(job, exchanges_of_counts);
      CHECK(spans.traffic == formula.traffic);
      CHECK(spans.all_to_alls == formula.all_to_alls);
      CHECK(exchanges_of_counts * 4 == formula.all_to_alls);  // there and back, forward and backward
      CHECK(over_all_ranks(spans.routed_bytes) == over_all_ranks(formula.routed_bytes));
      for (const CollectiveRecord& span : job.spans) CHECK((span.wrong == 0 && span.exit_ns >= span.entry_ns));
    }
    CHECK(world.spans.dropped() == 0);
  }
}

TEST_CASE("the phases of a step fill it, and gradients are summed within it") {
  test::World world;
  for (const Case& one : cases_here(world)) {
    INFO(one);
    MeshJob job(world, one);
    job.step();
    const StepRecord record = job.step();
    const std::int64_t sum_ns = record.input_ns + record.forward_ns + record.backward_ns + record.exposed_comm_ns +
                                record.optimizer_ns + record.checkpoint_ns;
    const std::int64_t took_ns = record.end_ns - record.start_ns;
    CHECK(sum_ns <= took_ns);
    // Between two phases are a few clock readings, and whoever else gets the CPU there.
    CHECK(sum_ns >= took_ns - std::max<std::int64_t>(took_ns / 10, 1'000'000));
    CHECK(record.forward_ns > 0);
    CHECK(record.backward_ns > 0);
    CHECK(record.optimizer_ns > 0);
    CHECK(record.collective_entry_ns >= record.start_ns);
    CHECK(record.collective_exit_ns >= record.collective_entry_ns);
    CHECK(record.collective_exit_ns <= record.end_ns);
    std::int64_t first_ns = record.end_ns;
    std::int64_t last_ns = record.start_ns;
    for (const CollectiveRecord& span : job.spans) {
      const bool of_gradients = job.mesh.size(Axis::dp) == 1 || (span.group == job.groups->of(Axis::dp).group().id &&
                                                                 span.operation != CollectiveOperation::all_gather);
      if (!of_gradients) continue;
      first_ns = std::min(first_ns, span.entry_ns);
      last_ns = std::max(last_ns, span.exit_ns);
    }
    if (!job.spans.empty()) {
      CHECK(record.collective_entry_ns <= first_ns);
      CHECK(record.collective_exit_ns >= last_ns);
    }
  }
}

TEST_CASE("a step allocates nothing after the first") {
  test::World world;
  for (const Case& one : cases_here(world)) {
    INFO(one);
    MeshJob job(world, one);
    for (int i = 0; i < 2; ++i) job.step();
    StepRecord record;
    world.spans.begin_step(job.steps++);
    allocations = {.counting = true};
    const Status done = job.workload->step(record);
    allocations.counting = false;
    REQUIRE(done);
    CHECK(allocations.count == 0);
    world.take();
  }
}

TEST_CASE("a rank allocates what the formula says") {
  test::World world;
  for (const Case& one : cases_here(world)) {
    INFO(one);
    const MeshJob job(world, one);
    const auto stage = job.stage();
    const Json description = job.workload->description();
    const auto formula = description.at("stages").at(stage).at("memory_bytes").get<std::size_t>();
    CHECK(job.made_of_bytes >= formula);
    CHECK(job.made_of_bytes < formula + 1'500'000);  // patterns, schedules, names
  }
}

TEST_CASE("what does not divide or fit is refused with what would do, on all ranks") {
  test::World world;
  const int ranks = world.communicator->size();
  const Mesh all_dp = *Mesh::over({}, ranks);
  auto groups = GroupCommunicators::split(*world.communicator, all_dp);
  REQUIRE(groups);
  AcceleratorClock clock{kNominalClockPpm};
  const WorkloadContext context{
      .communicator = world.communicator.get(), .groups = &*groups, .accelerator_clock = &clock};
  const auto huge = make_workload(
      "fsdp", params_of({"fsdp", {}, {{"model", "llama3-70b"}, {"scale", 1.0}, {"reshard", false}}}), context);
  REQUIRE_FALSE(huge);
  CHECK(huge.error().kind == ErrorKind::usage);
  // Whole parameters in bf16, and the shard's gradients and weights.
  CHECK(huge.error().message.find(" bytes (") != std::string::npos);
}
