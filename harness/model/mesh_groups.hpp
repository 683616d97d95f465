// The groups of ranks in which a run's ranks exchange data, as its spans name them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/mesh.hpp"

namespace grit {

struct RecordedGroup {
  std::string axis = "world";  // what its ranks differ in; "world": all of the job
  int index = 0;               // among the groups of that axis
  std::vector<int> members{};  // ranks of the job, in the order of the group's own ranks
};

/// The place of a group in `list` is its id: CollectiveRecord::group. A rank alone has a group of its own beside these,
/// for the axes of one rank: the id of rank r's is list.size() + r.
struct RecordedGroups {
  std::vector<RecordedGroup> list{};

  /// Of a group that is in the list ("world" has the index 0).
  [[nodiscard]] std::uint16_t id_of(std::string_view axis, int index) const;
};

/// The world, and then the groups of each of mesh.axes() in their order (Mesh::groups()). It follows from the mesh
/// alone, so that no file needs to say it.
RecordedGroups recorded_groups(const Mesh& mesh);

}  // namespace grit
