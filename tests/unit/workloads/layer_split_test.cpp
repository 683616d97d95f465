#include "workloads/layer_split.hpp"

#include <string>

#include "tests/catch.hpp"
#include "tests/unit/workloads/mesh_of.hpp"

using namespace grit;

namespace {

using grit::test::mesh_of;

const ModelShape& model(const char* name) { return *find_model(name); }

std::string why_not(const char* name, const AxisValues& sizes, int chunks = 1) {
  const Status status = check_division(model(name), mesh_of(sizes), chunks);
  REQUIRE_FALSE(status);
  CHECK(status.error().kind == ErrorKind::usage);
  return status.error().message;
}

bool says(const std::string& text, const char* words) { return text.find(words) != std::string::npos; }

struct Held {
  std::int64_t dense = 0;
  std::int64_t experts = 0;
  double flops = 0;  // a token; of all layers, without experts that are divided
};

Held held_by(const ModelShape& shape, const Mesh& mesh, int chunks, int stage) {
  Held held;
  for (const auto& chunk : layers_of_stage(shape, 1.0, mesh, chunks, stage)) {
    for (const ModelLayer& layer : chunk) {
      held.dense += layer.dense_parameters();
      held.experts += layer.expert_parameters();
      held.flops += layer.forward_flops_per_token;
    }
  }
  return held;
}

}  // namespace

TEST_CASE("stages have equally many blocks, the first the embedding and the last the head") {
  const auto first = layers_of_stage(model("gpt2-small"), 1.0, mesh_of({{Axis::pp, 4}}), 1, 0);
  REQUIRE(first.size() == 1);
  REQUIRE(first[0].size() == 4);
  CHECK(first[0][0].kind == LayerKind::embedding);
  CHECK(first[0][1].kind == LayerKind::block);
  const auto middle = layers_of_stage(model("gpt2-small"), 1.0, mesh_of({{Axis::pp, 4}}), 1, 2);
  REQUIRE(middle[0].size() == 3);
  for (const ModelLayer& layer : middle[0]) CHECK(layer.kind == LayerKind::block);
  const auto last = layers_of_stage(model("gpt2-small"), 1.0, mesh_of({{Axis::pp, 4}}), 1, 3);
  REQUIRE(last[0].size() == 4);
  CHECK(last[0].back().kind == LayerKind::head);
}

TEST_CASE("chunks go round the stages") {
  const Mesh mesh = mesh_of({{Axis::pp, 2}});
  const auto first = layers_of_stage(model("gpt2-small"), 1.0, mesh, 3, 0);
  const auto second = layers_of_stage(model("gpt2-small"), 1.0, mesh, 3, 1);
  REQUIRE(first.size() == 3);
  REQUIRE(second.size() == 3);
  CHECK(first[0].size() == 3);  // embedding and two blocks
  CHECK(first[1].size() == 2);
  CHECK(first[2].size() == 2);
  CHECK(second[0].size() == 2);
  CHECK(second[2].size() == 3);
  CHECK(second[2].back().kind == LayerKind::head);
}

TEST_CASE("a mesh of one rank holds the whole model") {
  for (const ModelShape& shape : model_shapes()) {
    INFO(shape.name);
    const Held held = held_by(shape, Mesh(), 1, 0);
    CHECK(held.experts == 0);
    CHECK(held.dense == parameter_count(model_layers(shape, 1.0)));
  }
}

TEST_CASE("a tensor rank has its part of each matrix and all of each normalisation") {
  // One block of GPT-2 small: 12·768² + 7·768 + 3072 elements are divided, 6·768 are not.
  const auto block = layers_of_stage(model("gpt2-small"), 1.0, mesh_of({{Axis::tp, 2}}), 1, 0)[0][1];
  CHECK(block.dense_parameters() == (12 * 768 * 768 + 3 * 768 + 3072) / 2 + 6 * 768);
  CHECK(block.forward_flops_per_token == 2.0 * static_cast<double>(block.dense_parameters()));
  // The vocabulary of 50257 is padded to 50432, which is 197 · 2 · 128.
  const auto embedding = layers_of_stage(model("gpt2-small"), 1.0, mesh_of({{Axis::tp, 2}}), 1, 0)[0][0];
  CHECK(embedding.dense_parameters() == 50432 / 2 * 768 + 1024 * 768);
  // Llama 3 8B: 8 key-value heads of 128.
  const auto llama = layers_of_stage(model("llama3-8b"), 1.0, mesh_of({{Axis::tp, 8}}), 1, 0)[0][1];
  CHECK(llama.dense_parameters() == (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336) / 8 + 2 * 4096);
  CHECK(llama.attention_flops_per_token == 2.0 * (2 * 4096 * 4096 + 2 * 4096 * 1024) / 8);
}

