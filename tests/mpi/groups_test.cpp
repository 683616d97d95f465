#include <algorithm>
#include <vector>

#include "harness/model/mesh_groups.hpp"
#include "tests/catch.hpp"
#include "tests/mpi/all_operations.hpp"
#include "workloads/fabric/group_communicators.hpp"

using namespace grit;

TEST_CASE("a rank has a communicator for every axis, with the members and the id that the mesh gives") {
  test::World world;
  const int ranks = world.communicator->size(), rank = world.communicator->rank();
  const auto mesh = Mesh::over(ranks == 4 ? AxisValues{{Axis::tp, 2}} : AxisValues{}, ranks);
  REQUIRE(mesh);
  const auto groups = GroupCommunicators::split(*world.communicator, *mesh);
  REQUIRE(groups);
  const RecordedGroups table = recorded_groups(*mesh);
  CHECK(&groups->world() == world.communicator.get());
  for (const Axis axis : kAxes) {
    INFO(to_string(axis));
    Communicator& own = groups->of(axis);
    const std::vector<int> members = mesh->group(rank, axis);
    CHECK(own.group().members == members);
    CHECK(members[static_cast<std::size_t>(own.rank())] == rank);
    if (members.size() == 1) {
      CHECK(own.group().id == table.list.size() + static_cast<std::size_t>(rank));
      continue;
    }
    CHECK(table.list.at(own.group().id).members == members);
    // It works: each gets the sum of the members' numbers.
    float sum = static_cast<float>(rank), expected = 0;
    for (const int member : members) expected += static_cast<float>(member);
    REQUIRE(own.all_reduce(&sum, &sum, 1, DataType::fp32));
    REQUIRE(own.wait_all());
    CHECK(sum == expected);
  }
}
