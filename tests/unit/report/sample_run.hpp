// A made-up but plausible run: four nodes, eight pairs, a link flap (or a throttled accelerator) on node1.
#pragma once

#include "analysis/report/page/html.hpp"

namespace grit::test {

/// A run whose records are not in a file: `steps` shows `records`, also after a move. Set it again after a change of
/// their number.
struct SampleRun : ReportInput {
  std::vector<StepRecord> records{};
  SampleRun() = default;
  SampleRun(SampleRun&&) = default;
};

enum class SampleFault { link_flap, gpu_throttle };

/// `stretch`: blocks this many times longer, for runs with many steps.
SampleRun sample_run(SampleFault fault = SampleFault::link_flap, int stretch = 1);

/// The link flap, cut off by the death of a rank in the third block.
SampleRun partial_run();

/// What a run recorded is not changed but by tests.
void edit_events(ReportInput& input, const std::function<void(std::vector<Json>&)>& edit);

/// Nothing was recorded at all: the plan is all there is.
SampleRun empty_run();

}  // namespace grit::test
