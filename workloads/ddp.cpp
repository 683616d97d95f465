#include "workloads/ddp.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "harness/os/memory.hpp"
#include "workloads/buckets.hpp"
#include "workloads/checkpoints.hpp"
#include "workloads/compute_kind.hpp"
#include "workloads/data_pattern.hpp"
#include "workloads/device_input.hpp"
#include "workloads/fabric/sum.hpp"
#include "workloads/host_staging.hpp"
#include "workloads/models.hpp"
#include "workloads/planted_flip.hpp"
#include "workloads/step_account.hpp"
#include "workloads/straggle.hpp"
#include "workloads/token_source.hpp"
#include "workloads/wrong_values.hpp"

namespace grit {
namespace {

// Keeps the weights finite over any run: reduced gradients are non-negative integers.
constexpr float kLearningRate = 1e-9F;

struct Settings {
  const ModelShape* model = nullptr;
  double scale = 1;
  DataType dtype = DataType::bf16;
  double bucket_bytes = kDefaultBucketBytes;
  std::int64_t micro_batches = 1;
  bool overlap = true;
  ComputeKind compute = ComputeKind::emulated;
  double peak_flops_per_s = 0;
  bool is_fp8 = false;
  int helper_threads = 0;
  CheckpointSettings checkpoints{};
};

Result<Settings> read_settings(const Params& params) {
  Settings settings;
  const std::string model = params.text("model");
  settings.model = find_model(model);
  if (settings.model == nullptr) {
    return usage_error(
        fmt::format("unknown model \"{}\": did you mean \"{}\"?", model, nearest_name(model, model_names())));
  }
  GRIT_TRY(settings.dtype, parse_data_type(params.text("dtype")));
  settings.scale = params.number("scale");
  settings.bucket_bytes = static_cast<double>(params.integer("bucket"));
  settings.micro_batches = params.integer("micro_batches");
  settings.overlap = params.boolean("overlap");
  settings.compute = compute_kind(params.text("compute"));
  settings.peak_flops_per_s = params.number("peak");
  GRIT_TRY(settings.is_fp8, is_fp8(params, settings.compute));
  settings.helper_threads = static_cast<int>(params.integer("helper_threads"));
  settings.checkpoints = read_checkpoint_settings(params);
  if (settings.compute == ComputeKind::cuda && settings.helper_threads > 0)
    return usage_error("helper_threads: NCCL has its own where it needs some; leave them out with compute = \"cuda\"");
  return settings;
}

class Ddp final : public Workload {
 public:
  Ddp(const Settings& settings, const WorkloadContext& context, std::unique_ptr<Compute> compute,
      std::unique_ptr<TokenSource> input, std::unique_ptr<HostStaging> staging, std::span<const ModelLayer> layers,
      std::vector<Bucket> buckets, std::unique_ptr<Checkpoints> checkpoints)
      : settings_(settings),
        context_(context),
        compute_(std::move(compute)),
        input_(std::move(input)),
        buckets_(std::move(buckets)),
        parameters_(static_cast<std::size_t>(parameter_count(layers))),
        element_bytes_(bytes_per_element(settings.dtype)),
        pattern_(settings.dtype, context.communicator->group().id, context.communicator->rank(),
                 context.communicator->size()),
        reductions_(buckets_.size()),
        account_(context.phase),
        straggle_(context.dials, context.communicator->rank()),
        device_(device_for(settings.compute, context_, host_)),
        device_input_(device_, settings.model->sequence),
        gradients_(device_.allocate(parameters_ * element_bytes_)),
        staging_(std::move(staging)),
        weights_(device_.allocate(parameters_ * sizeof(float))),
        host_weights_(device_, weights_),
        checkpoints_(std::move(checkpoints)) {
    if (staging_) staging_->add({gradients_.data(), gradients_.size()});
    distribute_flops(layers);
  }

  Status step(StepRecord& record) override {
    account_.begin(record);
    has_straggled_ = false;
    for (std::int64_t micro_batch = 0; micro_batch < settings_.micro_batches; ++micro_batch) {
      GRIT_CHECK(take_batch());
      GRIT_CHECK(forward());
      const bool last = micro_batch + 1 == settings_.micro_batches;
      GRIT_CHECK(last ? backward_with_gradients() : backward());
    }
    GRIT_CHECK(await_gradients());
    check_and_update();
    GRIT_CHECK(device_.status());
    GRIT_CHECK(save_checkpoint());
    ++steps_;
    account_.end();
    return {};
  }

