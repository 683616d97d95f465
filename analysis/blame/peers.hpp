// With whom a rank is compared: by how much more its own work grew than that of those who do the same.
#pragma once

#include <cstddef>
#include <vector>

#include "analysis/records/own_work.hpp"
#include "harness/model/plan.hpp"

namespace grit {

/// Where all ranks meet in one group they are all alike. On a mesh those are that have the same role (Mesh::role()) on
/// a machine of the same class (model of CPU and number of cores); with other roles a rank is only compared in relation
/// to what each works without the fault.
class Peers {
 public:
  Peers(const Plan& plan, const OwnWork& work);

  /// By rank: its figure less that of the others, among which each node counts alike, however many ranks it has.
  /// `base`: what each works without the fault. In one group, less the median of all other ranks.
  ///
  /// On a mesh, with three other nodes or more of its role and class: less the median of the ranks there. With none:
  /// less its base times the median over all other nodes of figure / base. With one or two, which may be slow as well:
  /// the same, where the other nodes' figures stay below a fifth of its own, so that what it has is not all others'
  /// too; else less the median of its role.
  [[nodiscard]] std::vector<double> excess(const std::vector<double>& figures, const std::vector<double>& base) const;

 private:
  struct Group {
    std::vector<std::size_t> ranks{};  // of one role and class
    std::vector<double> weights{};     // of these
    std::size_t nodes = 0;
  };
  [[nodiscard]] std::vector<double> less_all_nodes(const std::vector<double>& figures,
                                                   const std::vector<double>& base) const;

  bool is_one_group_;
  std::vector<double> weights_{};                     // by rank
  std::vector<std::vector<std::size_t>> ranks_of_{};  // by node
  std::vector<Group> groups_{};                       // on a mesh
};

}  // namespace grit
