#include "workloads/models.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace grit {
namespace {

constexpr std::array kShapes{
    //          name          family              layers hidden  ffn    heads kv  vocabulary sequence experts a token
    ModelShape{"gpt2-small", ModelFamily::gpt2, 12, 768, 3072, 12, 12, 50257, 1024},
    ModelShape{"gpt2-medium", ModelFamily::gpt2, 24, 1024, 4096, 16, 16, 50257, 1024},
    ModelShape{"gpt2-large", ModelFamily::gpt2, 36, 1280, 5120, 20, 20, 50257, 1024},
    ModelShape{"gpt2-xl", ModelFamily::gpt2, 48, 1600, 6400, 25, 25, 50257, 1024},
    ModelShape{"bert-base", ModelFamily::bert, 12, 768, 3072, 12, 12, 30522, 512},
    ModelShape{"bert-large", ModelFamily::bert, 24, 1024, 4096, 16, 16, 30522, 512},
    ModelShape{"llama2-7b", ModelFamily::llama, 32, 4096, 11008, 32, 32, 32000, 4096},
    ModelShape{"llama3-8b", ModelFamily::llama, 32, 4096, 14336, 32, 8, 128256, 8192},
    ModelShape{"llama3-70b", ModelFamily::llama, 80, 8192, 28672, 64, 8, 128256, 8192},
    ModelShape{"mixtral-8x7b", ModelFamily::llama, 32, 4096, 14336, 32, 8, 32000, 32768, 8, 2},
    ModelShape{"olmoe-1b-7b", ModelFamily::llama, 16, 2048, 1024, 16, 16, 50304, 4096, 64, 8},
};

struct Tensor {
  std::int64_t elements = 0;
  bool divided = true;  // over the ranks of a tensor group; else each of them has all of it
};
using Tensors = std::vector<Tensor>;

Tensor whole(std::int64_t elements) { return {.elements = elements, .divided = false}; }
Tensor divided(std::int64_t elements) { return {.elements = elements, .divided = true}; }

std::int64_t padded_vocabulary(std::int64_t vocabulary, int tensor_ranks) {
  if (tensor_ranks == 1) return vocabulary;
  const std::int64_t multiple = std::int64_t{128} * tensor_ranks;
  return (vocabulary + multiple - 1) / multiple * multiple;
}

struct Dimensions {
  Dimensions(const ModelShape& shape, int tensor_ranks)
      : h(shape.hidden),
        f(shape.ffn),
        kv(std::int64_t{shape.hidden} / shape.heads * shape.kv_heads),
        v(padded_vocabulary(shape.vocabulary, tensor_ranks)),
        s(shape.sequence),
        e(shape.experts) {}
  std::int64_t h, f, kv, v, s, e;
};

Tensors embedding_tensors(ModelFamily family, const Dimensions& d) {
  switch (family) {
    case ModelFamily::gpt2:
      return {divided(d.v * d.h), whole(d.s * d.h)};  // tokens, positions
    case ModelFamily::bert:                           // tokens, positions, segments, normalisation
      return {divided(d.v * d.h), whole(d.s * d.h), whole(2 * d.h), whole(d.h), whole(d.h)};
    case ModelFamily::llama:
      return {divided(d.v * d.h)};
  }
  return {};
}

Tensors attention_tensors(ModelFamily family, const Dimensions& d) {
  switch (family) {
    case ModelFamily::gpt2:  // normalisation, q+k+v, projection; all with bias
      return {whole(d.h), whole(d.h), divided(3 * d.h * d.h), divided(3 * d.h), divided(d.h * d.h), whole(d.h)};
    case ModelFamily::bert:  // q, k, v, projection, normalisation; all with bias
      return {divided(d.h * d.h), divided(d.h),       divided(d.h * d.h), divided(d.h), divided(d.h * d.h),
              divided(d.h),       divided(d.h * d.h), whole(d.h),         whole(d.h),   whole(d.h)};
    case ModelFamily::llama:  // q, k, v, projection; no bias
      return {divided(d.h * d.h), divided(d.h * d.kv), divided(d.h * d.kv), divided(d.h * d.h)};
  }
  return {};
}

/// One expert, or the only feed-forward network's matrices: gate, up, down.
Tensors expert_tensors(const Dimensions& d) { return {divided(d.h * d.f), divided(d.h * d.f), divided(d.f * d.h)}; }

/// All that comes after attention but the experts.
Tensors feed_forward_tensors(ModelFamily family, const Dimensions& d) {
  switch (family) {
    case ModelFamily::gpt2:  // normalisation, two layers; all with bias
      return {whole(d.h), whole(d.h), divided(d.h * d.f), divided(d.f), divided(d.f * d.h), whole(d.h)};
    case ModelFamily::bert:  // two layers, normalisation; all with bias
      return {divided(d.h * d.f), divided(d.f), divided(d.f * d.h), whole(d.h), whole(d.h), whole(d.h)};
    case ModelFamily::llama: {  // the matrices or the router, and the block's two normalisations; no bias
      Tensors tensors = d.e > 0 ? Tensors{whole(d.h * d.e)} : expert_tensors(d);
      tensors.insert(tensors.end(), 2, whole(d.h));
      return tensors;
    }
  }
  return {};
}

Tensors head_tensors(ModelFamily family, const Dimensions& d) {
  switch (family) {
    case ModelFamily::gpt2:
      return {whole(d.h), whole(d.h)};
    case ModelFamily::bert:  // pooler, masked-token transform and normalisation, decoder bias, next-sentence classifier
      return {whole(d.h * d.h), whole(d.h),   whole(d.h * d.h), whole(d.h), whole(d.h),
              whole(d.h),       divided(d.v), whole(2 * d.h),   whole(2)};
    case ModelFamily::llama:
      return {whole(d.h), divided(d.v * d.h)};
  }
  return {};
}

/// What one rank holds.
std::int64_t held_elements(const Tensor& tensor, int tensor_ranks) {
  return tensor.divided ? tensor.elements / tensor_ranks : tensor.elements;
}

/// Of one rank of a tensor group, and scaled: what it holds of tensors, and what a token costs it in them.
class LayerMaker {
 public:
  LayerMaker(double scale, int tensor_ranks) : scale_(scale), tensor_ranks_(tensor_ranks) {}