  Status resume() override {
    GRIT_CHECK(checkpoints_->take_up(host_weights_.read()));
    host_weights_.write_back();
    GRIT_CHECK(device_.status());
    steps_ = static_cast<std::uint64_t>(context_.checkpoint_of) + 1;
    return {};
  }

  Status finish() override { return checkpoints_->finish(); }

  [[nodiscard]] Json description() const override {
    const auto largest = std::ranges::max(buckets_, {}, &Bucket::elements).elements;
    Json described{{"model", settings_.model->name},
                   {"scale", settings_.scale},
                   {"dtype", data_type_name(settings_.dtype)},
                   {"parameters", parameters_},
                   {"gradient_bytes", parameters_ * element_bytes_},
                   {"buckets", buckets_.size()},
                   {"largest_bucket_bytes", largest * element_bytes_},
                   {"overlap", settings_.overlap},
                   {"compute", to_string(settings_.compute)},
                   {"micro_batches", settings_.micro_batches},
                   {"tokens", settings_.micro_batches * settings_.model->sequence},
                   {"helper_threads", settings_.helper_threads},
                   {"flops", static_cast<double>(settings_.micro_batches) * (forward_flops_ + backward_flops_)},
                   {"checkpoint_every", settings_.checkpoints.every},
                   {"checkpoint_mode", settings_.checkpoints.asynchronous ? "asynchronous" : "synchronous"},
                   {"checkpoint_bytes", checkpoints_->bytes()}};
    described.update(input_->description());
    describe_gpu(settings_.compute, context_, described);
    return described;
  }

 private:
  /// A micro-batch's FLOPs: of the forward pass, of the backward pass, and of its stretch that completes each bucket.
  void distribute_flops(std::span<const ModelLayer> layers) {
    const double tokens = settings_.model->sequence;
    std::size_t layer = layers.size();
    for (const Bucket& bucket : buckets_) {
      double flops = 0;
      while (layer > bucket.ready_after_layer) flops += tokens * layers[--layer].forward_flops_per_token;
      forward_flops_ += flops;
      bucket_flops_.push_back(2 * flops);
    }
    backward_flops_ = 2 * forward_flops_;
  }

  Status take_batch() {
    const InPhase phase(account_, Phase::input);
    GRIT_TRY(const std::uint64_t wrong, input_->next());
    device_input_.take(input_->tokens());
    account_.add_wrong(wrong);
    return {};
  }

  Status forward() {
    const InPhase phase(account_, Phase::forward);
    if (!std::exchange(has_straggled_, true)) straggle_.in_step(steps_);
    return work(forward_flops_);
  }

  Status work(double flops) {
    if (compute_->is_late()) account_.work_given();
    return compute_->run(flops, *context_.communicator);
  }

  Status await_work() {
    if (!compute_->is_late()) return {};
    GRIT_CHECK(compute_->finish(*context_.communicator, work_times_));
    account_.work_done(work_times_);
    return {};
  }

  /// A micro-batch that only accumulates gradients (DDP's no_sync()).
  Status backward() {
    const InPhase phase(account_, Phase::backward);
    return work(backward_flops_);
  }

  Status backward_with_gradients() {
    const InPhase phase(account_, Phase::backward);
    const std::int64_t held_up_before_ns = compute_->held_up_ns();
    pattern_.begin_step(steps_);
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      GRIT_CHECK(work(bucket_flops_[i]));
      pattern_.fill(device_, at(buckets_[i]), buckets_[i].first_element, buckets_[i].elements);
      flip_if_asked(context_.dials, device_, at(buckets_[i]), buckets_[i].first_element, buckets_[i].elements,
                    parameters_, settings_.dtype, steps_);
      stage(i);
      if (!settings_.overlap) continue;
      GRIT_CHECK(begin_reduction(i));
    }
    account_.count_as_communication(compute_->held_up_ns() - held_up_before_ns);
    return {};
  }

  /// The same thread computes and moves data; what the latter takes of its time is no own work.
  Status begin_reduction(std::size_t index) {
    const InPhase phase(account_, Phase::exposed_comm);
    if (index == 0) account_.gradients_begin();
    std::byte* gradients = at(buckets_[index]);
    if (staging_) gradients = staging_->network_side(gradients);
    GRIT_TRY(reductions_[index],
             context_.communicator->all_reduce(gradients, gradients, buckets_[index].elements, settings_.dtype));
    return {};
  }

