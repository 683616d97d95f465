#include "workloads/traffic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ranges>
#include <utility>

#include "harness/model/bus_bandwidth.hpp"
#include "workloads/layer_split.hpp"

namespace grit {
namespace {

using enum CollectiveOperation;

constexpr std::size_t kLossElementBytes = 4;  // fp32
constexpr int kLossSums = 3;

std::size_t all_tokens_bytes(const TrainingSetup& setup) {
  return static_cast<std::size_t>(setup.sequence) * activation_width(setup) * setup.element_bytes;
}

/// Puts together the steps of one layer in one pass.
class StepMaker {
 public:
  StepMaker(const TrainingSetup& setup, Pass pass) : setup_(setup), pass_(pass) {}

  /// Of so many FLOPs a token in the forward pass.
  void work(double flops_per_token) { steps_.push_back({.flops = factor() * flops_per_token * setup_.sequence}); }
  void routed_work(double flops_per_token) { steps_.push_back({.flops_per_routed_token = factor() * flops_per_token}); }

  /// Before a pair of divided matrices: every rank of the tensor group needs all tokens. Backward: and their gradients,
  /// of which each rank has its tokens' only.
  void begin_divided() {
    if (!setup_.sequence_parallel) return;
    tensor_operation(all_gather);
    if (pass_ == Pass::backward) tensor_operation(all_gather);
  }
  /// After it: each rank has a summand of the result, or of the gradient of what went in.
  void end_divided() { tensor_operation(setup_.sequence_parallel ? reduce_scatter : all_reduce); }

  void tensor_operation(CollectiveOperation operation) { add(operation, Axis::tp, all_tokens_bytes(setup_)); }
  void sum_of_loss() {
    const double elements = std::max(1.0, std::round(setup_.sequence * setup_.scale));
    add(all_reduce, Axis::tp, static_cast<std::size_t>(elements) * kLossElementBytes);
    if (!steps_.empty()) steps_.back().of_loss = steps_.back().operation.has_value();
  }
  void exchange_tokens() {
    add(all_to_all, Axis::ep, static_cast<std::size_t>(setup_.model->experts_per_token) * all_tokens_bytes(setup_));
  }

  std::vector<LayerStep> take() { return std::move(steps_); }

 private:
  /// The operation needs what was done last.
  void add(CollectiveOperation operation, Axis axis, std::size_t bytes) {
    if (setup_.mesh.size(axis) == 1) return;
    if (steps_.empty() || steps_.back().operation) steps_.emplace_back();
    steps_.back().operation = TrafficOperation{.operation = operation, .axis = axis, .bytes = bytes};
  }
  [[nodiscard]] double factor() const { return pass_ == Pass::forward ? 1 : 2; }

  const TrainingSetup& setup_;
  Pass pass_;
  std::vector<LayerStep> steps_;
};

void attention_steps(StepMaker& maker, const ModelLayer& layer) {
  maker.begin_divided();
  maker.work(layer.attention_flops_per_token);
  maker.end_divided();
}

void feed_forward_steps(StepMaker& maker, const ModelLayer& layer, Pass pass) {
  const double flops = layer.forward_flops_per_token - layer.attention_flops_per_token;
  maker.begin_divided();
  if (pass == Pass::forward || layer.expert_tensors.empty()) maker.work(flops);
  if (!layer.expert_tensors.empty()) {
    maker.exchange_tokens();
    maker.routed_work(layer.expert_flops_per_routed_token);
    maker.exchange_tokens();
    if (pass == Pass::backward) maker.work(flops);  // the router
  }
  maker.end_divided();
}

void embedding_steps(StepMaker& maker, const TrainingSetup& setup, Pass pass) {
  if (pass == Pass::forward) {
    maker.end_divided();
  } else if (setup.sequence_parallel) {
    maker.tensor_operation(all_gather);
  }
}

void head_steps(StepMaker& maker, const TrainingSetup& setup, const ModelLayer& layer, Pass pass) {
  if (setup.sequence_parallel) maker.tensor_operation(all_gather);
  maker.work(layer.forward_flops_per_token);
  if (pass == Pass::backward) return maker.end_divided();
  for (int i = 0; i < kLossSums; ++i) maker.sum_of_loss();
}

/// Goes through a step as a workload does, and counts.
class StepCounter {
 public:
  StepCounter(const TrainingSetup& setup, int stage)
      : setup_(setup),
        stage_(stage),
        chunks_(layers_of_stage(*setup.model, setup.scale, setup.mesh, setup.chunks, stage)) {}

  std::vector<StepTraffic> count() {
    for (const PipelineAction& action : pipeline_schedule(pipeline_shape(setup_), stage_)) {
      if (action.receive_from >= 0) add(receive, Axis::pp, activation_bytes(setup_));
      go_through(chunks_[static_cast<std::size_t>(action.chunk)], action);
      if (action.send_to >= 0) add(send, Axis::pp, activation_bytes(setup_));
    }
    return std::move(traffic_);
  }

 private:
  void go_through(std::span<const ModelLayer> layers, const PipelineAction& action) {
    if (action.pass == Pass::forward) {
      for (const ModelLayer& layer : layers) {
        if (setup_.reshard || action.micro_batch == 0) shard_operation(all_gather, layer);
        add(layer_steps(setup_, layer, Pass::forward));
      }
      return;
    }
    const bool last = action.micro_batch + 1 == setup_.micro_batches;
    for (const ModelLayer& layer : layers | std::views::reverse) {
      if (setup_.reshard) shard_operation(all_gather, layer);
      add(layer_steps(setup_, layer, Pass::backward));
      if (last) shard_operation(reduce_scatter, layer);
    }
    if (last && !setup_.sharded) reduce_in_buckets(layers);
  }

