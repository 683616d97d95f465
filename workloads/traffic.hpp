// What the ranks of a training job have to tell each other: every operation of one step, with its bytes.
//
// How a workload uses it: check_setup() first. Then, for each action of pipeline_schedule() (forward or backward of a
// micro-batch in a chunk), for each layer of the chunk (layers_of_stage(); backward in reverse order):
//
//   gather        the layer's parameters, where they are sharded and not there: gathered_bytes()
//   layer_steps() one after the other: work, or an operation whose result the next work needs
//   reduce        the layer's gradients, after the backward pass of the last micro-batch: sharded ones layer by layer,
//                 gathered_bytes(); others by the chunk's buckets, buckets.hpp, when they are full
//
// and between actions the pipeline's messages of activation_bytes(). step_traffic() is the same without doing it: what
// the report of a run states, and what its spans are held against.
//
// Bytes are those of CollectiveRecord::bytes: of all_reduce the buffer, of reduce_scatter and all_gather all ranks'
// parts together, of send and receive the message. Of all_to_all: the routed tokens of one rank, its own part included,
// which is what it sends on the way to the experts and what it receives on the way back, whatever the router does.
//
// Left out, since they are small or not part of a step's own work: the loss, the gradients' norm, the exchange of
// counts before an all-to-all (router.hpp), an auxiliary loss of the router.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/collective_record.hpp"
#include "harness/model/mesh.hpp"
#include "workloads/buckets.hpp"
#include "workloads/models.hpp"
#include "workloads/pipeline_schedule.hpp"

namespace grit {

struct TrainingSetup {
  const ModelShape* model = nullptr;
  double scale = 1;               // as in model_layers(); activation_width() says what it does to activations
  int sequence = 1024;            // tokens of a micro-batch, which is one sequence
  std::size_t element_bytes = 2;  // of parameters, gradients and activations alike
  Mesh mesh{};
  int chunks = 1;         // of a pipeline stage
  int micro_batches = 1;  // of a rank in one step
  /// Parameters, gradients and optimizer state are divided over the dp axis, experts' over edp; else every rank of it
  /// has all of them, and gradients are all-reduced in buckets.
  bool sharded = false;
  bool reshard = true;             // sharded: let go of a layer's parameters after forward, and gather them again
  bool sequence_parallel = false;  // tp: divide what is between the matrices by tokens
  double bucket_bytes = kDefaultBucketBytes;  // not sharded, at scale 1
};

/// Error (usage): check_division() or check_pipeline() refuses; or, with sequence_parallel, a sequence that does not
/// divide by tp.
Status check_setup(const TrainingSetup& setup);

[[nodiscard]] PipelineShape pipeline_shape(const TrainingSetup& setup);

/// Elements of a token's activation between two layers: hidden · scale, rounded, at least 1. Parameters and FLOPs have
/// `scale` times their size, and so has every message then, so that the ratio of work to bytes is the model's in every
/// operation, and that of one operation's bytes to another's; what gains weight is the time that an operation takes
/// whatever its size. (Would every dimension shrink alike, FLOPs would by scale and messages by its root only: a
/// smaller model is bound more by communication.) Where hidden · scale is small, rounding shifts the ratio, by a part
/// of 0.5 / (hidden · scale) at most; below 0.5 messages are larger than they should be.
std::size_t activation_width(const TrainingSetup& setup);

/// The message from stage to stage, forward and backward: tokens · activation_width · element_bytes. Each rank of a
/// tensor group sends all of it to its counterpart (Narayanan et al. 2021, arXiv:2104.04473, §4.1, without their
/// scatter/gather optimization), with sequence_parallel its part of the tokens (Korthikanti et al. 2022,
/// arXiv:2205.05198, §4.2.2).
std::size_t activation_bytes(const TrainingSetup& setup);

/// The unit in which a layer's sharded parameters are gathered and its gradients scattered: `parameters`, padded to a
/// multiple of `ranks`, as FSDP's FlatParameter is (Zhao et al. 2023, arXiv:2304.11277, §3.2.1). FSDP2
/// (torch/distributed/fsdp, fully_shard()) pads each tensor's first dimension instead, and moves the same but for that.
std::size_t gathered_bytes(std::int64_t parameters, int ranks, std::size_t element_bytes);

struct TrafficOperation {
  CollectiveOperation operation = CollectiveOperation::all_reduce;
  Axis axis = Axis::dp;
  std::size_t bytes = 0;
  bool operator==(const TrafficOperation&) const = default;
};

/// Work and then, if any, an operation that needs its result.
struct LayerStep {
  double flops = 0;
  double flops_per_routed_token = 0;  // for each token that reaches this rank's experts (Router::tokens_to())
  std::optional<TrafficOperation> operation{};
  bool of_loss = false;  // the operation is one of the loss's sums, of fp32 numbers; else of activations
};

/// What one micro-batch needs in one layer, in order, but for parameters and gradients.
///
/// Tensor parallelism (Shoeybi et al. 2019, arXiv:1909.08053, §3, figure 4): in a block two all-reduces of the
/// activations forward, after attention and after the feed-forward network, and two backward, before each of them; one
/// after the embedding forward, one before the head backward; and three of one number a token in the head, of fp32, for
/// the loss over a divided vocabulary (maximum, sum of exponentials, the target's logit: vocab_parallel_cross_entropy()
/// in megatron/core/tensor_parallel/cross_entropy.py).
/// With sequence_parallel (Korthikanti et al. 2022, arXiv:2205.05198, §4.2.2): an all-gather before attention, network
/// and head instead, and a reduce-scatter after embedding, attention and network; backward the other way round; and one
/// more all-gather before each backward of a matrix whose input was kept in parts only.
///
/// Experts (Lepikhin et al. 2020, "GShard", arXiv:2006.16668; Fedus et al. 2022, arXiv:2101.03961): in a block one
/// all-to-all of tokens · experts_per_token · activation_width · element_bytes to the experts and one back, backward
/// the same. With tp as well, each rank of a tensor group sends all of its group's tokens to its counterparts' parts of
/// the experts, and sums over tp afterwards (as in Singh et al. 2023, arXiv:2303.06318, without their dropping of
/// duplicates).
std::vector<LayerStep> layer_steps(const TrainingSetup& setup, const ModelLayer& layer, Pass pass);

struct StepTraffic {
  TrafficOperation operation;
  std::size_t count = 0;  // in one step of one rank
};

/// All operations of one step of a rank of this pipeline stage, equal ones counted together, in the order in which the
/// first of each comes. Operations of a single rank are none.
///
/// Not sharded: the gradients of a chunk in buckets, once a step. Sharded (Zhao et al. 2023, §3; Rajbhandari et al.
/// 2020, "ZeRO", arXiv:1910.02054, §7.2): each layer's parameters are gathered before its forward and, with `reshard`,
/// again before its backward, of every micro-batch; without, once a step. Gradients accumulate and are scattered once a
/// step (set_requires_gradient_sync(false) until the last micro-batch). With one micro-batch and `reshard` a rank sends
/// 3 · (n - 1)/n times its layers' bytes, n = dp, against 2 · (n - 1)/n of data parallelism without shards.
std::vector<StepTraffic> step_traffic(const TrainingSetup& setup, int stage);

/// What a rank sends: each operation's bytes by the factor of nccl-tests (bus_bandwidth.hpp). Of an all-to-all by an
/// uneven router that is the mean over the ranks of its group, if these hold equally many tokens.
double sent_bytes(std::span<const StepTraffic> traffic, const Mesh& mesh);

}  // namespace grit
