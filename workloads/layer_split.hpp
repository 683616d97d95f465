// How a model's layers are shared out over the ranks of a mesh.
//
// How a workload uses it: check_division() first, which says what does not divide; then layers_of_stage(), whose layers
// are what one rank holds and computes. The actions of pipeline_schedule.hpp name their chunks by the index in it.
#pragma once

#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/mesh.hpp"
#include "workloads/models.hpp"

namespace grit {

/// Can the model be divided over the mesh, with so many chunks on each pipeline stage? Error (usage): says which sizes
/// would do.
///   pp   pp · chunks divides the transformer blocks (Megatron-LM: "number of layers must be divisible")
///   tp   divides the attention heads, those of keys and values, and the feed-forward network's width
///   ep   divides the experts; a model without any has ep = 1
Status check_division(const ModelShape& shape, const Mesh& mesh, int chunks);

/// The layers of each chunk of a stage, in the order of the forward pass. All chunks have equally many transformer
/// blocks; the first chunk of the first stage also has the embedding, the last chunk of the last stage the head.
/// Chunk c of stage s is part c · pp + s of the model (Narayanan et al. 2021, arXiv:2104.04473, §2.2.2).
std::vector<std::vector<ModelLayer>> layers_of_stage(const ModelShape& shape, double scale, const Mesh& mesh,
                                                     int chunks, int stage);

}  // namespace grit
