// Parallel training as a real MPI job: what its spans say against the formula, and what a wrong value leads to.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <new>
#include <string>
#include <tuple>
#include <vector>

#include "harness/base/files.hpp"
#include "tests/catch.hpp"
#include "tests/mpi/all_operations.hpp"
#include "tests/temp_directory.hpp"
#include "workloads/workload.hpp"

namespace {

thread_local bool counting = false;
thread_local std::size_t allocations = 0;
thread_local std::size_t allocated_bytes = 0;

/// The next call of this kind has a bit of its first element flipped.
enum class Hit { nothing, all_reduce, reduce_scatter, all_gather, send };
Hit hit = Hit::nothing;

/// A bit of the exponent: no sum absorbs it.
void flip_if(Hit kind, void* buffer, MPI_Datatype type) {
  if (hit != kind) return;
  hit = Hit::nothing;
  int size = 0;
  PMPI_Type_size(type, &size);
  static_cast<std::byte*>(buffer)[size - 1] ^= std::byte{0x40};
}

}  // namespace

void* operator new(std::size_t size) {
  if (counting) ++allocations, allocated_bytes += size;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

extern "C" int MPI_Iallreduce(const void* send, void* receive, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
                              MPI_Request* request) {
  flip_if(Hit::all_reduce, send == MPI_IN_PLACE ? receive : const_cast<void*>(send), type);
  return PMPI_Iallreduce(send, receive, count, type, op, comm, request);
}
extern "C" int MPI_Ireduce_scatter_block(const void* send, void* receive, int count, MPI_Datatype type, MPI_Op op,
                                         MPI_Comm comm, MPI_Request* request) {
  flip_if(Hit::reduce_scatter, const_cast<void*>(send), type);
  return PMPI_Ireduce_scatter_block(send, receive, count, type, op, comm, request);
}
extern "C" int MPI_Iallgather(const void* send, int count, MPI_Datatype type, void* receive, int receive_count,
                              MPI_Datatype receive_type, MPI_Comm comm, MPI_Request* request) {
  int rank = 0;
  int size = 0;
  PMPI_Comm_rank(comm, &rank);
  PMPI_Type_size(type, &size);
  flip_if(Hit::all_gather,
          send == MPI_IN_PLACE ? static_cast<std::byte*>(receive) + std::ptrdiff_t{rank} * count * size
                               : static_cast<std::byte*>(const_cast<void*>(send)),
          type);
  return PMPI_Iallgather(send, count, type, receive, receive_count, receive_type, comm, request);
}
extern "C" int MPI_Isend(const void* buffer, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
                         MPI_Request* request) {
  if (type != MPI_BYTE) flip_if(Hit::send, const_cast<void*>(buffer), type);
  return PMPI_Isend(buffer, count, type, to, tag, comm, request);
}

using namespace grit;

namespace {

struct Case {
  const char* workload;
  AxisValues mesh;
  Json given = Json::object();
};

/// For one, two, four and eight ranks.
const std::vector<Case> kCases{
    {"fsdp", {}},
    {"transformer", {}, {{"micro_batches", 2}}},
    {"fsdp", {{Axis::dp, 2}}},
    {"fsdp", {{Axis::dp, 2}}, {{"reshard", false}, {"micro_batches", 2}, {"dtype", "fp32"}, {"prefetch", 0}}},
    {"tensor", {{Axis::tp, 2}}},
    {"tensor", {{Axis::tp, 2}}, {{"sequence_parallel", true}, {"dtype", "fp16"}}},
    {"pipeline", {{Axis::pp, 2}}, {{"micro_batches", 5}}},
    {"pipeline", {{Axis::pp, 2}}, {{"micro_batches", 4}, {"chunks", 3}}},
    {"moe", {{Axis::dp, 2}, {Axis::ep, 2}}, {{"micro_batches", 2}}},
    {"fsdp", {{Axis::dp, 4}}, {{"micro_batches", 2}, {"prefetch", 3}}},
    {"tensor", {{Axis::dp, 2}, {Axis::tp, 2}}, {{"micro_batches", 2}}},
    {"tensor", {{Axis::tp, 4}}, {{"sequence_parallel", true}}},
    {"pipeline", {{Axis::pp, 4}}, {{"micro_batches", 2}}},
    {"pipeline", {{Axis::dp, 2}, {Axis::pp, 2}}, {{"micro_batches", 3}}},
    {"pipeline", {{Axis::pp, 4}}, {{"micro_batches", 8}, {"chunks", 3}}},
    {"moe", {{Axis::dp, 4}, {Axis::ep, 2}}, {{"balance", 3.0}}},
    {"moe", {{Axis::dp, 4}, {Axis::ep, 4}}, {{"balance", 8.0}}},
    {"transformer", {{Axis::dp, 2}, {Axis::tp, 2}, {Axis::pp, 2}}, {{"micro_batches", 4}}},
    {"transformer",
     {{Axis::dp, 2}, {Axis::tp, 2}, {Axis::pp, 2}},
     {{"micro_batches", 4}, {"sharded", true}, {"sequence_parallel", true}, {"chunks", 2}}},
    {"transformer",
     {{Axis::dp, 4}, {Axis::ep, 2}, {Axis::tp, 2}},
     {{"model", "mixtral-8x7b"}, {"scale", 2e-5}, {"micro_batches", 2}, {"balance", 2.0}}},
    {"transformer",
     {{Axis::dp, 4}, {Axis::ep, 2}, {Axis::pp, 2}},
     {{"model", "olmoe-1b-7b"}, {"scale", 2e-4}, {"micro_batches", 2}, {"sharded", true}}},
    {"pipeline", {{Axis::dp, 2}, {Axis::pp, 4}}, {{"micro_batches", 8}}},
    {"moe", {{Axis::dp, 8}, {Axis::ep, 8}}},
    {"fsdp", {{Axis::dp, 8}}},
    {"tensor", {{Axis::tp, 4}, {Axis::dp, 2}}},
};

int ranks_of(const AxisValues& sizes) {
  int ranks = 1;
  for (const auto& [axis, size] : sizes) ranks *= axis == Axis::ep ? 1 : size;
  return ranks;
}

std::vector<Case> cases_here(const test::World& world) {
  std::vector<Case> cases;
  for (const Case& one : kCases)
    if (ranks_of(one.mesh) == world.communicator->size()) cases.push_back(one);
  return cases;
}

Params params_of(const Case& one) {
  Json values = Json::object();
  for (const ParamSpec& spec : find_workload(one.workload)->params) values[spec.name] = spec.default_value;
  values["scale"] = values.at("model") == "olmoe-1b-7b" ? 2e-4 : 0.002;
  values["sequence"] = 96;
  values["peak"] = 1e14;
  values.update(one.given);
  return Params(values);
}

/// Where this rank keeps checkpoints; that of step `taken_up` is there.
struct KeptIn {
  std::filesystem::path directory{};
  std::int64_t taken_up = -1;
};

/// A job over a mesh of all ranks.
struct Job {
  Job(test::World& whole, const Case& one, const KeptIn& kept = {})
      : world(whole), mesh(*Mesh::over(one.mesh, whole.communicator->size())) {
    auto split = GroupCommunicators::split(*world.communicator, mesh);
    REQUIRE(split);
    groups.emplace(std::move(*split));
    const WorkloadContext context{.communicator = world.communicator.get(),
                                  .groups = &*groups,
                                  .accelerator_clock = &clock,
                                  .dials = &dials,
                                  .wrong_values = &wrong_values,
                                  .checkpoint_directory = kept.directory,
                                  .keeps_checkpoints = !kept.directory.empty(),
                                  .checkpoint_of = kept.taken_up};
    allocated_bytes = 0;
    counting = true;
    auto made = make_workload(one.workload, params_of(one), context);
    counting = false;
    made_of_bytes = allocated_bytes;
    INFO((made ? "" : made.error().message));
    REQUIRE(made);
    workload = std::move(*made);
  }

  StepRecord step() {
    StepRecord record;
    record.block = steps;
    world.spans.begin_step(steps++);
    REQUIRE(workload->step(record));
    spans = world.take();
    return record;
  }

  [[nodiscard]] Axis axis_of(const CollectiveRecord& span) const {
    for (const Axis axis : kAxes)
      if (groups->of(axis).size() > 1 && groups->of(axis).group().id == span.group) return axis;
    FAIL("a span of group " << span.group);
    return Axis::dp;
  }

  test::World& world;
  Mesh mesh;
  AcceleratorClock clock{kNominalClockPpm};
  RankDials dials{};
  WrongValues wrong_values{};
  std::optional<GroupCommunicators> groups{};
  std::unique_ptr<Workload> workload{};
  std::size_t made_of_bytes = 0;
  std::uint32_t steps = 0;
  std::vector<CollectiveRecord> spans{};
};

using Traffic = std::map<std::tuple<std::string, std::string, std::size_t>, std::size_t>;

std::size_t over_all_ranks(std::size_t number) {
  unsigned long long sum = number;
  PMPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UNSIGNED_LONG_LONG, MPI_SUM, MPI_COMM_WORLD);
  return sum;
}

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

Told by_formula(const Job& job) {
  Told told;
  const Json description = job.workload->description();
  const auto stage = static_cast<std::size_t>(job.groups->of(Axis::pp).rank());
  for (const Json& one : description.at("stages").at(stage).at("traffic"))
    told.add(one.at("operation"), *axis_called(one.at("axis").get<std::string>()), one.at("bytes"), one.at("count"));
  return told;
}

Told by_spans(const Job& job, std::size_t& exchanges_of_counts) {
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
    INFO(one.workload << " on " << to_string(one.mesh) << " " << one.given);
    Job job(world, one);
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
    INFO(one.workload << " on " << to_string(one.mesh) << " " << one.given);
    Job job(world, one);
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
    INFO(one.workload << " on " << to_string(one.mesh) << " " << one.given);
    Job job(world, one);
    for (int i = 0; i < 2; ++i) job.step();
    StepRecord record;
    world.spans.begin_step(job.steps++);
    allocations = 0;
    counting = true;
    const Status done = job.workload->step(record);
    counting = false;
    REQUIRE(done);
    CHECK(allocations == 0);
    world.take();
  }
}

