#include "workloads/training/layer_work.hpp"

#include <algorithm>
#include <utility>

namespace grit {
namespace {

/// Buffers of the operations over tp.
struct TensorBuffers {
  TensorBuffers(const TrainingSettings& settings, const StageLayers& layers) {
    const auto ranks = static_cast<std::size_t>(settings.setup.mesh.size(Axis::tp));
    for (const auto& chunk : layers)
      for (const ModelLayer& layer : chunk)
        for (const Pass pass : {Pass::forward, Pass::backward})
          for (const LayerStep& step : layer_steps(settings.setup, layer, pass)) {
            if (!step.operation || step.operation->axis != Axis::tp) continue;
            std::size_t& largest = step.of_loss ? loss : activations;
            largest = std::max(largest, step.operation->bytes);
            if (step.operation->operation == CollectiveOperation::reduce_scatter)
              part = std::max(part, step.operation->bytes / ranks);
          }
  }
  std::size_t activations = 0;
  std::size_t part = 0;
  std::size_t loss = 0;
};

std::size_t block_count(const StageLayers& layers) {
  std::size_t count = 0;
  for (const auto& chunk : layers)
    count += static_cast<std::size_t>(std::ranges::count(chunk, LayerKind::block, &ModelLayer::kind));
  return count;
}

}  // namespace

LayerWork::LayerWork(const TrainingSettings& settings, const StageLayers& layers, int stage, TrainingGroups& groups,
                     Compute& compute, StepAccount& account, RankDials* dials)
    : groups_(groups), compute_(compute), account_(account), element_bytes_(settings.setup.element_bytes) {
  const TrainingSetup& setup = settings.setup;
  const int blocks_of_part = setup.model->layers / (setup.mesh.size(Axis::pp) * setup.chunks);
  std::size_t place = 0;
  for (std::size_t chunk = 0; chunk < layers.size(); ++chunk) {
    int number = (static_cast<int>(chunk) * setup.mesh.size(Axis::pp) + stage) * blocks_of_part;
    std::vector<Layer>& made = chunks_.emplace_back();
    for (const ModelLayer& layer : layers[chunk]) {
      Layer& one = made.emplace_back();
      one.steps = {layer_steps(setup, layer, Pass::forward), layer_steps(setup, layer, Pass::backward)};
      if (layer.kind == LayerKind::block) one.place = place++, one.number = number++;
    }
  }
  if (groups.of(Axis::ep) != nullptr) tokens_.emplace(settings, place, groups, dials);
  const TensorBuffers needed(settings, layers);
  activations_ = groups.device().allocate(needed.activations);
  part_ = groups.device().allocate(needed.part);
  loss_ = groups.device().allocate(needed.loss);
  for (const auto* buffer : {&activations_, &part_, &loss_}) groups.add_buffer(*buffer);
}

double LayerWork::bytes(const TrainingSettings& settings, const StageLayers& layers) {
  const TensorBuffers needed(settings, layers);
  const double of_tokens =
      settings.setup.mesh.size(Axis::ep) > 1 ? TokenExchange::bytes(settings, block_count(layers)) : 0;
  return static_cast<double>((needed.activations + needed.part + needed.loss) * settings.buffer_copies()) + of_tokens;
}

Status LayerWork::run(const PipelineAction& action, std::size_t layer) {
  const Layer& one = chunks_[static_cast<std::size_t>(action.chunk)][layer];
  for (const LayerStep& step : one.steps[action.pass == Pass::forward ? 0 : 1]) {
    owed_flops_ += step.flops;
    if (step.flops_per_routed_token > 0)
      owed_flops_ +=
          step.flops_per_routed_token * static_cast<double>(tokens_->arriving(action.micro_batch, one.place));
    if (!step.operation) continue;
    GRIT_CHECK(settle());
    GRIT_CHECK(step.operation->axis == Axis::ep ? exchange_tokens(action, one) : operate(step));
  }
  return {};
}

Status LayerWork::settle() {
  if (owed_flops_ == 0) return {};
  if (compute_.is_late()) account_.work_given();
  const std::int64_t before_ns = compute_.held_up_ns();
  GRIT_CHECK(compute_.run(std::exchange(owed_flops_, 0), groups_.world()));
  account_.count_as_communication(compute_.held_up_ns() - before_ns);
  return {};
}

Status LayerWork::await() {
  if (!compute_.is_late()) return {};
  GRIT_CHECK(compute_.finish(groups_.world(), times_));
  account_.work_done(times_);
  return {};
}

Status LayerWork::operate(const LayerStep& step) {
  const TrafficOperation& operation = *step.operation;
  CheckedGroup& group = step.of_loss ? *groups_.loss() : *groups_.of(operation.axis);
  const std::size_t elements = operation.bytes / bytes_per_element(group.type());
  const std::size_t part = elements / static_cast<std::size_t>(group.size());
  if (operation.operation == CollectiveOperation::all_gather)
    return group.finish(group.all_gather(activations_.data(), part));
  if (operation.operation == CollectiveOperation::reduce_scatter)
    return group.finish(group.reduce_scatter(activations_.data(), part_.data(), part));
  GRIT_ASSERT(operation.operation == CollectiveOperation::all_reduce);
  return group.finish(group.all_reduce(step.of_loss ? loss_.data() : activations_.data(), elements));
}

/// The first of a pass goes to the experts, the second comes back.
Status LayerWork::exchange_tokens(const PipelineAction& action, const Layer& layer) {
  if (std::exchange(tokens_are_out_, !tokens_are_out_)) return tokens_->from_experts(action.micro_batch, layer.place);
  if (action.pass == Pass::forward) GRIT_CHECK(tokens_->route(step_, action.micro_batch, layer.place, layer.number));
  return tokens_->to_experts(action.micro_batch, layer.place);
}

}  // namespace grit
