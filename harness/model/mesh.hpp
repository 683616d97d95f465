// How the ranks of a job share its work: data, tensor, pipeline and expert parallelism as axes of one mesh.
//
// Ranks are laid out as Megatron-Core does it (megatron/core/parallel_state.py: initialize_model_parallel() with its
// default order "tp-cp-ep-dp-pp", RankGenerator, generate_masked_orthogonal_rank_groups()), without context
// parallelism:
//   rank = tp_rank + dp_rank · tp + pp_rank · tp · dp
// so tp goes fastest and pp slowest, and tp · dp · pp are all ranks. The layers with experts have a layout of their own
// there, in the same order and of the same ranks, with the sizes tp, ep, dp / ep, pp (expert tensor parallelism is
// tensor parallelism, its default). Hence ep takes no ranks beside dp but cuts dp into groups of ep consecutive ranks:
//   dp_rank = ep_rank + edp_rank · ep
// where edp, "expert data parallel", are those that hold the same experts. torch.distributed's DeviceMesh gives the
// same ranks for the dimensions (pp, dp, tp), and (pp, edp, ep, tp) with experts: init_device_mesh() lays them out row
// by row, the last dimension fastest (torch/distributed/device_mesh.py: arange(prod(shape)).view(shape)), and
// torchtitan takes them in that order (torchtitan/distributed/parallel_dims.py).
//
// Which node a rank is on is the launcher's business (Node::ranks). Launchers that fill one node after the other keep a
// tensor group within a node where tp divides the ranks of a node, as Megatron asks for.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// A scenario gives the sizes of the first four; edp follows from dp and ep.
enum class Axis { dp, tp, pp, ep, edp };
inline constexpr std::array kAxes{Axis::dp, Axis::tp, Axis::pp, Axis::ep, Axis::edp};
std::string_view to_string(Axis axis);
/// Empty: there is none of that name.
std::optional<Axis> axis_called(std::string_view name);

/// Sizes, or coordinates (counted from 0), of some of the axes.
using AxisValues = std::map<Axis, int>;
/// "dp = 0, tp = 1"
std::string to_string(const AxisValues& values);

class Mesh {
 public:
  /// Of one rank.
  Mesh() = default;

  /// The mesh of these sizes over so many ranks. An axis that is not given has the size 1, but for dp, which fills what
  /// the others leave: without any size, dp is all ranks. Error (usage): a size below 1 or above the number of ranks,
  /// sizes that do not make up the ranks, or an ep that does not divide dp; says what would do. edp cannot be given.
  static Result<Mesh> over(const AxisValues& sizes, int ranks);

  [[nodiscard]] int ranks() const { return dp_ * tp_ * pp_; }
  [[nodiscard]] int size(Axis axis) const;
  /// Are all ranks on dp, as without a mesh?
  [[nodiscard]] bool only_dp() const { return tp_ == 1 && pp_ == 1 && ep_ == 1; }
  /// The axes of more than one rank, edp only where ep is one of them, since it is dp otherwise.
  [[nodiscard]] std::vector<Axis> axes() const;

  [[nodiscard]] int coordinate(int rank, Axis axis) const;
  /// On all of axes() but edp, which dp says, too: what tells a rank from the others.
  [[nodiscard]] AxisValues coordinates(int rank) const;
  /// Has the rank all of these coordinates?
  [[nodiscard]] bool is_at(int rank, const AxisValues& coordinates) const;
  /// The ranks that have them, ascending.
  [[nodiscard]] std::vector<int> ranks_at(const AxisValues& coordinates) const;
  /// Could a rank have them? Error (usage): one is beyond its axis, or none has them together; says what there is.
  [[nodiscard]] Status check(const AxisValues& coordinates) const;

  /// The group of an axis in which this rank is, in the order of their coordinates, which is ascending: ranks that
  /// differ from each other on this axis alone (on dp: and on ep and edp, which are parts of it).
  [[nodiscard]] std::vector<int> group(int rank, Axis axis) const;
  /// All groups of an axis, by their first ranks. Each rank is in exactly one.
  [[nodiscard]] std::vector<std::vector<int>> groups(Axis axis) const;

  /// Ranks of one role do the same work in every step, so that their own work can be compared: those of one pipeline
  /// stage that hold the same experts. Counted from 0, stage by stage.
  [[nodiscard]] int roles() const { return pp_ * ep_; }
  [[nodiscard]] int role(int rank) const { return coordinate(rank, Axis::pp) * ep_ + coordinate(rank, Axis::ep); }
  [[nodiscard]] std::vector<int> ranks_of(int role) const {
    return ranks_at({{Axis::pp, role / ep_}, {Axis::ep, role % ep_}});
  }
  /// "stage 1", "experts 0", "stage 1, experts 0"; "all ranks" where there is one role.
  [[nodiscard]] std::string role_name(int role) const;

  bool operator==(const Mesh&) const = default;

 private:
  /// From one rank of a group to the next.
  [[nodiscard]] int stride(Axis axis) const;

  int dp_ = 1, tp_ = 1, pp_ = 1, ep_ = 1;
};

/// "dp 2 × tp 2 × pp 2": the axes of more than one rank, ep in brackets behind what it is a part of; "dp 1" for one
/// rank.
std::string to_string(const Mesh& mesh);

/// {"dp": 2, "tp": 2, "pp": 2, "ep": 1}
Json to_json(const Mesh& mesh);
/// {"pp": 1}
Json to_json(const AxisValues& values);
/// Error (usage): not an object of axes and integers of at least `least`.
Result<AxisValues> axis_values_from_json(const Json& json, int least);

}  // namespace grit
