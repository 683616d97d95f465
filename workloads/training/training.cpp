#include "workloads/training/training.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "harness/os/memory.hpp"
#include "workloads/checkpoints.hpp"
#include "workloads/device_input.hpp"
#include "workloads/host_staging.hpp"
#include "workloads/layer_split.hpp"
#include "workloads/straggle.hpp"
#include "workloads/token_source.hpp"
#include "workloads/training/layer_work.hpp"
#include "workloads/training/stage_exchange.hpp"

namespace grit {
namespace {

Mesh mesh_of(const GroupCommunicators& groups) {
  AxisValues sizes;
  for (const Axis axis : {Axis::dp, Axis::tp, Axis::pp, Axis::ep}) sizes[axis] = groups.of(axis).size();
  auto mesh = Mesh::over(sizes, groups.world().size());
  GRIT_ASSERT(mesh);
  return *mesh;
}

/// What of the job one rank has.
struct Place {
  StageLayers layers;
  int stage = 0;
};

/// The embedding needs the tokens, and the loss those that it should have predicted.
bool reads_input(const PipelineAction& action) {
  return action.pass == Pass::forward && (action.receive_from < 0 || action.send_to < 0);
}

class Training final : public Workload {
 public:
  Training(const TrainingSettings& settings, const WorkloadContext& context, std::unique_ptr<Compute> compute,
           std::unique_ptr<TokenSource> input, std::unique_ptr<HostStaging> staging, const Place& place)
      : settings_(settings),
        context_(context),
        account_(context.phase),
        compute_(std::move(compute)),
        input_(std::move(input)),
        staging_(std::move(staging)),
        device_(device_for(settings.compute, context_, host_)),
        device_input_(device_, settings.setup.sequence),
        groups_(context_, device_, settings.dtype, account_, staging_.get()),
        parameters_(settings.setup.sharded ? make_sharded_parameters(settings, place.layers, groups_)
                                           : make_replicated_parameters(settings, place.layers, groups_)),
        weights_(device_, parameters_->weights()),
        work_(settings, place.layers, place.stage, groups_, *compute_, account_, context.dials),
        exchange_(settings, pipeline_schedule(pipeline_shape(settings.setup), place.stage), groups_.of(Axis::pp)),
        straggle_(context.dials, groups_.world().rank()) {
    for (const auto& chunk : place.layers) layer_counts_.push_back(chunk.size());
  }

  /// Before anything else.
  Status open_checkpoints() {
    GRIT_TRY(checkpoints_, Checkpoints::make(settings_.checkpoints, context_, parameters_->held_alike()));
    return {};
  }

  Status step(StepRecord& record) override {
    account_.begin(record);
    groups_.begin_step(steps_);
    work_.begin_step(steps_);
    has_straggled_ = false;
    GRIT_CHECK(exchange_.begin_step());
    const auto action_groups = exchange_.groups();
    for (std::size_t i = 0; i < action_groups.size(); ++i) {
      const auto actions = exchange_.actions(action_groups[i]);
      const InPhase phase(account_, phase_of(actions.front()));
      GRIT_CHECK(exchange_.await_inputs(action_groups[i]));
      for (const PipelineAction& action : actions) GRIT_CHECK(act(action));
      GRIT_CHECK(exchange_.after(i));
    }
    GRIT_CHECK(end_communication());
    update();
    GRIT_CHECK(device_.status());
    GRIT_CHECK(save_checkpoint());
    ++steps_;
    account_.end();
    return {};
  }

  Status resume() override {
    GRIT_CHECK(checkpoints_->take_up(weights_.read()));
    weights_.write_back();
    GRIT_CHECK(device_.status());
    steps_ = static_cast<std::uint64_t>(context_.checkpoint_of) + 1;
    return {};
  }

  Status finish() override { return checkpoints_->finish(); }

  [[nodiscard]] Json description() const override {
    Json described = training_description(settings_);
    describe_gpu(settings_.compute, context_, described);
    return described;
  }

 private:
  static Phase phase_of(const PipelineAction& action) {
    return action.pass == Pass::forward ? Phase::forward : Phase::backward;
  }

  Status act(const PipelineAction& action) {
    GRIT_CHECK(read_input(action));
    const InPhase phase(account_, phase_of(action));
    if (action.pass == Pass::forward && !std::exchange(has_straggled_, true)) straggle_.in_step(steps_);
    const std::size_t layers = layer_counts_[static_cast<std::size_t>(action.chunk)];
    for (std::size_t position = 0; position < layers; ++position) {
      GRIT_CHECK(parameters_->before_layer(action, position));
      GRIT_CHECK(work_.run(action, layer_at(action.pass, layers, position)));
      if (!parameters_->sums_after(action, position)) continue;
      GRIT_CHECK(work_.settle());
      if (!std::exchange(has_summed_, true)) account_.gradients_begin();
      GRIT_CHECK(parameters_->after_layer(action, position));
    }
    return work_.settle();
  }

  Status read_input(const PipelineAction& action) {
    if (!reads_input(action)) return {};
    const InPhase phase(account_, Phase::input);
    GRIT_TRY(const std::uint64_t wrong, input_->next());
    device_input_.take(input_->tokens());
    account_.add_wrong(wrong);
    return {};
  }

