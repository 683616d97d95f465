// All workloads on GPUs: the same code as on the host, with its data there.
#include <string>
#include <vector>

#include "harness/model/mesh.hpp"
#include "tests/gpu/gpu_rank.hpp"
#include "workloads/workload.hpp"

namespace grit {
namespace {

struct Case {
  const char* workload;
  AxisValues mesh;
  Json given = Json::object();
  bool sums_gradients = true;
};

/// On two ranks; on one, those that need no second.
std::vector<Case> cases(int ranks) {
  const Json moe{{"model", "mixtral-8x7b"}, {"scale", 2e-5}, {"micro_batches", 2}};
  std::vector<Case> all{{"ddp", {}, {{"scale", 2e-4}}}, {"fsdp", {}, {{"micro_batches", 2}}, ranks > 1}};
  if (ranks < 2) return all;
  all.push_back({"tensor", {{Axis::tp, 2}}, {{"sequence_parallel", true}}, false});
  all.push_back({"pipeline", {{Axis::pp, 2}}, {{"micro_batches", 3}}, false});
  all.push_back({"moe", {{Axis::dp, 2}, {Axis::ep, 2}}, moe});
  return all;
}

Params params_of(const Case& one) {
  Json values = Json::object();
  for (const ParamSpec& spec : find_workload(one.workload)->params) values[spec.name] = spec.default_value;
  if (values.contains("sequence")) values["sequence"] = 32;
  values["scale"] = 1e-3;
  values["compute"] = "cuda";
  values.update(one.given);
  return Params(values);
}

std::uint64_t over_all_ranks(std::uint64_t number) {
  MPI_Allreduce(MPI_IN_PLACE, &number, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
  return number;
}

}  // namespace

TEST_CASE("every workload's values arrive as they were sent, and a flipped bit of a gradient is found") {
  test::GpuRank rank;
  for (const Case& one : cases(rank.world->size())) {
    INFO(one.workload);
    auto groups = GroupCommunicators::split(*rank.world, *Mesh::over(one.mesh, rank.world->size()));
    REQUIRE(groups);
    AcceleratorClock clock{kNominalClockPpm};
    RankDials dials;
    const WorkloadContext context{.communicator = rank.world.get(),
                                  .groups = &*groups,
                                  .accelerator_clock = &clock,
                                  .gpu = rank.device.get(),
                                  .dials = &dials};
    auto workload = make_workload(one.workload, params_of(one), context);
    INFO((workload ? "" : workload.error().message));
    REQUIRE(workload);
    CHECK((*workload)->description().at("compute") == "cuda");
    const auto step = [&](std::uint32_t number) {
      StepRecord record;
      rank.spans.begin_step(number);
      const Status done = (*workload)->step(record);
      INFO((done ? "" : done.error().message));
      REQUIRE(done);
      return record;
    };
    for (std::uint32_t number = 0; number < 3; ++number) {
      const StepRecord record = step(number);
      CHECK(record.corrupted == 0);
      CHECK(record.input_ns + record.forward_ns + record.backward_ns + record.exposed_comm_ns + record.optimizer_ns <=
            record.end_ns - record.start_ns);
      for (const CollectiveRecord& span : rank.take()) CHECK((span.wrong == 0 && span.exit_ns >= span.entry_ns));
    }
    // In four steps, as a flip of one bit of a 0 may be lost in the sum's rounding. Who holds the sum sees it.
    if (rank.world->rank() == 0) dials.flip_bit = kFlipExponent;
    std::uint64_t wrong = 0;
    for (std::uint32_t number = 3; number < 7; ++number) wrong += step(number).corrupted;
    CHECK((over_all_ranks(wrong) > 0) == one.sums_gradients);
    rank.take();
  }
}

}  // namespace grit
