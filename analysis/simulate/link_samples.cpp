#include "analysis/simulate/link_samples.hpp"

#include <algorithm>

#include "analysis/stats/median.hpp"
#include "harness/model/mesh_groups.hpp"

namespace grit {

LinkSamples::LinkSamples(const Plan& plan, const MeasuredRun& run, const LargerMesh& mesh) {
  std::vector<int> grows(run.axes().size(), 0);  // the ranks of its groups; 0: they stay as they are
  for (std::size_t axis = 0; axis < grows.size(); ++axis)
    for (const RecordedGroup& group : recorded_groups(mesh.measured()).list)
      if (group.axis == run.axes()[axis] && (group.axis == "world" || group.axis == "dp" || group.axis == "edp"))
        grows[axis] = static_cast<int>(group.members.size());
  for (const Block& block : plan.blocks) {
    const MeasuredRun::Range& steps = run.steps_of(block.index);
    const auto settle = static_cast<std::uint32_t>(std::max<std::int64_t>(plan.design.settle_steps, 0));
    if (!shows_work(block.kind) || steps.count <= settle) continue;
    std::map<Kind, std::vector<double>> times;
    for (std::uint32_t step = steps.first + settle; step < steps.first + steps.count; ++step)
      for (int rank = 0; rank < run.ranks(); ++rank)
        for (const PlayedOperation& one : run.program(step, rank).operations)
          if (run.program(step, rank).whole && grows[one.axis] > 1)
            times[{one.kind, grows[one.axis], one.bytes}].push_back(one.transfer_ns);
    if (times.empty()) continue;
    (has_faults(block.kind) ? fault_ : healthy_).push_back(block.index);
    for (auto& [kind, of_kind] : times) medians_ns_[kind][block.index] = median(std::move(of_kind));
  }
}

std::vector<TransferSample> LinkSamples::of(std::span<const int> blocks) const {
  std::vector<TransferSample> samples;
  for (const auto& [kind, by_block] : medians_ns_) {
    std::vector<double> times;
    for (const int block : blocks)
      if (const auto found = by_block.find(block); found != by_block.end()) times.push_back(found->second);
    if (!times.empty())
      samples.push_back({std::get<0>(kind), std::get<1>(kind), std::get<2>(kind), median(std::move(times))});
  }
  return samples;
}

}  // namespace grit