  void add(const Tensors& tensors, std::vector<std::int64_t>& layer) const {
    for (const Tensor& tensor : tensors) {
      const auto elements = static_cast<double>(held_elements(tensor, tensor_ranks_));
      layer.push_back(std::max<std::int64_t>(1, std::llround(elements * scale_)));
    }
  }

  [[nodiscard]] double flops_per_token(const Tensors& tensors) const {
    std::int64_t multiplied = 0;
    for (const Tensor& tensor : tensors) multiplied += held_elements(tensor, tensor_ranks_);
    return 2.0 * static_cast<double>(multiplied) * scale_;
  }

 private:
  double scale_;
  int tensor_ranks_;
};

ModelLayer block_layer(const ModelShape& shape, const Dimensions& dimensions, const LayerMaker& maker,
                       int expert_ranks) {
  const Tensors attention = attention_tensors(shape.family, dimensions);
  const Tensors feed_forward = feed_forward_tensors(shape.family, dimensions);
  ModelLayer layer;
  maker.add(attention, layer.tensors);
  maker.add(feed_forward, layer.tensors);
  layer.attention_flops_per_token = maker.flops_per_token(attention);
  layer.forward_flops_per_token = layer.attention_flops_per_token + maker.flops_per_token(feed_forward);
  const Tensors expert = expert_tensors(dimensions);
  auto& experts = expert_ranks > 1 ? layer.expert_tensors : layer.tensors;
  for (int i = 0; i < shape.experts / expert_ranks; ++i) maker.add(expert, experts);
  if (expert_ranks > 1) {
    layer.expert_flops_per_routed_token = maker.flops_per_token(expert);
  } else {
    layer.forward_flops_per_token += shape.experts_per_token * maker.flops_per_token(expert);
  }
  return layer;
}

ModelLayer head_layer(const ModelShape& shape, const Dimensions& dimensions, const LayerMaker& maker, int stages) {
  Tensors head = head_tensors(shape.family, dimensions);
  const Tensors vocabulary{divided(dimensions.v * dimensions.h)};
  const bool tied = shape.family != ModelFamily::llama;
  if (tied && stages > 1) head.push_back(vocabulary.front());
  ModelLayer layer;
  layer.kind = LayerKind::head;
  maker.add(head, layer.tensors);
  layer.forward_flops_per_token = maker.flops_per_token(head);
  if (tied && stages == 1) layer.forward_flops_per_token += maker.flops_per_token(vocabulary);
  return layer;
}

}  // namespace

std::span<const ModelShape> model_shapes() { return kShapes; }

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const ModelShape& shape : model_shapes()) names.emplace_back(shape.name);
  return names;
}

const ModelShape* find_model(std::string_view name) {
  const auto* const found = std::ranges::find(kShapes, name, &ModelShape::name);
  return found == kShapes.end() ? nullptr : found;
}

std::int64_t ModelLayer::dense_parameters() const { return std::reduce(tensors.begin(), tensors.end()); }

std::int64_t ModelLayer::expert_parameters() const { return std::reduce(expert_tensors.begin(), expert_tensors.end()); }

std::vector<ModelLayer> model_layers(const ModelShape& shape, double scale, const Mesh& mesh) {
  const Dimensions dimensions(shape, mesh.size(Axis::tp));
  const LayerMaker maker(scale, mesh.size(Axis::tp));
  std::vector<ModelLayer> layers(1);
  layers.front().kind = LayerKind::embedding;
  maker.add(embedding_tensors(shape.family, dimensions), layers.front().tensors);
  const auto blocks = static_cast<std::size_t>(shape.layers);
  layers.insert(layers.end(), blocks, block_layer(shape, dimensions, maker, mesh.size(Axis::ep)));
  layers.push_back(head_layer(shape, dimensions, maker, mesh.size(Axis::pp)));
  return layers;
}

std::int64_t parameter_count(std::span<const ModelLayer> layers) {
  std::int64_t count = 0;
  for (const ModelLayer& layer : layers) count += layer.parameters();
  return count;
}

}  // namespace grit