  void shard_operation(CollectiveOperation operation, const ModelLayer& layer) {
    if (!setup_.sharded) return;
    const auto of_axis = [&](Axis axis, std::int64_t parameters) {
      add(operation, axis, gathered_bytes(parameters, setup_.mesh.size(axis), setup_.element_bytes));
    };
    of_axis(Axis::dp, layer.dense_parameters());
    if (!layer.expert_tensors.empty()) of_axis(Axis::edp, layer.expert_parameters());
  }

  void reduce_in_buckets(std::span<const ModelLayer> layers) {
    reduce_in_buckets(layers, Axis::dp);
    std::vector<ModelLayer> experts(layers.size());
    for (std::size_t i = 0; i < layers.size(); ++i) experts[i].tensors = layers[i].expert_tensors;
    reduce_in_buckets(experts, Axis::edp);
  }

  void reduce_in_buckets(std::span<const ModelLayer> layers, Axis axis) {
    const auto buckets = plan_buckets(layers, setup_.element_bytes, kFirstBucketBytes * setup_.scale,
                                      setup_.bucket_bytes * setup_.scale);
    for (const Bucket& bucket : buckets) add(all_reduce, axis, bucket.elements * setup_.element_bytes);
  }

  void add(std::span<const LayerStep> steps) {
    for (const LayerStep& step : steps) {
      if (step.operation) add(step.operation->operation, step.operation->axis, step.operation->bytes);
    }
  }

  void add(CollectiveOperation operation, Axis axis, std::size_t bytes) {
    if (setup_.mesh.size(axis) == 1) return;
    const TrafficOperation wanted{.operation = operation, .axis = axis, .bytes = bytes};
    const auto found = std::ranges::find(traffic_, wanted, &StepTraffic::operation);
    if (found == traffic_.end()) {
      traffic_.push_back({.operation = wanted, .count = 1});
    } else {
      ++found->count;
    }
  }

  const TrainingSetup& setup_;
  int stage_;
  std::vector<std::vector<ModelLayer>> chunks_;
  std::vector<StepTraffic> traffic_;
};

}  // namespace

Status check_setup(const TrainingSetup& setup) {
  GRIT_CHECK(check_division(*setup.model, setup.mesh, setup.chunks));
  GRIT_CHECK(check_pipeline(pipeline_shape(setup)));
  const int tensor_ranks = setup.mesh.size(Axis::tp);
  if (setup.sequence_parallel && setup.sequence % tensor_ranks != 0) {
    return usage_error(fmt::format(
        "sequence parallelism divides the {} tokens of a sequence over tp = {} ranks, which leaves a remainder: choose "
        "{} or {} tokens, or no sequence parallelism",
        setup.sequence, tensor_ranks, std::max(setup.sequence / tensor_ranks, 1) * tensor_ranks,
        (setup.sequence / tensor_ranks + 1) * tensor_ranks));
  }
  return {};
}

PipelineShape pipeline_shape(const TrainingSetup& setup) {
  return {.stages = setup.mesh.size(Axis::pp), .micro_batches = setup.micro_batches, .chunks = setup.chunks};
}

std::size_t activation_width(const TrainingSetup& setup) {
  return static_cast<std::size_t>(std::max(1.0, std::round(setup.model->hidden * setup.scale)));
}

std::size_t activation_bytes(const TrainingSetup& setup) {
  const int parts = setup.sequence_parallel ? setup.mesh.size(Axis::tp) : 1;
  return all_tokens_bytes(setup) / static_cast<std::size_t>(parts);
}

std::size_t gathered_bytes(std::int64_t parameters, int ranks, std::size_t element_bytes) {
  const std::int64_t of_one_rank = (parameters + ranks - 1) / ranks;
  return static_cast<std::size_t>(of_one_rank * ranks) * element_bytes;
}

std::vector<LayerStep> layer_steps(const TrainingSetup& setup, const ModelLayer& layer, Pass pass) {
  StepMaker maker(setup, pass);
  switch (layer.kind) {
    case LayerKind::embedding:
      embedding_steps(maker, setup, pass);
      break;
    case LayerKind::block:
      if (pass == Pass::backward) feed_forward_steps(maker, layer, pass);
      attention_steps(maker, layer);
      if (pass == Pass::forward) feed_forward_steps(maker, layer, pass);
      break;
    case LayerKind::head:
      head_steps(maker, setup, layer, pass);
      break;
  }
  return maker.take();
}

std::vector<StepTraffic> step_traffic(const TrainingSetup& setup, int stage) {
  return StepCounter(setup, stage).count();
}

double sent_bytes(std::span<const StepTraffic> traffic, const Mesh& mesh) {
  double sum = 0;
  for (const StepTraffic& each : traffic) {
    const TrafficOperation& operation = each.operation;
    if (operation.operation == receive) continue;
    sum += bus_bandwidth_factor(operation.operation, mesh.size(operation.axis)) * static_cast<double>(operation.bytes) *
           static_cast<double>(each.count);
  }
  return sum;
}

}  // namespace grit
