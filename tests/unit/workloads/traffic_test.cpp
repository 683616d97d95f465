#include "workloads/traffic.hpp"

#include <algorithm>
#include <string>

#include "tests/catch.hpp"
#include "tests/unit/workloads/mesh_of.hpp"
#include "workloads/layer_split.hpp"
#include "workloads/router.hpp"

using namespace grit;

namespace {

using grit::test::mesh_of;

TrainingSetup setup_of(const char* model, const AxisValues& sizes) {
  TrainingSetup setup;
  setup.model = find_model(model);
  setup.sequence = setup.model->sequence;
  setup.mesh = mesh_of(sizes);
  return setup;
}

/// How often an operation of these bytes comes in a step.
std::size_t count_of(const std::vector<StepTraffic>& traffic, const TrafficOperation& operation) {
  std::size_t count = 0;
  for (const StepTraffic& each : traffic) count += each.operation == operation ? each.count : 0;
  return count;
}

struct Sum {
  std::size_t operations = 0;
  std::size_t bytes = 0;
};

Sum sum_of(const std::vector<StepTraffic>& traffic, CollectiveOperation operation, Axis axis) {
  Sum sum;
  for (const StepTraffic& each : traffic) {
    if (each.operation.operation != operation || each.operation.axis != axis) continue;
    sum.operations += each.count;
    sum.bytes += each.count * each.operation.bytes;
  }
  return sum;
}

Sum sum_of(const std::vector<StepTraffic>& traffic) {
  Sum sum;
  for (const StepTraffic& each : traffic) {
    sum.operations += each.count;
    sum.bytes += each.count * each.operation.bytes;
  }
  return sum;
}

constexpr std::size_t kGpt2Small = 124'439'808;         // parameters
constexpr std::size_t kGpt2Message = 1024UL * 768 * 2;  // tokens · hidden · bf16
constexpr std::size_t kExpert = 3UL * 4096 * 14336;     // of Mixtral 8x7B, and
constexpr std::size_t kMixtralRest = 1'605'636'096;     // all of it but its experts

}  // namespace

TEST_CASE("one rank has nothing to tell anybody") {
  TrainingSetup setup = setup_of("gpt2-small", {});
  setup.micro_batches = 4;
  for (const bool sharded : {false, true}) {
    setup.sharded = sharded;
    REQUIRE(check_setup(setup));
    CHECK(step_traffic(setup, 0).empty());
  }
}

TEST_CASE("data parallel: each gradient is summed once a step, in DDP's buckets") {
  TrainingSetup setup = setup_of("gpt2-small", {{Axis::dp, 4}});
  const auto buckets = plan_buckets(model_layers(*setup.model, 1.0), 2, kFirstBucketBytes, kDefaultBucketBytes);
  for (const int micro_batches : {1, 5}) {
    setup.micro_batches = micro_batches;
    const auto traffic = step_traffic(setup, 0);
    const Sum sum = sum_of(traffic, CollectiveOperation::all_reduce, Axis::dp);
    CHECK(sum.bytes == 2 * kGpt2Small);
    CHECK(sum.operations == buckets.size());
    CHECK(sum_of(traffic).operations == sum.operations);
    CHECK(sent_bytes(traffic, setup.mesh) == 2 * 2 * kGpt2Small * 3.0 / 4);
  }
}

TEST_CASE("sharded: parameters are gathered twice and gradients scattered once, 3 (n-1)/n of the bytes in all") {
  TrainingSetup setup = setup_of("gpt2-small", {{Axis::dp, 4}});
  setup.sharded = true;
  const auto traffic = step_traffic(setup, 0);
  // By hand: 124,439,808 · 2 bytes · 3/4 · 3. Every layer divides by 4, so that nothing is padded.
  CHECK(sent_bytes(traffic, setup.mesh) == 559'979'136.0);
  CHECK(count_of(traffic, {CollectiveOperation::all_gather, Axis::dp, 2 * 7'087'872}) == 24);  // 12 blocks, twice
  CHECK(count_of(traffic, {CollectiveOperation::reduce_scatter, Axis::dp, 2 * 7'087'872}) == 12);
  CHECK(sum_of(traffic, CollectiveOperation::all_gather, Axis::dp).operations == 28);
  CHECK(sum_of(traffic, CollectiveOperation::all_reduce, Axis::dp).operations == 0);

  setup.micro_batches = 3;
  const auto accumulated = step_traffic(setup, 0);
  CHECK(sum_of(accumulated, CollectiveOperation::all_gather, Axis::dp).bytes == 3 * 2 * 2 * kGpt2Small);
  CHECK(sum_of(accumulated, CollectiveOperation::reduce_scatter, Axis::dp).bytes == 2 * kGpt2Small);

  setup.reshard = false;
  const auto kept = step_traffic(setup, 0);
  CHECK(sum_of(kept, CollectiveOperation::all_gather, Axis::dp).bytes == 2 * kGpt2Small);
  CHECK(sum_of(kept, CollectiveOperation::reduce_scatter, Axis::dp).bytes == 2 * kGpt2Small);
}

