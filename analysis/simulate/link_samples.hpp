// The operations across replicas of a run, as what a link is fitted to: block by block, so that blocks can be drawn.
#pragma once

#include <map>
#include <span>
#include <tuple>
#include <vector>

#include "analysis/simulate/larger_mesh.hpp"
#include "analysis/simulate/measured_run.hpp"
#include "analysis/simulate/transfer_model.hpp"

namespace grit {

class LinkSamples {
 public:
  LinkSamples(const Plan& plan, const MeasuredRun& run, const LargerMesh& mesh);

  /// Median over these blocks (Block::index; one may be there twice) of each kind and size's median.
  [[nodiscard]] std::vector<TransferSample> of(std::span<const int> blocks) const;
  /// Blocks with settled steps, outside of fault blocks and in them.
  [[nodiscard]] const std::vector<int>& blocks(bool with_faults) const { return with_faults ? fault_ : healthy_; }

 private:
  using Kind = std::tuple<CollectiveOperation, int, std::int64_t>;  // operation, ranks, bytes
  std::map<Kind, std::map<int, double>> medians_ns_{};              // by block
  std::vector<int> healthy_{}, fault_{};
};

}  // namespace grit
