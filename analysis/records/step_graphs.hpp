// The graphs of some steps of each baseline and fault block: enough of them to see what a step hangs on, and no more
// than fit into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "analysis/records/node_clocks.hpp"
#include "analysis/records/step_graph.hpp"
#include "harness/model/collective_record.hpp"
#include "harness/model/mesh.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"

namespace grit {

/// Of a block up to so many stretches of so many consecutive steps are looked at, evenly spread over its measured
/// steps.
constexpr std::size_t kStretches = 4, kStretchSteps = 4;
/// Of all blocks together about so many spans, 80 bytes each while graphs are made of them. Where that is fewer than of
/// kStretches · kStretchSteps steps a block, fewer steps are taken; where it is not one step a block, fewer pairs.
constexpr std::size_t kMostSpans = 16'000'000;

/// Of one block.
struct BlockGraphs {
  std::vector<StepGraph> graphs{};
  std::size_t chosen = 0;  // steps that were to be looked at
  std::size_t whole = 0;   // steps in graphs; the others lack records or spans, or nobody measured their nodes' clocks
};

/// By Block::index; a stretch that lacks something is cut into halves, so that no more is left out than the step itself
/// and the one after it. Nothing of blocks of other kinds. Two passes over the step records and one over the spans.
std::vector<BlockGraphs> step_graphs(const Plan& plan, const Mesh& mesh, std::span<const StepRecord> records,
                                     std::span<const CollectiveRecord> spans, const NodeClocks& clocks);

}  // namespace grit
