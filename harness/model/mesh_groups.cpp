#include "harness/model/mesh_groups.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "harness/base/result.hpp"

namespace grit {

std::uint16_t RecordedGroups::id_of(std::string_view axis, int index) const {
  const auto found = std::find_if(
      list.begin(), list.end(), [&](const RecordedGroup& group) { return group.axis == axis && group.index == index; });
  GRIT_ASSERT(found != list.end());
  return static_cast<std::uint16_t>(found - list.begin());
}

RecordedGroups recorded_groups(const Mesh& mesh) {
  RecordedGroups groups;
  RecordedGroup world;
  world.members.resize(static_cast<std::size_t>(mesh.ranks()));
  std::iota(world.members.begin(), world.members.end(), 0);
  groups.list.push_back(std::move(world));
  for (const Axis axis : mesh.axes()) {
    int index = 0;
    for (std::vector<int>& members : mesh.groups(axis))
      groups.list.push_back({.axis = std::string(to_string(axis)), .index = index++, .members = std::move(members)});
  }
  return groups;
}

}  // namespace grit
