#include "harness/model/mesh_groups.hpp"
#include "tests/catch.hpp"

using namespace grit;

TEST_CASE("the groups of a run are the world's and then those of each axis, in their order") {
  const auto mesh = Mesh::over({{Axis::dp, 2}, {Axis::tp, 2}, {Axis::pp, 1}}, 4);
  REQUIRE(mesh);
  const RecordedGroups groups = recorded_groups(*mesh);
  REQUIRE(groups.list.size() == 5);
  CHECK(groups.list[0].axis == "world");
  CHECK(groups.list[0].members == std::vector<int>{0, 1, 2, 3});
  CHECK(groups.list[1].axis == "dp");
  CHECK(groups.list[1].members == std::vector<int>{0, 2});
  CHECK(groups.list[2].index == 1);
  CHECK(groups.list[2].members == std::vector<int>{1, 3});
  CHECK(groups.list[4].axis == "tp");
  CHECK(groups.list[4].members == std::vector<int>{2, 3});
  CHECK(groups.id_of("world", 0) == 0);
  CHECK(groups.id_of("dp", 1) == 2);
  CHECK(groups.id_of("tp", 0) == 3);
}

TEST_CASE("every rank is in one group of each axis of a mesh with experts") {
  const auto mesh = Mesh::over({{Axis::tp, 2}, {Axis::pp, 2}, {Axis::ep, 2}}, 16);
  REQUIRE(mesh);
  const RecordedGroups groups = recorded_groups(*mesh);
  for (const Axis axis : mesh->axes()) {
    for (int rank = 0; rank < 16; ++rank) {
      int found = 0;
      for (const RecordedGroup& group : groups.list)
        if (group.axis == to_string(axis) && group.members == mesh->group(rank, axis)) ++found;
      CHECK(found == 1);
    }
  }
}

TEST_CASE("a job of one rank has the world alone") {
  const RecordedGroups groups = recorded_groups(Mesh());
  REQUIRE(groups.list.size() == 1);
  CHECK(groups.list[0].members == std::vector<int>{0});
}
