// Every rank has all parameters of its layers: gradients are all-reduced in buckets.
#include <algorithm>
#include <utility>

#include "workloads/buckets.hpp"
#include "workloads/training/parameters.hpp"

namespace grit {
namespace {

struct Reduction {
  CheckedGroup* group = nullptr;  // nullptr: one rank alone has these parameters, and there is nothing to sum
  Bucket bucket{};                // first_element is that in the rank's gradients
  std::size_t first_summed = 0;   // and among those that are summed in a step
  PendingOperation pending{};
};

std::size_t element_count(const StageLayers& layers) {
  std::int64_t count = 0;
  for (const auto& chunk : layers) count += parameter_count(chunk);
  return static_cast<std::size_t>(count);
}

/// Weights that one rank saves.
std::size_t saved_count(const Mesh& mesh, const StageLayers& layers) {
  std::size_t saved = 0;
  for (const auto& chunk : layers) {
    std::int64_t dense = 0, experts = 0;
    for (const ModelLayer& layer : chunk) dense += layer.dense_parameters(), experts += layer.expert_parameters();
    saved += largest_share(static_cast<std::size_t>(dense), static_cast<std::size_t>(mesh.size(Axis::dp))) +
             largest_share(static_cast<std::size_t>(experts), static_cast<std::size_t>(mesh.size(Axis::edp)));
  }
  return saved;
}

class ReplicatedParameters final : public Parameters {
 public:
  ReplicatedParameters(const TrainingSettings& settings, const StageLayers& layers, TrainingGroups& groups)
      : micro_batches_(settings.setup.micro_batches),
        dtype_(settings.dtype),
        element_bytes_(settings.setup.element_bytes),
        device_(groups.device()),
        gradients_(device_.allocate(element_count(layers) * element_bytes_)),
        weights_(device_.allocate(element_count(layers) * sizeof(float))) {
    groups.add_buffer(gradients_);
    std::size_t first_element = 0;
    for (const auto& chunk : layers) {
      std::vector<Reduction>& reductions = chunks_.emplace_back();
      layer_counts_.push_back(chunk.size());
      add(settings.setup, chunk, groups.of(Axis::dp), first_element, reductions);
      std::vector<ModelLayer> experts(chunk.size());
      for (std::size_t i = 0; i < chunk.size(); ++i) experts[i].tensors = chunk[i].expert_tensors;
      add(settings.setup, experts, groups.of(Axis::edp), first_element, reductions);
    }
  }

  Status before_layer(const PipelineAction&, std::size_t) override { return {}; }

  [[nodiscard]] bool sums_after(const PipelineAction& action, std::size_t position) const override {
    if (!completes_gradients(action)) return false;
    return std::ranges::any_of(reductions(action), [&](const Reduction& one) {
      return one.group != nullptr && one.bucket.ready_after_layer == layer(action, position);
    });
  }

  Status after_layer(const PipelineAction& action, std::size_t position) override {
    if (!completes_gradients(action)) return {};
    for (Reduction& one : chunks_[static_cast<std::size_t>(action.chunk)]) {
      if (one.group == nullptr || one.bucket.ready_after_layer != layer(action, position)) continue;
      GRIT_TRY(one.pending, one.group->all_reduce(at(one.bucket), one.bucket.elements, {one.first_summed, summed_}));
    }
    return {};
  }

  Status await_gradients() override {
    for (auto& chunk : chunks_)
      for (const Reduction& one : chunk)
        if (one.group != nullptr) GRIT_CHECK(one.group->wait(one.pending));
    return {};
  }

  void update() override {
    for (auto& chunk : chunks_) {
      for (const Reduction& one : chunk) {
        if (one.group != nullptr) one.group->check(one.pending);
        device_.update(weights_.as_floats() + one.bucket.first_element, at(one.bucket), dtype_, one.bucket.elements,
                       kLearningRate);
      }
    }
  }

  [[nodiscard]] const DeviceBuffer& weights() const override { return weights_; }
  [[nodiscard]] std::vector<HeldAlike> held_alike() const override { return held_alike_; }

 private:
  void add(const TrainingSetup& setup, std::span<const ModelLayer> layers, CheckedGroup* group,
           std::size_t& first_element, std::vector<Reduction>& reductions) {
    const std::size_t first = first_element;
    auto buckets =
        plan_buckets(layers, setup.element_bytes, kFirstBucketBytes * setup.scale, setup.bucket_bytes * setup.scale);
    for (Bucket& bucket : buckets) {
      bucket.first_element = std::exchange(first_element, first_element + bucket.elements);
      reductions.push_back({.group = group, .bucket = bucket, .first_summed = summed_});
      if (group != nullptr) summed_ += bucket.elements;
    }
    held_alike_.push_back({first_element - first, group != nullptr ? &group->communicator() : nullptr});
  }

  [[nodiscard]] bool completes_gradients(const PipelineAction& action) const {
    return action.pass == Pass::backward && action.micro_batch + 1 == micro_batches_;
  }
  [[nodiscard]] const std::vector<Reduction>& reductions(const PipelineAction& action) const {
    return chunks_[static_cast<std::size_t>(action.chunk)];
  }
  [[nodiscard]] std::size_t layer(const PipelineAction& action, std::size_t position) const {
    return layer_at(action.pass, layer_counts_[static_cast<std::size_t>(action.chunk)], position);
  }
  [[nodiscard]] std::byte* at(const Bucket& bucket) {
    return gradients_.data() + bucket.first_element * element_bytes_;
  }

  int micro_batches_;
  DataType dtype_;
  std::size_t element_bytes_;
  std::vector<std::size_t> layer_counts_;       // by chunk
  std::vector<std::vector<Reduction>> chunks_;  // of each the dense ones in the order of readiness, then the experts'
  Device& device_;
  DeviceBuffer gradients_;
  DeviceBuffer weights_;               // of float
  std::vector<HeldAlike> held_alike_;  // of each chunk the dense ones, then the experts'
  std::size_t summed_ = 0;             // gradients that are summed in a step
};

}  // namespace

std::unique_ptr<Parameters> make_replicated_parameters(const TrainingSettings& settings, const StageLayers& layers,
                                                       TrainingGroups& groups) {
  return std::make_unique<ReplicatedParameters>(settings, layers, groups);
}

double replicated_parameters_bytes(const TrainingSettings& settings, const StageLayers& layers) {
  const std::size_t saved = settings.checkpoints.every > 0 ? saved_count(settings.setup.mesh, layers) : 0;
  const std::size_t gradient_bytes = settings.buffer_copies() * settings.setup.element_bytes;
  return static_cast<double>(element_count(layers) * (gradient_bytes + sizeof(float)) + saved * sizeof(float));
}

}  // namespace grit