  Status await_gradients() {
    const InPhase phase(account_, Phase::exposed_comm);
    for (std::size_t i = 0; i < buckets_.size() && !settings_.overlap; ++i) GRIT_CHECK(begin_reduction(i));
    GRIT_CHECK(context_.communicator->wait_all());
    account_.gradients_end();
    return await_work();
  }

  /// To the network's side, before its reduction begins.
  void stage(std::size_t index) {
    if (staging_) staging_->to_network(at(buckets_[index]), buckets_[index].elements * element_bytes_);
  }

  void check_and_update() {
    const InPhase phase(account_, Phase::optimizer);
    if (staging_) staging_->from_network(gradients_.data(), gradients_.size());
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      const Bucket& bucket = buckets_[i];
      const WrongValuesFound wrong = pattern_.check(device_, at(bucket), bucket.first_element, bucket.elements);
      context_.communicator->add_wrong(reductions_[i], wrong.count);
      account_.add_wrong(wrong.count);
      report_wrong_sum(context_, {CollectiveOperation::all_reduce, reductions_[i], account_.block()}, pattern_,
                       wrong.first);
      device_.update(weights_.as_floats() + bucket.first_element, at(bucket), settings_.dtype, bucket.elements,
                     kLearningRate);
    }
  }

  Status save_checkpoint() {
    if (!checkpoints_->are_due_after(steps_)) return {};
    const InPhase phase(account_, Phase::checkpoint);
    const std::span<float> weights = host_weights_.read();
    GRIT_CHECK(device_.status());  // nothing that could not be read is saved
    return checkpoints_->save(steps_, weights);
  }

  [[nodiscard]] std::byte* at(const Bucket& bucket) {
    return gradients_.data() + bucket.first_element * element_bytes_;
  }

  Settings settings_;
  WorkloadContext context_;
  std::unique_ptr<Compute> compute_;
  std::unique_ptr<TokenSource> input_;
  std::vector<Bucket> buckets_;
  std::vector<double> bucket_flops_;
  std::vector<WorkTime> work_times_;
  double forward_flops_ = 0;
  double backward_flops_ = 0;
  std::size_t parameters_;
  std::size_t element_bytes_;
  SumPattern pattern_;
  std::vector<OperationHandle> reductions_;  // by bucket, of this step
  StepAccount account_;
  Straggle straggle_;
  HostDevice host_;
  Device& device_;
  DeviceInput device_input_;
  DeviceBuffer gradients_;                // in the order of buckets
  std::unique_ptr<HostStaging> staging_;  // none: collectives read and write the gradients where they are
  DeviceBuffer weights_;                  // of float
  HostView host_weights_;
  std::unique_ptr<Checkpoints> checkpoints_;
  std::uint64_t steps_ = 0;
  bool has_straggled_ = false;  // in this step
};

/// Of a rank.
double flops_of_step(const Settings& settings, std::span<const ModelLayer> layers) {
  double forward = 0;
  for (const ModelLayer& layer : layers) forward += layer.forward_flops_per_token * settings.model->sequence;
  return 3 * forward * static_cast<double>(settings.micro_batches);
}

/// Allocating more than there is would bring the kernel's OOM killer upon some other process.
Status check_memory(const Settings& settings, const WorkloadContext& context, std::span<const ModelLayer> layers) {
  const int ranks = context.ranks_sharing_memory;
  const std::size_t weights = context.checkpoint_of < 0 ? 1 : 2;      // copies, while they are read back
  const std::size_t gradients = settings.helper_threads > 0 ? 2 : 1;  // copies
  const auto parameters = static_cast<std::size_t>(parameter_count(layers));
  const auto all_ranks = static_cast<std::size_t>(context.communicator->size());
  const std::size_t saved = settings.checkpoints.every > 0 ? largest_share(parameters, all_ranks) : 0;
  const auto needed_bytes = static_cast<double>(
      parameters * (gradients * bytes_per_element(settings.dtype) + weights * sizeof(float)) + saved * sizeof(float));
  if (settings.compute == ComputeKind::cuda)
    return check_gpu_memory(needed_bytes, flops_of_step(settings, layers), context);
  GRIT_TRY(const Memory memory, read_memory());
  const auto available_bytes = static_cast<double>(memory.available_bytes);
  if (needed_bytes * ranks < available_bytes) return {};
  return usage_error(fmt::format(
      "{} at scale {} needs {:.1f} GB of memory per rank, and {} rank(s) here share {:.1f} GB that are available (to "
      "the machine, or to the job by the limits of its control groups); choose a smaller scale or fewer ranks a node",
      settings.model->name, settings.scale, needed_bytes / 1e9, ranks, available_bytes / 1e9));
}