TEST_CASE("sharded: each layer is padded to a multiple of its ranks") {
  CHECK(gathered_bytes(10, 5, 2) == 20);
  CHECK(gathered_bytes(11, 5, 2) == 30);
  CHECK(gathered_bytes(1, 5, 4) == 20);
  TrainingSetup setup = setup_of("gpt2-small", {{Axis::dp, 5}});
  setup.sharded = true;
  // Of 5 ranks the embedding's 39,383,808 leave 3, a block's 7,087,872 leave 2, the head's 1,536 leave 1.
  CHECK(sum_of(step_traffic(setup, 0), CollectiveOperation::reduce_scatter, Axis::dp).bytes ==
        2 * (kGpt2Small + 2 + 12 * 3 + 4));
}

TEST_CASE("tensor parallel: four all-reduces a block, one for the embedding and one for the head") {
  TrainingSetup setup = setup_of("gpt2-small", {{Axis::tp, 4}});
  setup.micro_batches = 2;
  const auto traffic = step_traffic(setup, 0);
  CHECK(count_of(traffic, {CollectiveOperation::all_reduce, Axis::tp, kGpt2Message}) == 2 * (4 * 12 + 2));
  CHECK(count_of(traffic, {CollectiveOperation::all_reduce, Axis::tp, 1024 * 4}) == 2 * 3);  // the loss
  CHECK(sum_of(traffic).operations == 2 * (4 * 12 + 2) + 2 * 3);
}

TEST_CASE("sequence parallel: the same volume forward, and half as much again backward") {
  TrainingSetup setup = setup_of("gpt2-small", {{Axis::tp, 4}});
  setup.sequence_parallel = true;
  const auto traffic = step_traffic(setup, 0);
  // Forward: before attention, network and head; backward: two before each of these in a block, one for the head and
  // one for the embedding.
  CHECK(count_of(traffic, {CollectiveOperation::all_gather, Axis::tp, kGpt2Message}) == (24 + 1) + (48 + 1 + 1));
  CHECK(count_of(traffic, {CollectiveOperation::reduce_scatter, Axis::tp, kGpt2Message}) == (24 + 1) + (24 + 1));
  CHECK(count_of(traffic, {CollectiveOperation::all_reduce, Axis::tp, kGpt2Message}) == 0);

  const ModelLayer block = layers_of_stage(*setup.model, 1.0, setup.mesh, 1, 0)[0][1];
  const auto bytes_of = [&block](const TrainingSetup& of, Pass pass) {
    double bytes = 0;
    for (const LayerStep& step : layer_steps(of, block, pass)) {
      if (step.operation) bytes += sent_bytes(std::vector<StepTraffic>{{*step.operation, 1}}, of.mesh);
    }
    return bytes;
  };
  TrainingSetup without = setup;
  without.sequence_parallel = false;
  CHECK(bytes_of(setup, Pass::forward) == bytes_of(without, Pass::forward));
  CHECK(bytes_of(setup, Pass::backward) == 1.5 * bytes_of(without, Pass::backward));
}

TEST_CASE("pipeline: a message forward and one backward for each micro-batch and neighbour") {
  TrainingSetup setup = setup_of("gpt2-small", {{Axis::pp, 4}});
  setup.micro_batches = 8;
  for (int stage = 0; stage < 4; ++stage) {
    INFO("stage " << stage);
    const std::size_t neighbours = stage == 0 || stage == 3 ? 1 : 2;
    const auto traffic = step_traffic(setup, stage);
    CHECK(count_of(traffic, {CollectiveOperation::send, Axis::pp, kGpt2Message}) == 8 * neighbours);
    CHECK(count_of(traffic, {CollectiveOperation::receive, Axis::pp, kGpt2Message}) == 8 * neighbours);
    CHECK(sent_bytes(traffic, setup.mesh) == static_cast<double>(8 * neighbours * kGpt2Message));
  }
  // Interleaved: v times as many, and the last stage also has the first as a neighbour.
  setup.chunks = 3;
  REQUIRE(check_setup(setup));
  CHECK(sum_of(step_traffic(setup, 1), CollectiveOperation::send, Axis::pp).operations == 8 * 2 * 3);
  CHECK(sum_of(step_traffic(setup, 0), CollectiveOperation::send, Axis::pp).operations == 8 * (2 * 3 - 1));
}

