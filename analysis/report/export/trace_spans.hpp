// The spans of a run in its trace.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "analysis/report/export/trace_writer.hpp"
#include "analysis/report/run_data.hpp"
#include "harness/model/mesh_groups.hpp"

namespace grit {

/// A rank has a track for each axis on which it has a group, behind its own: "rank 3 tp", and where operations of the
/// group overlap further ones, since events of one thread may only nest: "rank 3 tp, 2". Where kLanes are open at a
/// time, further ones are left out. From a send to its receive goes an arrow.
class SpanTracks {
 public:
  static constexpr std::size_t kLanes = 64;

  SpanTracks(Trace& trace, const Plan& plan, const TimeAxis& axis);
  /// Of one rank in the order in which they were begun. One that fits neither the topology nor the mesh counts for
  /// nothing, as does one that is not complete.
  void add(const CollectiveRecord& span);

 private:
  struct Rank {
    std::int64_t node = -1;                                      // -1: the topology has none of it
    std::map<std::size_t, std::vector<std::int64_t>> free_ns{};  // by axis: when each of its tracks is free again
  };
  Thread thread(const CollectiveRecord& span, std::size_t axis, std::size_t lane) const;

  Trace& trace_;
  const TimeAxis& axis_;
  std::vector<std::string> axes_{};
  std::vector<std::size_t> axis_of_group_{};
  std::vector<Rank> ranks_{};
};

}  // namespace grit
