#include "workloads/models.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

namespace grit {
namespace {

using Tensors = std::vector<std::int64_t>;

constexpr std::array kShapes{
    //          name          family              layers hidden  ffn    heads kv  vocabulary sequence
    ModelShape{"gpt2-small", ModelFamily::gpt2, 12, 768, 3072, 12, 12, 50257, 1024},
    ModelShape{"gpt2-medium", ModelFamily::gpt2, 24, 1024, 4096, 16, 16, 50257, 1024},
    ModelShape{"gpt2-large", ModelFamily::gpt2, 36, 1280, 5120, 20, 20, 50257, 1024},
    ModelShape{"gpt2-xl", ModelFamily::gpt2, 48, 1600, 6400, 25, 25, 50257, 1024},
    ModelShape{"bert-base", ModelFamily::bert, 12, 768, 3072, 12, 12, 30522, 512},
    ModelShape{"bert-large", ModelFamily::bert, 24, 1024, 4096, 16, 16, 30522, 512},
    ModelShape{"llama2-7b", ModelFamily::llama, 32, 4096, 11008, 32, 32, 32000, 4096},
    ModelShape{"llama3-8b", ModelFamily::llama, 32, 4096, 14336, 32, 8, 128256, 8192},
    ModelShape{"llama3-70b", ModelFamily::llama, 80, 8192, 28672, 64, 8, 128256, 8192},
};

struct Dimensions {
  explicit Dimensions(const ModelShape& shape)
      : h(shape.hidden),
        f(shape.ffn),
        kv(std::int64_t{shape.hidden} / shape.heads * shape.kv_heads),
        v(shape.vocabulary),
        s(shape.sequence) {}
  std::int64_t h, f, kv, v, s;
};

Tensors embedding_tensors(ModelFamily family, const Dimensions& d) {
  switch (family) {
    case ModelFamily::gpt2:
      return {d.v * d.h, d.s * d.h};  // tokens, positions
    case ModelFamily::bert:
      return {d.v * d.h, d.s * d.h, 2 * d.h, d.h, d.h};  // tokens, positions, segments, normalisation
    case ModelFamily::llama:
      return {d.v * d.h};
  }
  return {};
}

Tensors block_tensors(ModelFamily family, const Dimensions& d) {
  switch (family) {
    case ModelFamily::gpt2:  // normalisation, q+k+v, projection, normalisation, two feed-forward layers; all with bias
      return {d.h, d.h, 3 * d.h * d.h, 3 * d.h, d.h * d.h, d.h, d.h, d.h, d.h * d.f, d.f, d.f * d.h, d.h};
    case ModelFamily::bert:  // q, k, v, projection, normalisation, two feed-forward layers, normalisation; all with
                             // bias
      return {d.h * d.h, d.h, d.h * d.h, d.h, d.h * d.h, d.h, d.h * d.h, d.h,
              d.h,       d.h, d.h * d.f, d.f, d.f * d.h, d.h, d.h,       d.h};
    case ModelFamily::llama:  // q, k, v, projection, gate, up, down, two normalisations; no bias
      return {d.h * d.h, d.h * d.kv, d.h * d.kv, d.h * d.h, d.h * d.f, d.h * d.f, d.f * d.h, d.h, d.h};
  }
  return {};
}

/// The head's own tensors, and how many of its parameters it shares with the embedding.
std::pair<Tensors, std::int64_t> head_tensors(ModelFamily family, const Dimensions& d) {
  switch (family) {
    case ModelFamily::gpt2:
      return {{d.h, d.h}, d.v * d.h};
    case ModelFamily::bert:  // pooler, masked-token transform and normalisation, decoder bias, next-sentence classifier
      return {{d.h * d.h, d.h, d.h * d.h, d.h, d.h, d.h, d.v, 2 * d.h, 2}, d.v * d.h};
    case ModelFamily::llama:
      return {{d.h, d.v * d.h}, 0};
  }
  return {};
}

ModelLayer scaled_layer(const Tensors& tensors, std::int64_t multiplied, double scale) {
  ModelLayer layer;
  for (const std::int64_t elements : tensors) {
    layer.tensors.push_back(std::max<std::int64_t>(1, std::llround(static_cast<double>(elements) * scale)));
  }
  layer.forward_flops_per_token = 2.0 * static_cast<double>(multiplied) * scale;
  return layer;
}

std::int64_t total(const Tensors& tensors) { return std::accumulate(tensors.begin(), tensors.end(), std::int64_t{0}); }

}  // namespace

std::span<const ModelShape> model_shapes() { return kShapes; }

const ModelShape* find_model(std::string_view name) {
  const auto* const found = std::ranges::find(kShapes, name, &ModelShape::name);
  return found == kShapes.end() ? nullptr : found;
}

std::int64_t ModelLayer::parameters() const { return total(tensors); }

std::vector<ModelLayer> model_layers(const ModelShape& shape, double scale) {
  const Dimensions dimensions(shape);
  std::vector<ModelLayer> layers;
  layers.push_back(scaled_layer(embedding_tensors(shape.family, dimensions), 0, scale));
  const Tensors block = block_tensors(shape.family, dimensions);
  for (int i = 0; i < shape.layers; ++i) layers.push_back(scaled_layer(block, total(block), scale));
  const auto [head, shared] = head_tensors(shape.family, dimensions);
  layers.push_back(scaled_layer(head, total(head) + shared, scale));
  return layers;
}

std::int64_t parameter_count(std::span<const ModelLayer> layers) {
  std::int64_t count = 0;
  for (const ModelLayer& layer : layers) count += layer.parameters();
  return count;
}

}  // namespace grit
