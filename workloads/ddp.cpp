#include "workloads/ddp.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>
#include <random>

#include "harness/base/clock.hpp"
#include "harness/os/memory.hpp"
#include "workloads/buckets.hpp"
#include "workloads/checkpoint.hpp"
#include "workloads/data_pattern.hpp"
#include "workloads/fabric/sum.hpp"
#include "workloads/models.hpp"
#include "workloads/sgd.hpp"
#include "workloads/token_batch.hpp"

namespace grit {
namespace {

// The votes are three elements of one bucket and the majority counts, so that one flipped bit cannot make ranks
// disagree on whether a block has ended.
constexpr std::size_t kVoteElements = 3;

// Keeps the weights finite over any run: reduced gradients are non-negative integers.
constexpr float kLearningRate = 1e-9F;

// State of a model under mixed-precision Adam: 16-bit weights, and in fp32 the weights and two moments
// (Rajbhandari et al. 2020, "ZeRO", arXiv:1910.02054, §3.1).
constexpr std::int64_t kCheckpointBytesPerParameter = 2 + 3 * 4;

struct Settings {
  const ModelShape* model = nullptr;
  double scale = 1;
  DataType dtype = DataType::bf16;
  double bucket_bytes = kDefaultBucketBytes;
  std::int64_t micro_batches = 1;
  bool overlap = true;
  bool emulated = true;
  double peak_flops_per_s = 0;
  std::int64_t checkpoint_every = 0;
  std::int64_t checkpoint_bytes = 0;
};

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const ModelShape& shape : model_shapes()) names.emplace_back(shape.name);
  return names;
}

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
  settings.emulated = params.text("compute") == "emulated";
  settings.peak_flops_per_s = params.number("peak");
  settings.checkpoint_every = params.integer("checkpoint_every");
  settings.checkpoint_bytes = params.integer("checkpoint");
  return settings;
}

/// Says what a rank does from construction to destruction, and adds the time in between to a total.
class PhaseTimer {
 public:
  PhaseTimer(PhaseSink sink, Phase phase, std::int64_t& total_ns) : total_ns_(total_ns), start_ns_(monotonic_ns()) {
    sink.enter(phase);
  }
  PhaseTimer(const PhaseTimer&) = delete;
  PhaseTimer& operator=(const PhaseTimer&) = delete;
  ~PhaseTimer() { total_ns_ += monotonic_ns() - start_ns_; }

 private:
  std::int64_t& total_ns_;
  std::int64_t start_ns_;
};

class Ddp final : public Workload {
 public:
  Ddp(const Settings& settings, const WorkloadContext& context, std::unique_ptr<Compute> compute,
      std::span<const ModelLayer> layers, std::vector<Bucket> buckets, std::optional<CheckpointFile> checkpoint)
      : settings_(settings),
        context_(context),
        compute_(std::move(compute)),
        buckets_(std::move(buckets)),
        parameters_(static_cast<std::size_t>(parameter_count(layers))),
        element_bytes_(bytes_per_element(settings.dtype)),
        pattern_(settings.dtype, context.communicator->group().id, context.communicator->rank(),
                 context.communicator->size()),
        reductions_(buckets_.size()),
        batch_(settings.model->vocabulary, settings.model->sequence, context.communicator->rank()),
        gradients_((parameters_ + kVoteElements) * element_bytes_),
        weights_(parameters_),
        checkpoint_(std::move(checkpoint)) {
    distribute_flops(layers);
  }

  Result<bool> step(bool vote_end, StepRecord& record) override {
    reset(record);
    for (std::int64_t micro_batch = 0; micro_batch < settings_.micro_batches; ++micro_batch) {
      make_batch(record);
      GRIT_CHECK(forward(record));
      const bool last = micro_batch + 1 == settings_.micro_batches;
      GRIT_CHECK(last ? backward_with_gradients(vote_end, record) : backward(record));
    }
    GRIT_CHECK(await_gradients(record));
    const bool ended = check_and_update(record);
    GRIT_CHECK(save_checkpoint(record));
    context_.phase.enter(Phase::idle);
    ++steps_;
    record.end_ns = monotonic_ns();
    return ended;
  }

