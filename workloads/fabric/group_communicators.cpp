#include "workloads/fabric/group_communicators.hpp"

#include <fmt/format.h>

#include <limits>
#include <string>
#include <vector>

#include "harness/model/mesh_groups.hpp"

namespace grit {

Result<GroupCommunicators> GroupCommunicators::split(Communicator& world, const Mesh& mesh) {
  GRIT_ASSERT(world.size() == mesh.ranks());
  const RecordedGroups groups = recorded_groups(mesh);
  const std::size_t ids = groups.list.size() + static_cast<std::size_t>(mesh.ranks());
  if (ids > std::numeric_limits<std::uint16_t>::max())
    return unavailable_error(fmt::format("a mesh of {} makes more groups than spans can name", to_string(mesh)));
  GroupCommunicators split(world);
  for (const Axis axis : mesh.axes()) {
    const std::string name(to_string(axis));
    GRIT_TRY(split.axes_[axis], world.split(name, groups.id_of(name, 0), mesh.groups(axis)));
  }
  std::vector<std::vector<int>> alone;
  for (int rank = 0; rank < mesh.ranks(); ++rank) alone.push_back({rank});
  GRIT_TRY(split.alone_, world.split("alone", static_cast<std::uint16_t>(groups.list.size()), alone));
  return split;
}

Communicator& GroupCommunicators::of(Axis axis) const {
  if (const auto found = axes_.find(axis); found != axes_.end()) return *found->second;
  if (const auto dp = axes_.find(Axis::dp); axis == Axis::edp && !axes_.contains(Axis::ep) && dp != axes_.end())
    return *dp->second;
  return *alone_;
}

}  // namespace grit