TEST_CASE("with sequence parallelism stages exchange a tensor rank's tokens only") {
  TrainingSetup setup = setup_of("gpt2-small", {{Axis::pp, 2}, {Axis::tp, 4}});
  CHECK(activation_bytes(setup) == kGpt2Message);
  setup.sequence_parallel = true;
  CHECK(activation_bytes(setup) == kGpt2Message / 4);
}

TEST_CASE("experts: four all-to-alls a block, of all routed tokens") {
  TrainingSetup setup = setup_of("mixtral-8x7b", {{Axis::dp, 8}, {Axis::ep, 8}});
  setup.sequence = 4096;
  const auto traffic = step_traffic(setup, 0);
  // By hand: 4096 tokens · 2 experts · 4096 hidden · 2 bytes.
  CHECK(count_of(traffic, {CollectiveOperation::all_to_all, Axis::ep, 67'108'864}) == 4 * 32);
  CHECK(sum_of(traffic, CollectiveOperation::all_reduce, Axis::dp).bytes == 2 * kMixtralRest);
  CHECK(sum_of(traffic, CollectiveOperation::all_reduce, Axis::edp).operations == 0);  // nobody else has its experts

  // With two groups of four, two ranks have the same two experts of each block.
  setup.mesh = mesh_of({{Axis::dp, 8}, {Axis::ep, 4}});
  CHECK(sum_of(step_traffic(setup, 0), CollectiveOperation::all_reduce, Axis::edp).bytes == 2 * 32 * 2 * kExpert);
  setup.sharded = true;
  const auto sharded = step_traffic(setup, 0);
  CHECK(sum_of(sharded, CollectiveOperation::all_gather, Axis::edp).bytes == 2 * 2 * 32 * 2 * kExpert);
  CHECK(sum_of(sharded, CollectiveOperation::reduce_scatter, Axis::dp).bytes == 2 * kMixtralRest);
  CHECK(sent_bytes(sharded, setup.mesh) ==
        3.0 * 2 * kMixtralRest * 7 / 8 + 3.0 * 2 * 32 * 2 * kExpert * 1 / 2 + 4.0 * 32 * 67'108'864 * 3 / 4);
}

TEST_CASE("the router's counts make up an all-to-all") {
  TrainingSetup setup = setup_of("olmoe-1b-7b", {{Axis::dp, 4}, {Axis::ep, 4}});
  Router router(3, {.experts = setup.model->experts,
                    .experts_per_token = setup.model->experts_per_token,
                    .ranks = 4,
                    .tokens = setup.sequence});
  router.route(0, 0, 0, 4.0);
  const std::size_t bytes_of_token = activation_width(setup) * setup.element_bytes;
  for (int source = 0; source < 4; ++source) {
    std::int64_t tokens = 0;
    for (int rank = 0; rank < 4; ++rank) tokens += router.tokens(source, rank);
    const std::size_t bytes = static_cast<std::size_t>(tokens) * bytes_of_token;
    CHECK(count_of(step_traffic(setup, 0), {CollectiveOperation::all_to_all, Axis::ep, bytes}) == 4 * 16);
  }
}

TEST_CASE("a layer's steps have all of its work, twice as much backward, and operations where their data are needed") {
  TrainingSetup setup = setup_of("mixtral-8x7b", {{Axis::dp, 8}, {Axis::ep, 4}, {Axis::tp, 2}});
  setup.sequence = 4096;
  const ModelLayer block = layers_of_stage(*setup.model, 1.0, setup.mesh, 1, 0)[0][1];
  const auto names = [&](Pass pass) {
    std::string text;
    for (const LayerStep& step : layer_steps(setup, block, pass)) {
      if (step.flops > 0) text += "work ";
      if (step.flops_per_routed_token > 0) text += "experts ";
      if (step.operation) text += std::string(to_string(step.operation->operation)) + " ";
    }
    return text;
  };
  CHECK(names(Pass::forward) == "work all_reduce work all_to_all experts all_to_all all_reduce ");
  CHECK(names(Pass::backward) == "all_to_all experts all_to_all work all_reduce work all_reduce ");
  for (const Pass pass : {Pass::forward, Pass::backward}) {
    const double factor = pass == Pass::forward ? 1 : 2;
    double flops = 0;
    double routed = 0;
    for (const LayerStep& step : layer_steps(setup, block, pass)) {
      flops += step.flops;
      routed += step.flops_per_routed_token;
    }
    CHECK(flops == Approx(factor * block.forward_flops_per_token * 4096));
    CHECK(routed == Approx(factor * block.expert_flops_per_routed_token));
  }
}