  Status end_communication() {
    const InPhase phase(account_, Phase::exposed_comm);
    GRIT_CHECK(exchange_.end_step());
    GRIT_CHECK(parameters_->await_gradients());
    if (std::exchange(has_summed_, false)) account_.gradients_end();
    return work_.await();
  }

  void update() {
    const InPhase phase(account_, Phase::optimizer);
    parameters_->update();
  }

  Status save_checkpoint() {
    if (!checkpoints_->are_due_after(steps_)) return {};
    const InPhase phase(account_, Phase::checkpoint);
    const std::span<float> weights = weights_.read();
    GRIT_CHECK(device_.status());  // nothing that could not be read is saved
    return checkpoints_->save(steps_, weights);
  }

  TrainingSettings settings_;
  WorkloadContext context_;
  StepAccount account_;
  std::unique_ptr<Compute> compute_;
  std::unique_ptr<TokenSource> input_;
  std::unique_ptr<HostStaging> staging_;  // none: operations read and write the buffers where they are
  HostDevice host_;
  Device& device_;
  DeviceInput device_input_;
  TrainingGroups groups_;
  std::unique_ptr<Parameters> parameters_;
  HostView weights_;
  LayerWork work_;
  StageExchange exchange_;
  Straggle straggle_;
  std::unique_ptr<Checkpoints> checkpoints_;
  std::vector<std::size_t> layer_counts_;  // by chunk
  std::uint64_t steps_ = 0;
  bool has_straggled_ = false;  // in this step
  bool has_summed_ = false;     // a sum of gradients was begun in this step
};

/// Allocating more than there is would bring the kernel's OOM killer upon some other process.
Status check_memory(const TrainingSettings& settings, const WorkloadContext& context, const StageLayers& layers) {
  if (settings.compute == ComputeKind::cuda)
    return check_gpu_memory(training_memory_bytes(settings, layers), step_flops(settings.setup, layers), context);
  const int ranks = context.ranks_sharing_memory;
  double needed = training_memory_bytes(settings, layers);
  if (context.checkpoint_of >= 0 && !settings.setup.sharded) {  // weights that several have, while they are read back
    for (const auto& chunk : layers)
      needed += static_cast<double>(parameter_count(chunk) * std::int64_t{sizeof(float)});
  }
  GRIT_TRY(const Memory memory, read_memory());
  if (needed * ranks < static_cast<double>(memory.available_bytes)) return {};
  return usage_error(fmt::format(
      "{} at scale {} needs {:.0f} bytes ({:.1f} GB) of memory on a rank of this pipeline stage, and {} rank(s) here "
      "share {} bytes ({:.1f} GB) that are available (to the machine, or to the job by the limits of its control "
      "groups); choose a smaller scale or sequence, fewer ranks a node, or a mesh that divides the model further",
      settings.setup.model->name, settings.setup.scale, needed, needed / 1e9, ranks, memory.available_bytes,
      static_cast<double>(memory.available_bytes) / 1e9));
}

}  // namespace

double training_memory_bytes(const TrainingSettings& settings, const StageLayers& layers) {
  const double parameters = settings.setup.sharded ? sharded_parameters_bytes(settings, layers)
                                                   : replicated_parameters_bytes(settings, layers);
  return parameters + LayerWork::bytes(settings, layers) + StageExchange::bytes(settings);
}

Result<std::unique_ptr<Workload>> make_training(const Json& given, const WorkloadContext& context) {
  GRIT_ASSERT(context.groups != nullptr && context.accelerator_clock != nullptr);
  try {
    GRIT_TRY(const TrainingSettings settings, read_training_settings(given, mesh_of(*context.groups)));
    const TrainingSetup& setup = settings.setup;
    Place place;
    place.stage = context.groups->of(Axis::pp).rank();
    place.layers = layers_of_stage(*setup.model, setup.scale, setup.mesh, setup.chunks, place.stage);
    GRIT_CHECK(check_memory(settings, context, place.layers));
    std::unique_ptr<TokenSource> input;
    const auto batches_of_step =
        std::ranges::count_if(pipeline_schedule(pipeline_shape(setup), place.stage), reads_input);
    if (batches_of_step > 0) {
      GRIT_TRY(input, make_token_source(Params(given), context,
                                        {.vocabulary = setup.model->vocabulary,
                                         .sequence = setup.sequence,
                                         .sample = context.groups->of(Axis::dp).rank(),
                                         .first_batch = (context.checkpoint_of + 1) * batches_of_step}));
    }
    GRIT_TRY(auto compute,
             make_compute(settings.compute,
                          {settings.dtype, step_flops(setup, place.layers), settings.peak_flops_per_s, settings.is_fp8},
                          context));
    std::unique_ptr<HostStaging> staging;
    if (settings.helper_threads > 0) {
      GRIT_TRY(staging, HostStaging::make(settings.helper_threads));
    }
    auto training =
        std::make_unique<Training>(settings, context, std::move(compute), std::move(input), std::move(staging), place);
    GRIT_CHECK(training->open_checkpoints());
    return training;
  } catch (const std::bad_alloc&) {
    return unavailable_error("not enough memory for the workload; choose a smaller scale or model");
  }
}

}  // namespace grit
