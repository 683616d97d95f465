#include "workloads/layer_split.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <numeric>
#include <string>

namespace grit {
namespace {

/// "1, 2, 3, 4, 6, 12"
std::string divisors_of(int number) {
  std::vector<int> divisors;
  for (int divisor = 1; divisor <= number; ++divisor) {
    if (number % divisor == 0) divisors.push_back(divisor);
  }
  return fmt::format("{}", fmt::join(divisors, ", "));
}

Status check_tensor_ranks(const ModelShape& shape, int tensor_ranks) {
  const int common = std::gcd(std::gcd(shape.heads, shape.kv_heads), shape.ffn);
  if (common % tensor_ranks == 0) return {};
  return usage_error(
      fmt::format("{} has {} attention heads, {} of keys and values, and a feed-forward network of width {}; tp = {} "
                  "does not divide all of these: tp can be {}",
                  shape.name, shape.heads, shape.kv_heads, shape.ffn, tensor_ranks, divisors_of(common)));
}

Status check_expert_ranks(const ModelShape& shape, int expert_ranks) {
  if (expert_ranks == 1) return {};
  if (shape.experts == 0) {
    std::vector<std::string_view> names;
    for (const ModelShape& other : model_shapes()) {
      if (other.experts > 0) names.push_back(other.name);
    }
    return usage_error(fmt::format("{} has no experts that ep = {} ranks could share: choose ep = 1, or one of {}",
                                   shape.name, expert_ranks, fmt::join(names, ", ")));
  }
  if (shape.experts % expert_ranks == 0) return {};
  return usage_error(fmt::format("{} has {} experts in each block, which do not divide by ep = {}: ep can be {}",
                                 shape.name, shape.experts, expert_ranks, divisors_of(shape.experts)));
}

}  // namespace

Status check_division(const ModelShape& shape, const Mesh& mesh, int chunks) {
  const int stages = mesh.size(Axis::pp);
  if (chunks < 1 || shape.layers % (stages * chunks) != 0) {
    return usage_error(fmt::format(
        "{} has {} transformer blocks, which do not divide into equal parts over {} pipeline stage(s) of {} chunk(s): "
        "pp times chunks can be {}",
        shape.name, shape.layers, stages, chunks, divisors_of(shape.layers)));
  }
  GRIT_CHECK(check_tensor_ranks(shape, mesh.size(Axis::tp)));
  return check_expert_ranks(shape, mesh.size(Axis::ep));
}

std::vector<std::vector<ModelLayer>> layers_of_stage(const ModelShape& shape, double scale, const Mesh& mesh,
                                                     int chunks, int stage) {
  const std::vector<ModelLayer> layers = model_layers(shape, scale, mesh);
  const int stages = mesh.size(Axis::pp);
  const int parts = stages * chunks;
  const int blocks = shape.layers / parts;
  std::vector<std::vector<ModelLayer>> chunks_of_stage;
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const int part = chunk * stages + stage;
    const int first = part == 0 ? 0 : 1 + part * blocks;  // layer 0 is the embedding
    const int end = 1 + (part + 1) * blocks + (part == parts - 1 ? 1 : 0);
    chunks_of_stage.emplace_back(layers.begin() + first, layers.begin() + end);
  }
  return chunks_of_stage;
}

}  // namespace grit
