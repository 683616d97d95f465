#include "workloads/training/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "harness/base/json.hpp"
#include "workloads/fabric/sum.hpp"
#include "workloads/host_staging.hpp"
#include "workloads/layer_split.hpp"
#include "workloads/models.hpp"
#include "workloads/router.hpp"
#include "workloads/token_source.hpp"
#include "workloads/training/training.hpp"

namespace grit {
namespace {

ParamSpec count(const char* name, int default_value, int min, int max, const char* help) {
  return {.name = name, .unit = Unit::count, .default_value = default_value, .help = help, .min = min, .max = max};
}

ParamSpec choice(const char* name, const char* default_value, const char* help, std::vector<std::string> choices) {
  return {
      .name = name, .unit = Unit::text, .default_value = default_value, .help = help, .choices = std::move(choices)};
}

ParamSpec yes_or_no(const char* name, bool default_value, const char* help) {
  return {.name = name, .unit = Unit::boolean, .default_value = default_value, .help = help};
}

/// Of every workload.
std::vector<ParamSpec> common_params() {
  std::vector<ParamSpec> params{
      choice("model", "gpt2-small", "the published model whose layers are trained", model_names()),
      {.name = "scale",
       .unit = Unit::number,
       .default_value = 0.02,
       .help = "the share of every layer's parameters, FLOPs and activations that is kept; layers, tensors, tokens and "
               "the number of operations stay as they are",
       .min = 1e-6,
       .max = 1.0},
      choice("dtype", "bf16", "the type in which parameters, activations and gradients are moved",
             {"fp32", "bf16", "fp16"}),
      count("sequence", 1024, 1, 1'000'000, "tokens of a micro-batch, which is one sequence"),
      count("micro_batches", 1, 1, 65'536, "sequences a rank works on in a step, before the optimizer"),
  };
  std::ranges::move(compute_params(), std::back_inserter(params));
  std::ranges::move(checkpoint_params(), std::back_inserter(params));
  params.push_back(helper_threads_param());
  return params;
}

/// Of some.
std::vector<ParamSpec> own_params() {
  return {
      yes_or_no(
          "sharded", false,
          "divide parameters, gradients and optimizer state over dp (and experts' over those ranks that hold the "
          "same): gather parameters layer by layer and scatter the sums of gradients, instead of summing buckets"),
      yes_or_no("reshard", true,
                "with sharded parameters: let go of a layer's parameters after its forward pass and gather them again "
                "for backward"),
      count("prefetch", 1, 0, 64,
            "with sharded parameters: layers whose parameters are gathered ahead of the one that is worked on"),
      {.name = "bucket",
       .unit = Unit::bytes,
       .default_value = static_cast<std::int64_t>(kDefaultBucketBytes),
       .help = "without sharded parameters: gradients put into one all-reduce, at scale 1; the first bucket is at most "
               "1MiB",
       .min = 1},
      yes_or_no("sequence_parallel", false,
                "tp: divide what is between the matrices by tokens, with all-gather and reduce-scatter in place of the "
                "all-reduces"),
      count("chunks", 1, 1, 1024, "pp: parts of the model that each stage has; above 1 the schedule is interleaved"),
      {.name = "balance",
       .unit = Unit::number,
       .default_value = 1.0,
       .help = "ep: how many times its fair share of the tokens the router sends to one expert of each layer; 1: even",
       .min = 1.0},
  };
}

Status read_model(const Json& values, TrainingSettings& settings) {
  const auto name = values.at("model").get<std::string>();
  settings.setup.model = find_model(name);
  if (settings.setup.model != nullptr) return {};
  return usage_error(
      fmt::format("unknown model \"{}\": did you mean \"{}\"?", name, nearest_name(name, model_names())));
}

Status check_balance(const TrainingSettings& settings) {
  const ModelShape& model = *settings.setup.model;
  if (settings.balance == 1) return {};
  if (model.experts == 0)
    return usage_error(fmt::format("{} has no experts that a router could prefer: leave out balance", model.name));
  const double largest = largest_balance(model.experts, model.experts_per_token);
  if (settings.balance <= largest) return {};
  return usage_error(
      fmt::format("balance = {}: of {}'s {} experts each token goes to {}, so that the preferred one has all tokens at "
                  "balance = {} already",
                  settings.balance, model.name, model.experts, model.experts_per_token, largest));
}

/// In a step of one rank: what comes to its experts is its share of evenly loaded ones.
double flops_of(const TrainingSetup& setup, std::span<const ModelLayer> layers, Pass pass) {
  const double routed_tokens = static_cast<double>(setup.sequence) * setup.model->experts_per_token;
  double flops = 0;
  for (const ModelLayer& layer : layers)
    for (const LayerStep& step : layer_steps(setup, layer, pass))
      flops += step.flops + step.flops_per_routed_token * routed_tokens;
  return flops;
}

Json traffic_of(std::span<const StepTraffic> traffic) {
  Json list = Json::array();
  for (const StepTraffic& each : traffic)
    list.push_back({{"operation", to_string(each.operation.operation)},
                    {"axis", to_string(each.operation.axis)},
                    {"bytes", each.operation.bytes},
                    {"count", each.count}});
  return list;
}

}  // namespace

double step_flops(const TrainingSetup& setup, std::span<const std::vector<ModelLayer>> stage) {
  double flops = 0;
  for (const auto& layers : stage)
    flops += setup.micro_batches * (flops_of(setup, layers, Pass::forward) + flops_of(setup, layers, Pass::backward));
  return flops;
}

namespace {

Json stage_of(const TrainingSettings& settings, int stage) {
  const TrainingSetup& setup = settings.setup;
  const StageLayers held = layers_of_stage(*setup.model, setup.scale, setup.mesh, setup.chunks, stage);
  std::int64_t parameters = 0;
  for (const auto& layers : held) parameters += parameter_count(layers);
  const auto traffic = step_traffic(setup, stage);
  return {{"parameters", parameters},
          {"flops", step_flops(setup, held)},
          {"memory_bytes", static_cast<std::int64_t>(training_memory_bytes(settings, held))},
          {"sent_bytes", sent_bytes(traffic, setup.mesh)},
          {"traffic", traffic_of(traffic)}};
}

/// Of each part of the model, in the order in which a micro-batch goes through them.
std::vector<double> forward_flops(const TrainingSetup& setup) {
  const auto stages = static_cast<std::size_t>(setup.mesh.size(Axis::pp));
  std::vector<double> flops(stages * static_cast<std::size_t>(setup.chunks));
  for (std::size_t stage = 0; stage < stages; ++stage) {
    const auto chunks = layers_of_stage(*setup.model, setup.scale, setup.mesh, setup.chunks, static_cast<int>(stage));
    for (std::size_t chunk = 0; chunk < chunks.size(); ++chunk)
      flops[chunk * stages + stage] = flops_of(setup, chunks[chunk], Pass::forward);
  }
  return flops;
}

}  // namespace

std::vector<ParamSpec> training_params(const std::vector<std::string>& own, const Json& defaults) {
  std::vector<ParamSpec> specs = common_params();
  std::ranges::move(token_source_params(), std::back_inserter(specs));
  for (ParamSpec& spec : own_params())
    if (std::ranges::find(own, spec.name) != own.end()) specs.push_back(std::move(spec));
  for (ParamSpec& spec : specs)
    if (defaults.contains(spec.name)) spec.default_value = defaults.at(spec.name);
  return specs;
}

Result<TrainingSettings> read_training_settings(const Json& given, const Mesh& mesh) {
  Json values = Json::object();
  for (const auto& specs : {common_params(), own_params()})
    for (const ParamSpec& spec : specs) values[spec.name] = spec.default_value;
  values.update(given);
  const Params params(values);
  TrainingSettings settings;
  GRIT_CHECK(read_model(values, settings));
  GRIT_TRY(settings.dtype, parse_data_type(params.text("dtype")));
  TrainingSetup& setup = settings.setup;
  setup.scale = params.number("scale");
  setup.sequence = static_cast<int>(params.integer("sequence"));
  setup.element_bytes = bytes_per_element(settings.dtype);
  setup.mesh = mesh;
  setup.chunks = static_cast<int>(params.integer("chunks"));
  setup.micro_batches = static_cast<int>(params.integer("micro_batches"));
  setup.sharded = params.boolean("sharded");
  setup.reshard = params.boolean("reshard");
  setup.sequence_parallel = params.boolean("sequence_parallel") && mesh.size(Axis::tp) > 1;
  setup.bucket_bytes = static_cast<double>(params.integer("bucket"));
  settings.prefetch = static_cast<int>(params.integer("prefetch"));
  settings.balance = params.number("balance");
  settings.compute = compute_kind(params.text("compute"));
  settings.peak_flops_per_s = params.number("peak");
  GRIT_TRY(settings.is_fp8, is_fp8(params, settings.compute));
  settings.helper_threads = static_cast<int>(params.integer("helper_threads"));
  settings.checkpoints = read_checkpoint_settings(params);
  GRIT_CHECK(check_setup(setup));
  GRIT_CHECK(check_balance(settings));
  if (settings.compute == ComputeKind::cuda && settings.helper_threads > 0)
    return usage_error("helper_threads: NCCL has its own where it needs some; leave them out with compute = \"cuda\"");
  return settings;
}

std::vector<std::string> training_remarks(const TrainingSettings& settings) {
  const PipelineShape shape = pipeline_shape(settings.setup);
  if (shape.micro_batches >= shape.stages) return {};
  return {fmt::format(
      "{} micro-batch(es) for {} pipeline stages: not all of them can be at work at once, and {:.0f} % of a step a "
      "stage "
      "is idle; with {} micro_batches that would be {:.0f} %",
      shape.micro_batches, shape.stages, 100 * bubble_share(shape), 4 * shape.stages,
      100 * bubble_share({.stages = shape.stages, .micro_batches = 4 * shape.stages, .chunks = shape.chunks}))};
}

Json training_description(const TrainingSettings& settings) {
  const TrainingSetup& setup = settings.setup;
  const std::vector<double> idle = idle_shares(pipeline_shape(setup), forward_flops(setup));
  Json stages = Json::array();
  for (int stage = 0; stage < setup.mesh.size(Axis::pp); ++stage) {
    stages.push_back(stage_of(settings, stage));
    stages.back()["idle_share"] = idle[static_cast<std::size_t>(stage)];
  }
  return Json{{"model", setup.model->name},
              {"scale", setup.scale},
              {"dtype", data_type_name(settings.dtype)},
              {"sequence", setup.sequence},
              {"micro_batches", setup.micro_batches},
              {"mesh", to_json(setup.mesh)},
              {"chunks", setup.chunks},
              {"sharded", setup.sharded},
              {"reshard", setup.reshard},
              {"prefetch", settings.prefetch},
              {"sequence_parallel", setup.sequence_parallel},
              {"balance", settings.balance},
              {"compute", to_string(settings.compute)},
              {"helper_threads", settings.helper_threads},
              {"checkpoint_every", settings.checkpoints.every},
              {"checkpoint_mode", settings.checkpoints.asynchronous ? "asynchronous" : "synchronous"},
              {"bubble_share", bubble_share(pipeline_shape(setup))},
              {"stages", std::move(stages)}};
}

}  // namespace grit
