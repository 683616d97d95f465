// Parameters are divided over the ranks that hold the same layers, and gathered layer by layer.
#include <algorithm>
#include <array>
#include <utility>

#include "workloads/training/parameters.hpp"

namespace grit {
namespace {

constexpr std::size_t kGradientSlots = 2;
constexpr std::array kPartAxes{Axis::dp, Axis::edp};  // of a layer's two parts: dense, experts

/// What a rank keeps of one part of a layer: `count` elements of count · ranks.
struct Shard {
  std::size_t count = 0;
  std::size_t ranks = 1;
  [[nodiscard]] std::size_t whole() const { return ranks > 1 ? count * ranks : 0; }  // elements to gather
};
using LayerShards = std::array<Shard, kPartAxes.size()>;

LayerShards shards_of(const ModelLayer& layer, const Mesh& mesh) {
  const std::array parameters{layer.dense_parameters(), layer.expert_parameters()};
  LayerShards shards;
  for (std::size_t part = 0; part < shards.size(); ++part) {
    const int ranks = mesh.size(kPartAxes[part]);
    shards[part].ranks = static_cast<std::size_t>(ranks);
    shards[part].count = gathered_bytes(parameters[part], ranks, 1) / shards[part].ranks;
  }
  return shards;
}

std::size_t whole_elements(const LayerShards& shards) {
  std::size_t whole = 0;
  for (const Shard& shard : shards) whole += shard.whole();
  return whole;
}

/// Where the parameters that were gathered and the gradients lie, in elements.
struct ShardPlan {
  ShardPlan(const TrainingSettings& settings, const StageLayers& stage) : reshard(settings.setup.reshard) {
    for (const auto& chunk : stage) {
      first_layers.push_back(layers.size());
      for (const ModelLayer& layer : chunk) layers.push_back(shards_of(layer, settings.setup.mesh));
    }
    for (const LayerShards& layer : layers) {
      places.push_back(all);
      all += whole_elements(layer);
      largest = std::max(largest, whole_elements(layer));
      for (const Shard& shard : layer) held += shard.count;
    }
    gather_slots = static_cast<std::size_t>(settings.prefetch) + 1;
  }

  [[nodiscard]] std::size_t gathered() const { return reshard ? gather_slots * largest : all; }
  [[nodiscard]] std::size_t gradients() const { return kGradientSlots * largest; }

  bool reshard;
  std::vector<std::size_t> first_layers;  // by chunk
  std::vector<LayerShards> layers;        // of all chunks
  std::vector<std::size_t> places;        // of each layer among all layers' whole parameters
  std::size_t all = 0;                    // elements of all layers' whole parameters
  std::size_t largest = 0;                // of one layer's
  std::size_t held = 0;                   // of all shards
  std::size_t gather_slots = 1;
};

class ShardedParameters final : public Parameters {
 public:
  ShardedParameters(const TrainingSettings& settings, const StageLayers& stage, TrainingGroups& groups)
      : plan_(settings, stage),
        micro_batches_(settings.setup.micro_batches),
        dtype_(settings.dtype),
        element_bytes_(settings.setup.element_bytes),
        gathers_(plan_.layers.size()),
        reductions_(plan_.layers.size()),
        device_(groups.device()),
        gathered_(device_.allocate(plan_.gathered() * element_bytes_)),
        whole_gradients_(device_.allocate(plan_.gradients() * element_bytes_)),
        gradients_(device_.allocate(plan_.held * element_bytes_)),
        weights_(device_.allocate(plan_.held * sizeof(float))) {
    for (const auto* buffer : {&gathered_, &whole_gradients_, &gradients_}) groups.add_buffer(*buffer);
    for (std::size_t part = 0; part < kPartAxes.size(); ++part) groups_[part] = groups.of(kPartAxes[part]);
    for (const auto& chunk : stage) layer_counts_.push_back(chunk.size());
  }

  Status before_layer(const PipelineAction& action, std::size_t position) override {
    const bool gathers = plan_.reshard || (action.pass == Pass::forward && action.micro_batch == 0);
    if (!gathers) return {};
    const std::size_t count = layer_counts_[static_cast<std::size_t>(action.chunk)];
    if (position == 0) begun_ = 0;
    for (; begun_ < count && begun_ < position + plan_.gather_slots; ++begun_)
      GRIT_CHECK(begin_gather(layer(action, begun_), begun_));
    for (std::size_t part = 0; part < kPartAxes.size(); ++part) {
      const PendingOperation& gather = gathers_[layer(action, position)][part];
      if (gather.received == nullptr) continue;
      GRIT_CHECK(groups_[part]->finish(gather));
    }
    return {};
  }

  [[nodiscard]] bool sums_after(const PipelineAction& action, std::size_t position) const override {
    return action.pass == Pass::backward && action.micro_batch + 1 == micro_batches_ &&
           whole_elements(plan_.layers[layer(action, position)]) > 0;
  }