  [[nodiscard]] Json description() const override {
    const auto largest = std::ranges::max(buckets_, {}, &Bucket::elements).elements;
    return Json{{"model", settings_.model->name},
                {"scale", settings_.scale},
                {"dtype", data_type_name(settings_.dtype)},
                {"parameters", parameters_},
                {"gradient_bytes", parameters_ * element_bytes_},
                {"buckets", buckets_.size()},
                {"largest_bucket_bytes", largest * element_bytes_},
                {"overlap", settings_.overlap},
                {"compute", settings_.emulated ? "emulated" : "cpu"},
                {"micro_batches", settings_.micro_batches},
                {"tokens", settings_.micro_batches * settings_.model->sequence},
                {"flops", static_cast<double>(settings_.micro_batches) * (forward_flops_ + backward_flops_)},
                {"checkpoint_every", settings_.checkpoint_every},
                {"checkpoint_bytes", checkpoint_ ? settings_.checkpoint_bytes : 0}};
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

  static void reset(StepRecord& record) {
    record.corrupted = 0;
    record.input_ns = record.forward_ns = record.backward_ns = record.exposed_comm_ns = 0;
    record.optimizer_ns = record.checkpoint_ns = 0;
    record.start_ns = monotonic_ns();
  }

  void make_batch(StepRecord& record) {
    const PhaseTimer timer(context_.phase, Phase::input, record.input_ns);
    batch_.draw();
  }

  Status forward(StepRecord& record) {
    const PhaseTimer timer(context_.phase, Phase::forward, record.forward_ns);
    if (context_.dials != nullptr && record.forward_ns == 0) straggle(*context_.dials);
    return compute_->run(forward_flops_, *context_.communicator);
  }

  /// The fault rank_delay; without it two loads.
  void straggle(RankDials& dials) {
    const std::int64_t fixed_ns = dials.delay_ns.load(std::memory_order_relaxed);
    const std::int64_t jitter_ns = dials.delay_jitter_ns.load(std::memory_order_relaxed);
    if (fixed_ns == 0 && jitter_ns == 0) return;
    const auto every = static_cast<std::uint64_t>(std::max<std::int64_t>(dials.delay_every.load(), 1));
    if (steps_ % every != 0) return;
    const std::int64_t delay_ns = fixed_ns + static_cast<std::int64_t>(uniform() * static_cast<double>(jitter_ns));
    const std::int64_t until_ns = monotonic_ns() + delay_ns;
    const timespec until{.tv_sec = until_ns / kNsPerS, .tv_nsec = until_ns % kNsPerS};
    while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
    dials.delayed_steps.fetch_add(1, std::memory_order_relaxed);
    dials.delayed_ns.fetch_add(delay_ns, std::memory_order_relaxed);
  }

  /// A micro-batch that only accumulates gradients (DDP's no_sync()).
  Status backward(StepRecord& record) {
    const PhaseTimer timer(context_.phase, Phase::backward, record.backward_ns);
    return compute_->run(backward_flops_, *context_.communicator);
  }

  Status backward_with_gradients(bool vote_end, StepRecord& record) {
    const PhaseTimer timer(context_.phase, Phase::backward, record.backward_ns);
    const std::int64_t held_up_before_ns = compute_->held_up_ns();
    std::int64_t beginning_ns = 0;
    pattern_.begin_step(steps_);
    for (std::size_t i = 0; i < kVoteElements; ++i) {
      store_element(gradients_.data(), parameters_ + i, settings_.dtype, vote_end ? 1.0F : 0.0F);
    }
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      GRIT_CHECK(compute_->run(bucket_flops_[i], *context_.communicator));
      pattern_.fill(at(buckets_[i]), buckets_[i].first_element, buckets_[i].elements);
      if (!settings_.overlap) continue;
      const std::int64_t begin_ns = monotonic_ns();
      GRIT_CHECK(begin_reduction(i, record));
      beginning_ns += monotonic_ns() - begin_ns;
    }
    // The same thread computes and moves data; what the latter took of its time is no own work.
    const std::int64_t communication_ns = beginning_ns + compute_->held_up_ns() - held_up_before_ns;
    record.backward_ns -= communication_ns;
    record.exposed_comm_ns += communication_ns;
    return {};
  }

