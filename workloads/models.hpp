// The shapes of published models: how many parameters each layer has and what a token costs in it, whole or divided
// over ranks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/mesh.hpp"

namespace grit {

enum class ModelFamily { gpt2, bert, llama };

/// The numbers a model is built from, as in its published configuration (config.json of the model's repository).
struct ModelShape {
  std::string_view name;
  ModelFamily family = ModelFamily::gpt2;
  int layers = 0;
  int hidden = 0;
  int ffn = 0;  // inner width of the feed-forward network
  int heads = 0;
  int kv_heads = 0;  // below `heads`: grouped-query attention
  int vocabulary = 0;
  int sequence = 0;  // tokens in one training sequence, the longest the model was trained on
  int experts = 0;   // feed-forward networks in each block, among which a router chooses; 0: one, without a router
  int experts_per_token = 0;
};

/// Sources: GPT-2 (Radford et al. 2019; huggingface.co/openai-community/gpt2*), BERT (Devlin et al. 2019,
/// arXiv:1810.04805; huggingface.co/google-bert/bert-*-uncased), Llama 2 (Touvron et al. 2023, arXiv:2307.09288), Llama
/// 3 (Grattafiori et al. 2024, arXiv:2407.21783, table 3), Mixtral (Jiang et al. 2024, arXiv:2401.04088, table 1;
/// huggingface.co/mistralai/Mixtral-8x7B-v0.1), OLMoE (Muennighoff et al. 2024, arXiv:2409.02060;
/// huggingface.co/allenai/OLMoE-1B-7B-0924; without its normalisation of queries and keys, 0.001 % of the parameters).
std::span<const ModelShape> model_shapes();

/// Of all of them.
std::vector<std::string> model_names();

/// nullptr when there is none of that name.
const ModelShape* find_model(std::string_view name);

enum class LayerKind { embedding, block, head };

/// One step of the forward pass; backward goes through them in reverse.
struct ModelLayer {
  std::vector<std::int64_t> tensors;  // elements of each parameter tensor, in the order of registration
  double forward_flops_per_token = 0;
  double attention_flops_per_token = 0;  // what of these comes before the block's feed-forward network
  /// Where experts are divided over ranks: the tensors of those that this rank holds, and what a token costs that the
  /// router sends to one of them, wherever it comes from. Else experts are parameters like any other, and what a token
  /// costs in those that it goes to is in forward_flops_per_token.
  std::vector<std::int64_t> expert_tensors{};
  double expert_flops_per_routed_token = 0;
  LayerKind kind = LayerKind::block;

  [[nodiscard]] std::int64_t dense_parameters() const;
  [[nodiscard]] std::int64_t expert_parameters() const;
  [[nodiscard]] std::int64_t parameters() const { return dense_parameters() + expert_parameters(); }
};

/// Embedding, blocks, head. Scaled: every tensor has `scale` (0 < scale <= 1) times its elements, at least one, and
/// every layer `scale` times its FLOPs; the number of layers, of tensors and of tokens stays.
///
/// FLOPs: 2 a token for every parameter that takes part in a matrix product; looking up an embedding costs none, and a
/// head that shares its weights with the embedding costs as if it had its own. Backward costs twice as much (Kaplan et
/// al. 2020, arXiv:2001.08361, §2.1: C ≈ 6·N a token). The attention scores' own product is left out, as there.
///
/// On a mesh that check_division() of layer_split.hpp accepts: what one rank holds of each layer, and its own FLOPs.
/// tp divides as Megatron-LM does (Shoeybi et al. 2019, arXiv:1909.08053, §3): the first matrix of attention and of the
/// feed-forward network by columns, with its bias, the second by rows, without; the embedding and the head by
/// vocabulary, which is padded to a multiple of 128 · tp (--make-vocab-size-divisible-by); every rank has all of the
/// normalisations, of the router and of BERT's pooler and transform. ep divides the experts; tp divides each of these
/// as well. With pp the head has weights of its own (--untie-embeddings-and-output-weights): shared ones would be on
/// two stages. Which layers a stage has: layers_of_stage().
std::vector<ModelLayer> model_layers(const ModelShape& shape, double scale, const Mesh& mesh = {});

std::int64_t parameter_count(std::span<const ModelLayer> layers);

}  // namespace grit
