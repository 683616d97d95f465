// The shapes of published models: how many parameters each layer has and what a token costs in it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

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
};

/// Sources: GPT-2 (Radford et al. 2019; huggingface.co/openai-community/gpt2*), BERT (Devlin et al. 2019,
/// arXiv:1810.04805; huggingface.co/google-bert/bert-*-uncased), Llama 2 (Touvron et al. 2023, arXiv:2307.09288), Llama
/// 3 (Grattafiori et al. 2024, arXiv:2407.21783, table 3).
std::span<const ModelShape> model_shapes();

/// nullptr when there is none of that name.
const ModelShape* find_model(std::string_view name);

/// One step of the forward pass; backward goes through them in reverse.
struct ModelLayer {
  std::vector<std::int64_t> tensors;  // elements of each parameter tensor, in the order of registration
  double forward_flops_per_token = 0;

  [[nodiscard]] std::int64_t parameters() const;
};

/// Embedding, blocks, head. Scaled: every tensor has `scale` (0 < scale <= 1) times its elements, at least one, and
/// every layer `scale` times its FLOPs; the number of layers, of tensors and of tokens stays.
///
/// FLOPs: 2 a token for every parameter that takes part in a matrix product; looking up an embedding costs none, and a
/// head that shares its weights with the embedding costs as if it had its own. Backward costs twice as much (Kaplan et
/// al. 2020, arXiv:2001.08361, §2.1: C ≈ 6·N a token). The attention scores' own product is left out, as there.
std::vector<ModelLayer> model_layers(const ModelShape& shape, double scale);

std::int64_t parameter_count(std::span<const ModelLayer> layers);

}  // namespace grit