TEST_CASE("a rank allocates what the formula says") {
  test::World world;
  for (const Case& one : cases_here(world)) {
    INFO(one.workload << " on " << to_string(one.mesh) << " " << one.given);
    const Job job(world, one);
    const auto stage = static_cast<std::size_t>(job.groups->of(Axis::pp).rank());
    const Json description = job.workload->description();
    const auto formula = description.at("stages").at(stage).at("memory_bytes").get<std::size_t>();
    CHECK(job.made_of_bytes >= formula);
    CHECK(job.made_of_bytes < formula + 1'500'000);  // patterns, schedules, names
  }
}

TEST_CASE("a job that goes on from a checkpoint has the weights of one that never stopped") {
  test::World world;
  const int rank = world.communicator->rank();
  for (Case one : cases_here(world)) {
    INFO(one.workload << " on " << to_string(one.mesh) << " " << one.given);
    const bool beside = (one.mesh.size() + one.given.size()) % 2 == 1;  // some of these, some of those
    one.given.update(
        {{"checkpoint_every", 2}, {"checkpoint", 1}, {"checkpoint_mode", beside ? "asynchronous" : "synchronous"}});
    const test::TempDirectory place;  // of this rank; steps 1 and 3 are in files of their own
    const auto first = place.path() / ("rank" + std::to_string(rank) + ".0");
    const auto second = place.path() / ("rank" + std::to_string(rank) + ".1");
    std::string never_stopped;
    {
      Job job(world, one, {place.path()});
      const auto stage = static_cast<std::size_t>(job.groups->of(Axis::pp).rank());
      const Json description = job.workload->description();
      CHECK(job.made_of_bytes >= description.at("stages").at(stage).at("memory_bytes").get<std::size_t>());
      for (int step = 0; step < 4; ++step) CHECK(job.step().corrupted == 0);
      REQUIRE(job.workload->finish());
      never_stopped = read_file(second).value();
      // Behind the header. Where nothing is summed, weights stay as they were.
      const bool differs = never_stopped.substr(72) != read_file(first).value().substr(72);
      CHECK(differs == (job.mesh.size(Axis::dp) > 1));
    }
    std::filesystem::remove(second);
    Job job(world, one, {place.path(), 1});
    REQUIRE(job.workload->resume());
    world.take();
    job.steps = 2;
    for (int step = 2; step < 4; ++step) CHECK(job.step().corrupted == 0);
    REQUIRE(job.workload->finish());
    CHECK(read_file(second).value() == never_stopped);
  }
}

