// Checkpoints of parallel training.
#include <filesystem>
#include <fstream>
#include <string>

#include "harness/base/files.hpp"
#include "tests/catch.hpp"
#include "tests/mpi/mesh_job.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;
using test::Case;
using test::cases_here;
using test::MeshJob;

TEST_CASE("a job that goes on from a checkpoint has the weights of one that never stopped") {
  test::World world;
  const int rank = world.communicator->rank();
  for (Case one : cases_here(world)) {
    INFO(one);
    const bool beside = (one.mesh.size() + one.given.size()) % 2 == 1;  // some of these, some of those
    one.given.update(
        {{"checkpoint_every", 2}, {"checkpoint", 1}, {"checkpoint_mode", beside ? "asynchronous" : "synchronous"}});
    const test::TempDirectory place;  // of this rank; steps 1 and 3 are in files of their own
    const auto first = place.path() / ("rank" + std::to_string(rank) + ".0");
    const auto second = place.path() / ("rank" + std::to_string(rank) + ".1");
    std::string never_stopped;
    {
      MeshJob job(world, one, {place.path()});
      const auto stage = job.stage();
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
    MeshJob job(world, one, {place.path(), 1});
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
  MeshJob(world, one, {place.path()}).step();
  const bool is_damaged = rank + 1 == world.communicator->size();
  if (is_damaged) {
    std::fstream file(place.path() / ("rank" + std::to_string(rank) + ".0"),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('x');
  }
  const Status resumed = MeshJob(world, one, {place.path(), 0}).workload->resume();
  CHECK(resumed.has_value() == !is_damaged);
  if (is_damaged) {
    CHECK_THAT(resumed.error().message, Catch::Matchers::Contains("of rank " + std::to_string(rank)) &&
                                            Catch::Matchers::Contains("its checksum is wrong"));
  }
}
