// The fault bit_flip, as workloads do it to their own data.
#pragma once

#include <cstddef>
#include <cstdint>

#include "harness/model/data_type.hpp"
#include "harness/model/rank_dials.hpp"
#include "workloads/compute/device.hpp"

namespace grit {

/// Where a workload's gradients are ready to be reduced: elements [first, first + count) of the `total` that this rank
/// reduces in this step, in a buffer that points at element `first`. Flips a bit of one of the `total` elements, by the
/// dials, if it is among these, and counts it. Without the fault one load. To be called for every part once a step,
/// after it was filled and before its reduction is begun. `values` are on `device`; `dials` may be null. `type`: not
/// bytes.
void flip_if_asked(RankDials* dials, Device& device, std::byte* values, std::size_t first, std::size_t count,
                   std::size_t total, DataType type, std::uint64_t step);

}  // namespace grit