TEST_CASE("the product of all axes has each of their operations") {
  TrainingSetup setup = setup_of("mixtral-8x7b", {{Axis::dp, 4}, {Axis::tp, 2}, {Axis::pp, 2}, {Axis::ep, 2}});
  setup.sequence = 2048;
  setup.micro_batches = 4;
  setup.chunks = 2;
  setup.sequence_parallel = true;
  setup.sharded = true;
  REQUIRE(check_setup(setup));
  const std::size_t tokens = 2048UL * 4096 * 2;
  std::size_t sent = 0;
  std::size_t received = 0;
  for (int stage = 0; stage < 2; ++stage) {
    INFO("stage " << stage);
    const auto traffic = step_traffic(setup, stage);
    CHECK(count_of(traffic, {CollectiveOperation::all_to_all, Axis::ep, 2 * tokens}) == 4 * 16 * 4);
    CHECK(count_of(traffic, {CollectiveOperation::reduce_scatter, Axis::tp, tokens}) == 4 * (16 * 4 + 1));
    // A rank has half of the experts of 16 blocks, each of them divided by 2; gathered twice for each micro-batch.
    CHECK(sum_of(traffic, CollectiveOperation::all_gather, Axis::edp).bytes == 4 * 2 * 2 * 16 * 4 * kExpert / 2);
    CHECK(sum_of(traffic, CollectiveOperation::reduce_scatter, Axis::edp).bytes == 2 * 16 * 4 * kExpert / 2);
    sent += count_of(traffic, {CollectiveOperation::send, Axis::pp, tokens / 2});
    received += count_of(traffic, {CollectiveOperation::receive, Axis::pp, tokens / 2});
  }
  CHECK(sent == 4 * 2 * 3);  // of four parts, three have one behind them
  CHECK(received == sent);
}

TEST_CASE("scale shrinks every message as it shrinks the work") {
  const AxisValues sizes{{Axis::dp, 4}, {Axis::tp, 2}, {Axis::pp, 2}, {Axis::ep, 2}};
  TrainingSetup whole = setup_of("mixtral-8x7b", sizes);
  whole.sequence = 2048;
  whole.sharded = true;
  TrainingSetup small = whole;
  small.scale = 1.0 / 64;  // 64 elements of 4096
  CHECK(activation_width(small) == 64);
  const auto of_whole = step_traffic(whole, 1);
  const auto of_small = step_traffic(small, 1);
  CHECK(sum_of(of_small).operations == sum_of(of_whole).operations);
  for (const CollectiveOperation operation :
       {CollectiveOperation::all_reduce, CollectiveOperation::all_gather, CollectiveOperation::reduce_scatter,
        CollectiveOperation::all_to_all, CollectiveOperation::send}) {
    for (const Axis axis : {Axis::dp, Axis::tp, Axis::pp, Axis::ep, Axis::edp}) {
      CHECK(static_cast<double>(sum_of(of_small, operation, axis).bytes) ==
            Approx(static_cast<double>(sum_of(of_whole, operation, axis).bytes) / 64).epsilon(0.001));
    }
  }
  small.scale = 1e-6;
  CHECK(activation_width(small) == 1);
}

TEST_CASE("a setup that cannot be is refused with what could be") {
  TrainingSetup setup = setup_of("llama3-8b", {{Axis::tp, 8}});
  setup.sequence = 1001;
  CHECK(check_setup(setup));
  setup.sequence_parallel = true;
  const Status refused = check_setup(setup);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("choose 1000 or 1008 tokens") != std::string::npos);
  setup = setup_of("gpt2-small", {{Axis::pp, 2}});
  setup.chunks = 2;
  setup.micro_batches = 3;
  CHECK_FALSE(check_setup(setup));
  setup.micro_batches = 4;
  CHECK(check_setup(setup));
  setup.chunks = 5;
  CHECK_FALSE(check_setup(setup));
}