TEST_CASE("all stages together have the model, and the head its own weights where stages are several") {
  for (const ModelShape& shape : model_shapes()) {
    INFO(shape.name);
    const std::int64_t whole = parameter_count(model_layers(shape, 1.0));
    const Mesh mesh = mesh_of({{Axis::pp, 2}});
    const std::int64_t tied = shape.family == ModelFamily::llama ? 0 : std::int64_t{shape.vocabulary} * shape.hidden;
    for (const int chunks : {1, 2}) {
      const Held first = held_by(shape, mesh, chunks, 0);
      const Held second = held_by(shape, mesh, chunks, 1);
      CHECK(first.dense + second.dense == whole + tied);
      CHECK(first.flops + second.flops == Approx(held_by(shape, Mesh(), 1, 0).flops));
    }
  }
}

TEST_CASE("expert ranks share the experts and each have all else") {
  // Mixtral 8x7B: an expert has 3·4096·14336 parameters; 46.7e9 in all, 12.9e9 of them for a token (arXiv:2401.04088).
  const ModelShape& shape = model("mixtral-8x7b");
  constexpr std::int64_t kExpert = std::int64_t{3} * 4096 * 14336;
  constexpr std::int64_t kBlockRest = 2 * 4096 * 4096 + 2 * 4096 * 1024 + 4096 * 8 + 2 * 4096;
  constexpr std::int64_t kRest = 32 * kBlockRest + std::int64_t{2} * 32000 * 4096 + 4096;
  const Held whole = held_by(shape, Mesh(), 1, 0);
  CHECK(whole.dense == kRest + 32 * 8 * kExpert);
  CHECK(whole.flops == Approx(2 * 12.9e9).epsilon(0.02));
  const Held quarter = held_by(shape, mesh_of({{Axis::dp, 4}, {Axis::ep, 4}}), 1, 0);
  CHECK(quarter.dense == kRest);
  CHECK(quarter.experts == 32 * 2 * kExpert);
  const auto block = layers_of_stage(shape, 1.0, mesh_of({{Axis::dp, 4}, {Axis::ep, 4}}), 1, 0)[0][1];
  CHECK(block.expert_tensors.size() == 6);
  CHECK(block.expert_flops_per_routed_token == 2.0 * kExpert);
  CHECK(block.forward_flops_per_token == 2.0 * kBlockRest);
  // tp divides each expert as well.
  const Held divided = held_by(shape, mesh_of({{Axis::dp, 4}, {Axis::ep, 4}, {Axis::tp, 2}}), 1, 0);
  CHECK(divided.experts == 32 * 2 * kExpert / 2);
}

TEST_CASE("what does not divide is refused with what would") {
  CHECK(says(why_not("gpt2-small", {{Axis::pp, 5}}), "pp times chunks can be 1, 2, 3, 4, 6, 12"));
  CHECK(says(why_not("gpt2-small", {{Axis::pp, 4}}, 2), "pp times chunks can be 1, 2, 3, 4, 6, 12"));
  CHECK(says(why_not("gpt2-xl", {{Axis::tp, 2}}), "tp can be 1, 5, 25"));
  CHECK(says(why_not("llama3-70b", {{Axis::tp, 16}}), "tp can be 1, 2, 4, 8"));
  CHECK(says(why_not("mixtral-8x7b", {{Axis::dp, 3}, {Axis::ep, 3}}), "ep can be 1, 2, 4, 8"));
  CHECK(says(why_not("gpt2-small", {{Axis::dp, 2}, {Axis::ep, 2}}), "mixtral-8x7b, olmoe-1b-7b"));
  CHECK(check_division(model("gpt2-small"), mesh_of({{Axis::pp, 2}, {Axis::tp, 3}}), 3));
}