TEST_CASE("a shard that is damaged is refused by its rank, which says so") {
  test::World world;
  const int rank = world.communicator->rank();
  const Case one{"fsdp", {}, {{"checkpoint_every", 1}}};
  const test::TempDirectory place;
  Job(world, one, {place.path()}).step();
  const bool is_damaged = rank + 1 == world.communicator->size();
  if (is_damaged) {
    std::fstream file(place.path() / ("rank" + std::to_string(rank) + ".0"),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('x');
  }
  const Status resumed = Job(world, one, {place.path(), 0}).workload->resume();
  CHECK(resumed.has_value() == !is_damaged);
  if (is_damaged) {
    CHECK_THAT(resumed.error().message, Catch::Matchers::Contains("of rank " + std::to_string(rank)) &&
                                            Catch::Matchers::Contains("its checksum is wrong"));
  }
}

TEST_CASE("one wrong value that a rank sends is counted by those who get it, in the operation's span") {
  test::World world;
  const int ranks = world.communicator->size();
  const std::map<std::string, Hit> kinds{{"all_reduce", Hit::all_reduce},
                                         {"reduce_scatter", Hit::reduce_scatter},
                                         {"all_gather", Hit::all_gather},
                                         {"all_to_all", Hit::send},
                                         {"send", Hit::send}};
  std::map<std::string, int> found;
  for (const Case& one : cases_here(world)) {
    Job job(world, one);
    job.step();
    std::map<std::string, std::size_t> group_sizes;  // of the operations of rank 0's stage
    const Json description = job.workload->description();
    for (const Json& traffic : description.at("stages").at(0).at("traffic"))
      group_sizes[traffic.at("operation")] =
          static_cast<std::size_t>(job.mesh.size(*axis_called(traffic.at("axis").get<std::string>())));
    for (const auto& [operation, kind] : kinds) {
      // A send of a stage and one of an all-to-all are the same call of MPI's.
      if (!group_sizes.contains(operation) || (kind == Hit::send && one.mesh.contains(Axis::ep))) continue;
      INFO(one.workload << " on " << to_string(one.mesh) << " " << one.given << ": " << operation);
      if (world.communicator->rank() == 0) hit = kind;
      const StepRecord record = job.step();
      std::size_t in_spans = 0;
      for (const CollectiveRecord& span : job.spans) in_spans += span.wrong;
      CHECK(in_spans == record.corrupted);
      const std::size_t wrong = over_all_ranks(record.corrupted);
      // All of the group get it, or one.
      const bool one_gets_it = operation == "reduce_scatter" || operation == "send";
      CHECK(wrong >= 1);
      CHECK(wrong <= (one_gets_it ? 1U : static_cast<std::size_t>(ranks)));
      CHECK(job.step().corrupted == 0);
      ++found[operation];
    }
  }
  if (ranks == 2) {
    CHECK(found["all_reduce"] > 0);
    CHECK(found["reduce_scatter"] > 0);
    CHECK(found["all_gather"] > 0);
    CHECK(found["send"] > 0);
  }
}

TEST_CASE("bits that flip in a rank's gradients are wrong sums of its group, and those who get them have examples") {
  test::World world;
  constexpr std::int64_t kSteps = 12;
  for (const Case& one : cases_here(world)) {
    INFO(one.workload << " on " << to_string(one.mesh) << " " << one.given);
    Job job(world, one);
    if (job.mesh.size(Axis::dp) == 1) continue;  // nothing is summed
    const bool flips = world.communicator->rank() == 0;
    if (flips) job.dials.flip_bit = kFlipExponent;
    std::uint64_t wrong = 0;
    for (std::int64_t step = 0; step < kSteps; ++step) {
      const StepRecord record = job.step();
      wrong += record.corrupted;
      const auto example = job.wrong_values.take();
      REQUIRE(example.has_value() == (record.corrupted > 0));
      if (!example) continue;
      CHECK(example->step == step);
      CHECK(example->source == -1);
      CHECK(example->expected_bits != example->got_bits);
      const auto seen = std::ranges::find_if(job.spans, [](const auto& span) { return span.wrong > 0; });
      REQUIRE(seen != job.spans.end());
      CHECK(seen->group == example->group);
      CHECK(seen->sequence == example->sequence);
      CHECK(seen->operation == example->operation);
      CHECK(seen->type == example->type);
      const Axis axis = job.axis_of(*seen);
      CHECK((axis == Axis::dp || axis == Axis::edp));
    }
    CHECK(job.dials.flipped_bits == (flips ? kSteps : 0));
    CHECK(over_all_ranks(wrong) > 0);  // rounding absorbs some
  }
}

TEST_CASE("a router that prefers one expert more has more to do there, and nothing arrives wrong") {
  test::World world;
  for (const Case& one : cases_here(world)) {
    if (one.workload != std::string("moe")) continue;
    INFO(to_string(one.mesh) << " " << one.given);
    Job job(world, one);
    const auto exchanged = [&job] {
      std::int64_t largest = 0;
      for (const CollectiveRecord& span : job.spans)
        if (span.operation == CollectiveOperation::all_to_all && span.type != DataType::bytes)
          largest = std::max(largest, span.bytes);
      return over_all_ranks(static_cast<std::size_t>(largest));
    };
    job.step();
    const std::size_t before = exchanged();
    if (world.communicator->rank() == 0) job.dials.router_imbalance_ppm = 6'000'000;
    CHECK(job.step().corrupted == 0);
    // Where the preferred expert had all tokens before, only what rounding leaves over moves from step to step.
    const bool had_all = one.given.value("balance", 1.0) >= 8;
    if (!had_all) CHECK(exchanged() > before);
    CHECK((job.dials.imbalanced_tokens > 0) == (world.communicator->rank() == 0 && !had_all));
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
