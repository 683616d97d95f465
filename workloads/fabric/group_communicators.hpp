// A rank's communicators by the axes of the mesh.
#pragma once

#include <map>
#include <memory>

#include "harness/model/mesh.hpp"
#include "workloads/fabric/communicator.hpp"

namespace grit {

/// The groups are those of recorded_groups(), with their ids. Destroyed before the communicator that was split.
class GroupCommunicators {
 public:
  /// Collective over `world`, which has all ranks of the mesh and outlives this. Error (unavailable): the groups are
  /// more than a span can name; (internal): the communicator failed.
  static Result<GroupCommunicators> split(Communicator& world, const Mesh& mesh);

  [[nodiscard]] Communicator& world() const { return *world_; }
  /// Of the ranks that differ from this one on that axis alone; of this rank alone where the axis has one rank. edp is
  /// dp where ep has one rank.
  [[nodiscard]] Communicator& of(Axis axis) const;

 private:
  explicit GroupCommunicators(Communicator& world) : world_(&world) {}

  Communicator* world_;
  std::map<Axis, std::unique_ptr<Communicator>> axes_{};  // of more than one rank
  std::unique_ptr<Communicator> alone_{};
};

}  // namespace grit