  Status after_layer(const PipelineAction& action, std::size_t position) override {
    if (!sums_after(action, position)) return {};
    const std::size_t index = layer(action, position);
    const std::size_t slot = reduced_++ % kGradientSlots;
    if (slots_[slot].taken) GRIT_CHECK(await(slots_[slot].layer));
    slots_[slot] = {.taken = true, .layer = index};
    std::size_t place = plan_.places[index];
    std::byte* whole = whole_gradients_.data() + slot * plan_.largest * element_bytes_;
    for (std::size_t part = 0; part < kPartAxes.size(); ++part) {
      const Shard& shard = plan_.layers[index][part];
      if (shard.whole() == 0) continue;
      std::byte* summed = gradients_.data() + shard_at(index, part) * element_bytes_;
      GRIT_TRY(reductions_[index][part], groups_[part]->reduce_scatter(whole, summed, shard.count, {place, plan_.all}));
      place += shard.whole();
      whole += shard.whole() * element_bytes_;
    }
    return {};
  }

  Status await_gradients() override {
    for (Slot& slot : slots_)
      if (std::exchange(slot.taken, false)) GRIT_CHECK(await(slot.layer));
    reduced_ = 0;
    return {};
  }

  void update() override {
    for (std::size_t index = 0; index < reductions_.size(); ++index)
      for (std::size_t part = 0; part < kPartAxes.size(); ++part)
        if (plan_.layers[index][part].whole() > 0) groups_[part]->check(reductions_[index][part]);
    device_.update(weights_.as_floats(), gradients_.data(), dtype_, plan_.held, kLearningRate);
  }

  [[nodiscard]] const DeviceBuffer& weights() const override { return weights_; }
  [[nodiscard]] std::vector<HeldAlike> held_alike() const override { return {{.count = plan_.held}}; }

 private:
  using LayerOperations = std::array<PendingOperation, kPartAxes.size()>;
  struct Slot {
    bool taken = false;
    std::size_t layer = 0;
  };

  /// Index among the layers of all chunks.
  [[nodiscard]] std::size_t layer(const PipelineAction& action, std::size_t position) const {
    const auto chunk = static_cast<std::size_t>(action.chunk);
    return plan_.first_layers[chunk] + layer_at(action.pass, layer_counts_[chunk], position);
  }

  [[nodiscard]] std::size_t shard_at(std::size_t index, std::size_t part) const {
    std::size_t at = 0;
    for (std::size_t i = 0; i < index; ++i)
      for (const Shard& shard : plan_.layers[i]) at += shard.count;
    return at + (part == 0 ? 0 : plan_.layers[index][0].count);
  }

  /// `turn`: how many were gathered before in this pass.
  Status begin_gather(std::size_t index, std::size_t turn) {
    const std::size_t place = plan_.reshard ? turn % plan_.gather_slots * plan_.largest : plan_.places[index];
    std::byte* whole = gathered_.data() + place * element_bytes_;
    for (std::size_t part = 0; part < kPartAxes.size(); ++part) {
      const Shard& shard = plan_.layers[index][part];
      if (shard.whole() == 0) continue;
      GRIT_TRY(gathers_[index][part], groups_[part]->all_gather(whole, shard.count));
      whole += shard.whole() * element_bytes_;
    }
    return {};
  }

  Status await(std::size_t index) {
    for (std::size_t part = 0; part < kPartAxes.size(); ++part)
      if (plan_.layers[index][part].whole() > 0) GRIT_CHECK(groups_[part]->wait(reductions_[index][part]));
    return {};
  }

  ShardPlan plan_;
  int micro_batches_;
  DataType dtype_;
  std::size_t element_bytes_;
  std::array<CheckedGroup*, kPartAxes.size()> groups_{};
  std::vector<std::size_t> layer_counts_;  // by chunk
  std::vector<LayerOperations> gathers_;   // by layer
  std::vector<LayerOperations> reductions_;
  std::array<Slot, kGradientSlots> slots_{};
  std::size_t begun_ = 0;    // gathers of this pass
  std::size_t reduced_ = 0;  // layers of this step
  Device& device_;
  DeviceBuffer gathered_;
  DeviceBuffer whole_gradients_;
  DeviceBuffer gradients_;
  DeviceBuffer weights_;  // of float
};

}  // namespace

std::unique_ptr<Parameters> make_sharded_parameters(const TrainingSettings& settings, const StageLayers& layers,
                                                    TrainingGroups& groups) {
  return std::make_unique<ShardedParameters>(settings, layers, groups);
}

double sharded_parameters_bytes(const TrainingSettings& settings, const StageLayers& layers) {
  const ShardPlan plan(settings, layers);
  const std::size_t weights = settings.checkpoints.every > 0 ? 2 : 1;  // copies
  const std::size_t moved_bytes = settings.buffer_copies() * settings.setup.element_bytes;
  return static_cast<double>((plan.gathered() + plan.gradients() + plan.held) * moved_bytes +
                             plan.held * weights * sizeof(float));
}

}  // namespace grit
