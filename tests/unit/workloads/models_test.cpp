#include "workloads/models.hpp"

#include <map>
#include <string_view>

#include "tests/catch.hpp"

using namespace grit;

TEST_CASE("models have their published number of parameters") {
  // GPT-2 and Llama: the sum over the tensors of the published weights. BERT: as its model cards state it, with heads.
  // Mixtral, OLMoE: as their papers state them.
  const std::map<std::string_view, double> published{
      {"gpt2-small", 124.44e6}, {"gpt2-medium", 354.82e6}, {"gpt2-large", 774.03e6}, {"gpt2-xl", 1557.61e6},
      {"bert-base", 110e6},     {"bert-large", 336e6},     {"llama2-7b", 6.738e9},   {"llama3-8b", 8.030e9},
      {"llama3-70b", 70.55e9},  {"mixtral-8x7b", 46.7e9},  {"olmoe-1b-7b", 6.92e9},
  };
  CHECK(published.size() == model_shapes().size());
  for (const ModelShape& shape : model_shapes()) {
    INFO(shape.name);
    const auto parameters = static_cast<double>(parameter_count(model_layers(shape, 1.0)));
    CHECK(parameters == Approx(published.at(shape.name)).epsilon(0.01));
  }
}

TEST_CASE("scale shrinks every tensor and the FLOPs, but not the number of layers and tensors") {
  const ModelShape& shape = *find_model("llama3-8b");
  const auto whole = model_layers(shape, 1.0);
  const auto small = model_layers(shape, 0.01);
  REQUIRE(small.size() == whole.size());
  CHECK(whole.size() == 34);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    REQUIRE(small[i].tensors.size() == whole[i].tensors.size());
    CHECK(static_cast<double>(small[i].parameters()) ==
          Approx(0.01 * static_cast<double>(whole[i].parameters())).epsilon(0.001));
    CHECK(small[i].forward_flops_per_token == Approx(0.01 * whole[i].forward_flops_per_token));
  }
}

TEST_CASE("no tensor is scaled away") {
  for (const ModelLayer& layer : model_layers(*find_model("bert-base"), 1e-6)) {
    for (const std::int64_t elements : layer.tensors) CHECK(elements >= 1);
  }
}

TEST_CASE("a token costs two FLOPs in the forward pass for every multiplied parameter") {
  double tied = 0;
  for (const ModelLayer& layer : model_layers(*find_model("gpt2-small"), 1.0)) tied += layer.forward_flops_per_token;
  // All but the position embedding; the token embedding counts as the head.
  CHECK(tied == Approx(2.0 * (124'439'808.0 - 1024.0 * 768.0)));
  double untied = 0;
  for (const ModelLayer& layer : model_layers(*find_model("llama3-8b"), 1.0)) untied += layer.forward_flops_per_token;
  // All but the token embedding; the head has weights of its own.
  CHECK(untied == Approx(2.0 * (8'030'261'248.0 - 128'256.0 * 4096.0)));
}

TEST_CASE("a token costs what its experts do, not what all of them would") {
  // Parameters that work on a token: 12.9e9 (Jiang et al. 2024, table 2) and 1.3e9 (Muennighoff et al. 2024), which
  // count the embedding, too.
  const std::map<std::string_view, double> active{{"mixtral-8x7b", 12.9e9}, {"olmoe-1b-7b", 1.28e9}};
  for (const auto& [name, parameters] : active) {
    INFO(name);
    const ModelShape& shape = *find_model(name);
    double flops = 2.0 * shape.vocabulary * shape.hidden;
    for (const ModelLayer& layer : model_layers(shape, 1.0)) flops += layer.forward_flops_per_token;
    CHECK(flops == Approx(2 * parameters).epsilon(0.01));
  }
}

TEST_CASE("an unknown model is not found") { CHECK(find_model("gpt5") == nullptr); }
