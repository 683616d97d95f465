#include "tests/mpi/mesh_job.hpp"

#include <string>
#include <utility>

#include "tests/catch.hpp"
#include "tests/mpi/intercepted.hpp"

namespace grit::test {
namespace {

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
    {"fsdp", {{Axis::dp, 2}}, {{"micro_batches", 2}, {"helper_threads", 2}}},
    {"tensor", {{Axis::tp, 2}}, {{"sequence_parallel", true}, {"helper_threads", 1}}},
    {"pipeline", {{Axis::pp, 2}}, {{"micro_batches", 3}, {"helper_threads", 1}}},
    {"transformer", {{Axis::dp, 2}}, {{"micro_batches", 2}, {"helper_threads", 1}}},
    {"moe", {{Axis::dp, 2}, {Axis::ep, 2}}, {{"micro_batches", 2}}},
    {"fsdp", {{Axis::dp, 4}}, {{"micro_batches", 2}, {"prefetch", 3}}},
    {"tensor", {{Axis::dp, 2}, {Axis::tp, 2}}, {{"micro_batches", 2}}},
    {"tensor", {{Axis::tp, 4}}, {{"sequence_parallel", true}}},
    {"pipeline", {{Axis::pp, 4}}, {{"micro_batches", 2}}},
    {"pipeline", {{Axis::dp, 2}, {Axis::pp, 2}}, {{"micro_batches", 3}}},
    {"pipeline", {{Axis::pp, 4}}, {{"micro_batches", 8}, {"chunks", 3}}},
    {"moe", {{Axis::dp, 4}, {Axis::ep, 2}}, {{"balance", 3.0}}},
    {"moe", {{Axis::dp, 4}, {Axis::ep, 2}}, {{"balance", 2.0}, {"helper_threads", 1}}},
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

}  // namespace

std::ostream& operator<<(std::ostream& out, const Case& one) {
  return out << one.workload << " on " << to_string(one.mesh) << " " << one.given;
}

std::vector<Case> cases_here(const World& world) {
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

MeshJob::MeshJob(World& whole, const Case& one, const KeptIn& kept)
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
  allocations = {.counting = true};
  auto made = make_workload(one.workload, params_of(one), context);
  allocations.counting = false;
  made_of_bytes = allocations.bytes;
  INFO((made ? "" : made.error().message));
  REQUIRE(made);
  workload = std::move(*made);
}

StepRecord MeshJob::step() {
  StepRecord record;
  record.block = steps;
  world.spans.begin_step(steps++);
  REQUIRE(workload->step(record));
  spans = world.take();
  return record;
}

Axis MeshJob::axis_of(const CollectiveRecord& span) const {
  for (const Axis axis : kAxes)
    if (groups->of(axis).size() > 1 && groups->of(axis).group().id == span.group) return axis;
  FAIL("a span of group " << span.group);
  return Axis::dp;
}

std::size_t over_all_ranks(std::size_t number) {
  unsigned long long sum = number;
  PMPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UNSIGNED_LONG_LONG, MPI_SUM, MPI_COMM_WORLD);
  return sum;
}

}  // namespace grit::test