  Status begin_reduction(std::size_t index, StepRecord& record) {
    if (index == 0) record.collective_entry_ns = monotonic_ns();
    const bool last = index + 1 == buckets_.size();
    std::byte* gradients = at(buckets_[index]);
    GRIT_TRY(reductions_[index],
             context_.communicator->all_reduce(gradients, gradients,
                                               buckets_[index].elements + (last ? kVoteElements : 0), settings_.dtype));
    return {};
  }

  Status await_gradients(StepRecord& record) {
    const PhaseTimer timer(context_.phase, Phase::exposed_comm, record.exposed_comm_ns);
    for (std::size_t i = 0; i < buckets_.size() && !settings_.overlap; ++i) GRIT_CHECK(begin_reduction(i, record));
    GRIT_CHECK(context_.communicator->wait_all());
    record.collective_exit_ns = monotonic_ns();
    return {};
  }

  /// Returns whether any rank voted to end the block.
  bool check_and_update(StepRecord& record) {
    const PhaseTimer timer(context_.phase, Phase::optimizer, record.optimizer_ns);
    std::uint64_t wrong = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i) {
      const Bucket& bucket = buckets_[i];
      const std::uint64_t wrong_here = pattern_.count_wrong(at(bucket), bucket.first_element, bucket.elements);
      context_.communicator->add_wrong(reductions_[i], wrong_here);
      wrong += wrong_here;
      sgd_update(std::span(weights_).subspan(bucket.first_element, bucket.elements), at(bucket), settings_.dtype,
                 kLearningRate);
    }
    std::size_t votes = 0;
    for (std::size_t i = 0; i < kVoteElements; ++i) {
      votes += load_element(gradients_.data(), parameters_ + i, settings_.dtype) != 0.0F ? 1U : 0U;
    }
    const std::size_t wrong_votes = std::min(votes, kVoteElements - votes);
    context_.communicator->add_wrong(reductions_.back(), wrong_votes);
    wrong += wrong_votes;
    record.corrupted =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(wrong, std::numeric_limits<std::uint32_t>::max()));
    return 2 * votes > kVoteElements;
  }

  Status save_checkpoint(StepRecord& record) {
    if (!checkpoint_ || (steps_ + 1) % static_cast<std::uint64_t>(settings_.checkpoint_every) != 0) return {};
    const PhaseTimer timer(context_.phase, Phase::checkpoint, record.checkpoint_ns);
    return checkpoint_->write(std::as_bytes(std::span(weights_)));
  }

  [[nodiscard]] std::byte* at(const Bucket& bucket) {
    return gradients_.data() + bucket.first_element * element_bytes_;
  }

  Settings settings_;
  WorkloadContext context_;
  std::unique_ptr<Compute> compute_;
  std::vector<Bucket> buckets_;
  std::vector<double> bucket_flops_;
  double forward_flops_ = 0;
  double backward_flops_ = 0;
  std::size_t parameters_;
  std::size_t element_bytes_;
  SumPattern pattern_;
  std::vector<OperationHandle> reductions_;  // by bucket, of this step
  TokenBatch batch_;
  std::vector<std::byte> gradients_;  // in the order of buckets, then the votes
  std::vector<float> weights_;
  std::optional<CheckpointFile> checkpoint_;
  std::uint64_t steps_ = 0;
  std::mt19937_64 engine_{static_cast<std::uint64_t>(context_.communicator->rank())};
  double uniform() { return std::uniform_real_distribution<double>(0, 1)(engine_); }
};

