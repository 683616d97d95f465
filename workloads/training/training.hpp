// Training that is shared over a mesh: data, tensor, pipeline and expert parallel, with or without sharded parameters.
#pragma once

#include <memory>

#include "workloads/training/parameters.hpp"
#include "workloads/training/settings.hpp"
#include "workloads/workload.hpp"

namespace grit {

/// One step of a rank, by pipeline_schedule() of its stage: for each micro-batch, forward and backward,
///   input       token ids, on the first and the last stage, from a seeded generator: those of one dp coordinate are
///   the
///               same
///   forward     layer by layer: parameters, where they are sharded, then layer_steps(): work and, in its midst, tensor
///   backward    groups' operations and the way of tokens to the experts and back. In the last micro-batch the sum of a
///               layer's, or of a full bucket's, gradients begins, while backward goes on
///   exposed     whatever the rank waits for, in whichever phase: also the idle time of a pipeline stage, which waits
///               for its neighbours; and the host time that beginning operations and moving them on takes
///   optimizer   summed gradients are checked, and the weights are updated
///   checkpoint  every so many steps: the rank's share of its weights to disk (checkpoints.hpp)
/// With `helper_threads` these copy what an operation sends to the network's side before it begins, and back what has
/// arrived before it is checked (host_staging.hpp): time of the phase in which that is done.
/// Every operation's result is checked when it has arrived; what is moved is a pattern, not the model. collective_entry
/// and collective_exit are those of the first and the last sum of gradients; where dp has one rank, of all operations.
/// Activations are not kept: a rank's memory holds weights, gradients, parameters that were gathered, and messages.
///
/// Allocates all it will need. Error (usage): what read_training_settings() refuses, more memory than there is (says
/// how many bytes), or checkpoints without a directory; (unavailable): the checkpoint's files cannot be made.
Result<std::unique_ptr<Workload>> make_training(const Json& settings, const WorkloadContext& context);

/// What it allocates on a rank with these layers, but for what does not grow with the model.
double training_memory_bytes(const TrainingSettings& settings, const StageLayers& layers);

}  // namespace grit
