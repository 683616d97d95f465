// What wrong values, and faults of the workload's own, lead to in parallel training.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "harness/base/files.hpp"
#include "harness/os/cpus.hpp"
#include "harness/os/process.hpp"
#include "injectors/faults.hpp"
#include "tests/catch.hpp"
#include "tests/mpi/intercepted.hpp"
#include "tests/mpi/mesh_job.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using test::Case;
using test::cases_here;
using test::hit;
using test::Hit;
using test::MeshJob;
using test::ok;
using test::over_all_ranks;

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
    MeshJob job(world, one);
    job.step();
    std::set<std::string> operations;  // of rank 0's stage
    const Json description = job.workload->description();
    for (const Json& traffic : description.at("stages").at(0).at("traffic")) operations.insert(traffic.at("operation"));
    for (const auto& [operation, kind] : kinds) {
      // A send of a stage and one of an all-to-all are the same call of MPI's.
      if (!operations.contains(operation) || (kind == Hit::send && one.mesh.contains(Axis::ep))) continue;
      INFO(one << ": " << operation);
      if (world.communicator->rank() == 0) hit = kind;
      const StepRecord record = job.step();
      std::size_t in_spans = 0;
      std::size_t group_size = 0;
      for (const CollectiveRecord& span : job.spans) {
        in_spans += span.wrong;
        if (span.wrong > 0) group_size = static_cast<std::size_t>(job.mesh.size(job.axis_of(span)));
      }
      CHECK(in_spans == record.corrupted);
      CHECK(record.corrupted <= 1);
      // One gets it, or all of the group, of which rank 0 is one.
      const std::size_t wrong = over_all_ranks(record.corrupted);
      const bool one_gets_it = operation == "reduce_scatter" || operation == "send";
      if (one_gets_it) CHECK(wrong == 1);
      if (!one_gets_it && world.communicator->rank() == 0) CHECK((group_size > 1 && wrong == group_size));
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
    INFO(one);
    MeshJob job(world, one);
    if (job.mesh.size(Axis::dp) == 1) continue;  // nothing is summed
    const bool flips = world.communicator->rank() == 0;
    if (flips) job.dials.flip_bit = kFlipExponent;
    std::uint64_t wrong = 0;
    for (std::int64_t step = 0; step < kSteps; ++step) {
      const StepRecord record = job.step();
      CHECK(record.corrupted <= 1);  // one element of one rank
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
    INFO(one);
    MeshJob job(world, one);
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

namespace {

/// Where each of this rank's helper threads may run.
std::vector<Cpus> cpus_of_helpers() {
  std::vector<Cpus> all;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task"))
    if (read_file(thread.path() / "comm").value_or("") == "grit-proxy\n")
      if (const auto cpus = affinity_of_thread(std::stoi(thread.path().filename().string()))) all.push_back(*cpus);
  return all;
}

}  // namespace

TEST_CASE("a rank's affinity squeeze is one of its helper threads, in every workload") {
  test::World world;
  const int ranks = world.communicator->size();
  const Cpus all = ok(affinity_of_thread(0));
  if (ranks == 1 || all.size() < 2) return;  // nothing is moved, or there is nothing to squeeze to
  std::vector<Case> cases{{"fsdp", {}}};
  if (ranks <= 4) cases.insert(cases.end(), {{"tensor", {{Axis::tp, ranks}}}, {"pipeline", {{Axis::pp, ranks}}}});
  for (Case& one : cases) {
    one.given["helper_threads"] = 2;
    INFO(one);
    while (!cpus_of_helpers().empty()) ::usleep(1000);  // threads that have ended are seen a little longer
    MeshJob job(world, one);
    job.step();
    CHECK(cpus_of_helpers() == std::vector(2, all));
    Target target{.params = Params(ok(complete_params(affinity_squeeze().info().params, Json::object())))};
    target.ranks.all = {{.process = ok(identify_process(::getpid()))}};
    const Prepared squeeze = ok(affinity_squeeze().prepare(target));
    ok(squeeze.fault->start());
    CHECK(cpus_of_helpers() == std::vector(2, Cpus{all.front()}));
    CHECK(job.step().corrupted == 0);
    ok(squeeze.fault->stop());
    CHECK(cpus_of_helpers() == std::vector(2, all));
  }
}