std::vector<ParamSpec> ddp_params() {
  const auto count = [](const char* name, int default_value, int min, const char* help) {
    return ParamSpec{.name = name, .unit = Unit::count, .default_value = default_value, .help = help, .min = min};
  };
  const auto choice = [](const char* name, const char* default_value, const char* help,
                         std::vector<std::string> choices) {
    return ParamSpec{
        .name = name, .unit = Unit::text, .default_value = default_value, .help = help, .choices = std::move(choices)};
  };
  std::vector<ParamSpec> params{
      choice("model", "gpt2-small", "the published model whose layers are trained", model_names()),
      {.name = "scale",
       .unit = Unit::number,
       .default_value = 0.02,
       .help =
           "the share of every layer's parameters and FLOPs that is kept; buckets shrink alike, so that a step has the "
           "model's own number of collectives",
       .min = 1e-6,
       .max = 1.0},
      choice("dtype", "bf16", "the type in which gradients are moved and summed", {"fp32", "bf16", "fp16"}),
      {.name = "bucket",
       .unit = Unit::bytes,
       .default_value = static_cast<std::int64_t>(kDefaultBucketBytes),
       .help = "gradients put into one all-reduce, at scale 1 (bucket_cap_mb of PyTorch's DistributedDataParallel; the "
               "first "
               "bucket of a step is at most 1MiB)",
       .min = 1},
      count("micro_batches", 1, 1, "sequences a rank works on in a step; gradients are reduced with the last one"),
      {.name = "overlap",
       .unit = Unit::boolean,
       .default_value = true,
       .help = "start a bucket's all-reduce as soon as it is full, while backward goes on"},
  };
  std::ranges::move(compute_params(), std::back_inserter(params));
  std::ranges::move(checkpoint_params(), std::back_inserter(params));
  params.push_back(helper_threads_param());
  std::ranges::move(token_source_params(), std::back_inserter(params));
  return params;
}

}  // namespace

WorkloadInfo ddp_info() {
  return {.name = "ddp",
          .summary = "synchronous data-parallel training: gradient buckets are all-reduced while backward goes on",
          .params = ddp_params(),
          .axes = {Axis::dp}};
}

Result<std::unique_ptr<Workload>> make_ddp(const Params& params, const WorkloadContext& context) {
  GRIT_ASSERT(context.communicator != nullptr && context.accelerator_clock != nullptr);
  try {
    GRIT_TRY(const Settings settings, read_settings(params));
    const std::vector<ModelLayer> layers = model_layers(*settings.model, settings.scale);
    GRIT_CHECK(check_memory(settings, context, layers));
    std::vector<HeldAlike> weights{{static_cast<std::size_t>(parameter_count(layers)), context.communicator}};
    GRIT_TRY(auto checkpoints, Checkpoints::make(settings.checkpoints, context, std::move(weights)));
    GRIT_TRY(auto input, make_token_source(params, context,
                                           {.vocabulary = settings.model->vocabulary,
                                            .sequence = settings.model->sequence,
                                            .sample = context.communicator->rank(),
                                            .first_batch = (context.checkpoint_of + 1) * settings.micro_batches}));
    std::unique_ptr<HostStaging> staging;
    if (settings.helper_threads > 0) {
      GRIT_TRY(staging, HostStaging::make(settings.helper_threads));
    }
    auto buckets = plan_buckets(layers, bytes_per_element(settings.dtype), kFirstBucketBytes * settings.scale,
                                settings.bucket_bytes * settings.scale);
    GRIT_TRY(auto compute,
             make_compute(settings.compute,
                          {settings.dtype, flops_of_step(settings, layers), settings.peak_flops_per_s, settings.is_fp8},
                          context));
    return std::make_unique<Ddp>(settings, context, std::move(compute), std::move(input), std::move(staging), layers,
                                 std::move(buckets), std::move(checkpoints));
  } catch (const std::bad_alloc&) {
    return unavailable_error("not enough memory for the workload; choose a smaller scale or model");
  }
}

}  // namespace grit
