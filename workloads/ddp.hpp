// Synchronous data-parallel training, as PyTorch's DistributedDataParallel does it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "workloads/workload.hpp"

namespace grit {

/// Every rank holds the whole model and its own part of the batch. One step:
///   input       token ids of this rank's micro-batches, generated or read from files (token_source.hpp)
///   forward     layer by layer: 2·P·tokens FLOPs (P: the layer's parameters; tokens: one sequence)
///   backward    in reverse, 4·P·tokens FLOPs (models.hpp has the sources). In the last micro-batch gradients are
///   written into
///               buckets, and with `overlap` each bucket's all-reduce starts as soon as it is full
///               (with `helper_threads` these first copy it to the network's side, and back before the optimizer)
///   exposed     what is left of the collectives; the record's exposed_comm_ns also has the host time that starting and
///               progressing them took from backward
///   optimizer   every reduced value is checked (data_pattern.hpp), then the weights are updated
///   checkpoint  every so many steps: the rank's share of the weights to disk (checkpoints.hpp)
WorkloadInfo ddp_info();

/// Allocates all it will need. Error (usage): checkpoints without a directory, or more memory than there is;
/// (unavailable): the checkpoint file cannot be made.
Result<std::unique_ptr<Workload>> make_ddp(const Params& params, const WorkloadContext& context);

}  // namespace grit