/// Allocating more than there is would bring the kernel's OOM killer upon some other process.
Status check_memory(const Settings& settings, int ranks, std::span<const ModelLayer> layers) {
  const double needed_bytes = static_cast<double>(parameter_count(layers)) *
                              static_cast<double>(bytes_per_element(settings.dtype) + sizeof(float));
  GRIT_TRY(const Memory memory, read_memory());
  const auto available_bytes = static_cast<double>(memory.available_bytes);
  if (needed_bytes * ranks < available_bytes) return {};
  return usage_error(fmt::format(
      "{} at scale {} needs {:.1f} GB of memory per rank, and {} rank(s) here share {:.1f} GB that are available (to "
      "the machine, or to the job by the limits of its control groups); choose a smaller scale or fewer ranks a node",
      settings.model->name, settings.scale, needed_bytes / 1e9, ranks, available_bytes / 1e9));
}

Result<std::optional<CheckpointFile>> open_checkpoint(Settings& settings, std::span<const ModelLayer> layers,
                                                      const WorkloadContext& context) {
  if (settings.checkpoint_every == 0) return std::nullopt;
  if (context.checkpoint_directory.empty()) {
    return usage_error(
        "the workload writes checkpoints (checkpoint_every is not 0), but no directory for them is known");
  }
  if (settings.checkpoint_bytes == 0) {
    const std::int64_t ranks = context.communicator->size();
    settings.checkpoint_bytes = (parameter_count(layers) * kCheckpointBytesPerParameter + ranks - 1) / ranks;
  }
  GRIT_TRY(auto file, CheckpointFile::create(context.checkpoint_directory, context.communicator->rank(),
                                             settings.checkpoint_bytes));
  return std::optional(std::move(file));
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
  return {
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
      choice("compute", "emulated",
             "emulated: timer-driven accelerator, the CPU stays free; cpu: real matrix products on one core",
             {"emulated", "cpu"}),
      {.name = "peak",
       .unit = Unit::flops_per_s,
       .default_value = 1e12,
       .help = "speed of the emulated accelerator",
       .min = 1e6},
      count("checkpoint_every", 0, 0, "steps from one checkpoint to the next; 0: none"),
      {.name = "checkpoint",
       .unit = Unit::bytes,
       .default_value = 0,
       .help = "bytes a rank writes for a checkpoint; 0: its share of the scaled model's state under mixed-precision "
               "Adam, 14 bytes a parameter",
       .min = 0},
  };
}

}  // namespace

WorkloadInfo ddp_info() {
  return {.name = "ddp",
          .summary = "synchronous data-parallel training: gradient buckets are all-reduced while backward goes on",
          .params = ddp_params(),
          .axes = {Axis::dp}};
}

std::vector<std::string> ddp_emulated_parts(const Params& params) {
  if (params.text("compute") != "emulated") return {};
  return {"compute (timer-driven accelerator)"};
}

Result<std::unique_ptr<Workload>> make_ddp(const Params& params, const WorkloadContext& context) {
  GRIT_ASSERT(context.communicator != nullptr && context.accelerator_clock != nullptr);
  try {
    GRIT_TRY(Settings settings, read_settings(params));
    const std::vector<ModelLayer> layers = model_layers(*settings.model, settings.scale);
    GRIT_CHECK(check_memory(settings, context.ranks_sharing_memory, layers));
    GRIT_TRY(auto checkpoint, open_checkpoint(settings, layers, context));
    auto buckets = plan_buckets(layers, bytes_per_element(settings.dtype), kFirstBucketBytes * settings.scale,
                                settings.bucket_bytes * settings.scale);
    auto compute = settings.emulated ? make_emulated_compute(settings.peak_flops_per_s, *context.accelerator_clock,
                                                             context.dials ? &context.dials->throttled_ns : nullptr)
                                     : make_cpu_compute();
    return std::make_unique<Ddp>(settings, context, std::move(compute), layers, std::move(buckets),
                                 std::move(checkpoint));
  } catch (const std::bad_alloc&) {
    return unavailable_error("not enough memory for the workload; choose a smaller scale or model");
  }
}

}  // namespace grit
