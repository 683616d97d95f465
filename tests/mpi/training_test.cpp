#include <string>
#include <vector>

#include "tests/catch.hpp"
#include "tests/mpi/all_operations.hpp"
#include "workloads/fabric/sum.hpp"
#include "workloads/workload.hpp"

using namespace grit;

namespace {

constexpr DataType kTrainedTypes[] = {DataType::fp32, DataType::bf16, DataType::fp16};

Params params_with(Json given) {
  Json values = Json::object();
  for (const ParamSpec& spec : find_workload("ddp")->params) values[spec.name] = spec.default_value;
  values.update(given);
  return Params(values);
}

}  // namespace

TEST_CASE("training reduces the right values in every type, with and without overlap") {
  test::World world;
  AcceleratorClock clock{kNominalClockPpm};
  const WorkloadContext context{.communicator = world.communicator.get(), .accelerator_clock = &clock};
  constexpr int kSteps = 5;
  for (const DataType type : kTrainedTypes) {
    for (const bool overlap : {true, false}) {
      INFO(data_type_name(type) << ", overlap " << overlap);
      const auto params =
          params_with({{"dtype", std::string(data_type_name(type))}, {"overlap", overlap}, {"scale", 0.005}});
      auto workload = make_workload("ddp", params, context);
      REQUIRE(workload);
      for (int step = 0; step < kSteps; ++step) {
        StepRecord record;
        REQUIRE((*workload)->step(record));
        CHECK(record.corrupted == 0);
        CHECK(record.collective_exit_ns > record.collective_entry_ns);
        const auto spans = world.take();
        CHECK(spans.size() == (*workload)->description()["buckets"].get<std::size_t>());
        for (const CollectiveRecord& span : spans) {
          CHECK(span.wrong == 0);
          CHECK(span.entry_ns >= record.collective_entry_ns);
          CHECK(span.exit_ns <= record.collective_exit_ns);
          const bool waited = span.wait_ns >= span.entry_ns && span.wait_ns <= span.exit_ns;
          CHECK((waited || span.wait_ns == 0));
        }
      }
    }
  }
}
