#include <string>
#include <vector>

#include "tests/catch.hpp"
#include "workloads/fabric/mpi.hpp"
#include "workloads/fabric/sum.hpp"
#include "workloads/workload.hpp"

using namespace grit;

namespace {

constexpr DataType kTypes[] = {DataType::fp32, DataType::bf16, DataType::fp16};

/// A small integer for element i of rank r; sums over four ranks are exact in every type.
float value(std::size_t i, int rank) { return static_cast<float>((i + 7 * static_cast<std::size_t>(rank)) % 50); }

std::vector<std::byte> filled(std::size_t count, DataType type, int rank) {
  std::vector<std::byte> buffer(count * bytes_per_element(type));
  for (std::size_t i = 0; i < count; ++i) store_element(buffer.data(), i, type, value(i, rank));
  return buffer;
}

std::size_t wrong_sums(const std::vector<std::byte>& buffer, std::size_t count, DataType type, int ranks) {
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < count; ++i) {
    float sum = 0;
    for (int rank = 0; rank < ranks; ++rank) sum += value(i, rank);
    wrong += load_element(buffer.data(), i, type) != sum ? 1U : 0U;
  }
  return wrong;
}

Params params_with(Json given) {
  Json values = Json::object();
  for (const ParamSpec& spec : find_workload("ddp")->params) values[spec.name] = spec.default_value;
  values.update(given);
  return Params(values);
}

}  // namespace

TEST_CASE("sums of every type and many sizes are right, several in flight at a time") {
  const auto fabric = make_mpi_fabric(MPI_COMM_WORLD);
  for (const DataType type : kTypes) {
    const std::vector<std::size_t> counts{1, 2, 63, 64, 65, 4'097, 100'003, 1'000'000};
    std::vector<std::vector<std::byte>> buffers;
    for (const std::size_t count : counts) buffers.push_back(filled(count, type, fabric->rank()));
    for (std::size_t i = 0; i < counts.size(); ++i) {
      REQUIRE(fabric->allreduce_begin(buffers[i].data(), counts[i], type));
      fabric->poke();
    }
    REQUIRE(fabric->wait_all());
    for (std::size_t i = 0; i < counts.size(); ++i) {
      INFO(data_type_name(type) << ", " << counts[i] << " elements");
      CHECK(wrong_sums(buffers[i], counts[i], type, fabric->size()) == 0);
    }
  }
}

TEST_CASE("waiting for nothing returns at once") {
  const auto fabric = make_mpi_fabric(MPI_COMM_WORLD);
  fabric->poke();
  CHECK(fabric->wait_all());
}

TEST_CASE("an error of MPI becomes an error of the fabric, which stays") {
  // An error without a valid communicator is raised on MPI_COMM_WORLD, whose handler would abort.
  REQUIRE(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN) == MPI_SUCCESS);
  const auto fabric = make_mpi_fabric(MPI_COMM_NULL);
  REQUIRE(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_ARE_FATAL) == MPI_SUCCESS);
  float one = 1;
  const Status failed = fabric->allreduce_begin(&one, 1, DataType::fp32);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().kind == ErrorKind::internal);
  CHECK(failed.error().message.find("MPI_Comm_dup failed: MPI_ERR_COMM") != std::string::npos);
  CHECK_FALSE(fabric->wait_all());
}

TEST_CASE("training reduces the right values in every type, with and without overlap, and agrees on the end") {
  const auto fabric = make_mpi_fabric(MPI_COMM_WORLD);
  AcceleratorClock clock{kNominalClockPpm};
  const WorkloadContext context{.fabric = fabric.get(), .accelerator_clock = &clock};
  constexpr int kSteps = 5;
  for (const DataType type : kTypes) {
    for (const bool overlap : {true, false}) {
      INFO(data_type_name(type) << ", overlap " << overlap);
      const auto params =
          params_with({{"dtype", std::string(data_type_name(type))}, {"overlap", overlap}, {"scale", 0.005}});
      auto workload = make_workload("ddp", params, context);
      REQUIRE(workload);
      for (int step = 0; step < kSteps; ++step) {
        StepRecord record;
        const bool vote = step == 3 && fabric->rank() == fabric->size() - 1;
        const auto ended = (*workload)->step(vote, record);
        REQUIRE(ended);
        CHECK(*ended == (step == 3));
        CHECK(record.corrupted == 0);
        CHECK(record.collective_exit_ns > record.collective_entry_ns);
      }
    }
  }
}
